"""Rows of numbers in vector registers: load, multiply, sum, store.

LLVM takes a `<10 x float>` apart lane by lane. So a row is held as pieces of one natural width w,
the last of which overlaps the one before it (10 = 4 + 4 + the last 4): every load is a full vector
and no lane is idle. The overlap is cancelled by zeroing it in the *left* operand of each product
(`Vectors.load_left`); sums computed twice come out equal and are stored twice.

Several rows are treated at once, which lets their inner products share the additions across lanes:
they are transposed while they are summed. Below, a row is a list of pieces; `numbers` are one
number for each of several rows, in one short vector. Multiplications and additions may fuse, and
the sign of a zero may change; nothing else is reordered and no NaN is assumed away.
"""

# llvmlite's wrapped methods hide their parameters.
# pyright: reportCallIssue=false

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir

from flatrank.kernels.code import INT32, INT64, Code, Integer

FUSE = ("contract", "nsz")
# Bulldozer, Jaguar and the first Zen split 32-byte operations in two: there 16 bytes waste less.
SPLITTING = ("znver1", "bdver", "btver")


def vector_bytes() -> int:
    """Width of the registers to use on this processor."""
    features = llvmlite.binding.get_host_cpu_features()
    narrow = llvmlite.binding.get_host_cpu_name().startswith(SPLITTING)
    return 32 if features.get("avx2") and not narrow else 16


def register_count() -> int:
    """How many registers this processor has."""
    features = llvmlite.binding.get_host_cpu_features()
    return 32 if features.get("avx512vl") or features.get("neon") else 16


class Shape:
    """A row of so many numbers, `lanes`, of so many bits: the pieces it is held in."""

    def __init__(self, lanes: int, bits: int):
        self.lanes, self.span = lanes, lanes * bits // 8
        self.width = vector_bytes() * 8 // bits
        while self.width > lanes:
            self.width //= 2
        pieces = -(-lanes // self.width)
        self.starts = [min(i * self.width, lanes - self.width) for i in range(pieces)]
        self.vector = ir.VectorType(ir.FloatType() if bits == 32 else ir.DoubleType(), self.width)

    def zeros(self) -> list[Any]:
        """The row of zeros."""
        return [ir.Constant(self.vector, None) for _ in self.starts]


class Vectors(Code):
    """Instructions on rows and numbers of so many bits."""

    def __init__(self, builder: ir.IRBuilder, bits: int):
        super().__init__(builder)
        self.bits, self.size = bits, bits // 8
        self.element = ir.FloatType() if bits == 32 else ir.DoubleType()

    def load(self, address: Integer, shape: Shape) -> list[Any]:
        """A row, as it is."""
        places = [(address + self.size * start).pointer(shape.vector) for start in shape.starts]
        return [self.builder.load(place, align=self.size) for place in places]

    def load_left(self, address: Integer, shape: Shape) -> list[Any]:
        """A row for the left of `times`: lanes that two pieces share are zeroed in the second."""
        pieces, end = self.load(address, shape), 0
        for i, start in enumerate(shape.starts):
            keep = [(j if j >= end - start else shape.width) for j in range(shape.width)]
            pieces[i] = shuffle(self.builder, pieces[i], ir.Constant(shape.vector, None), keep)
            end = start + shape.width
        return pieces

    def store(self, address: Integer, row: list[Any], shape: Shape) -> None:
        """Write a row."""
        for start, piece in zip(shape.starts, row, strict=True):
            self.store_numbers(address + self.size * start, piece)

    def constant(self, value: float, count: int = 1) -> Any:
        """The same number, several times."""
        return ir.Constant(ir.VectorType(self.element, count), [value] * count)

    def load_numbers(self, address: Integer, count: int = 1) -> Any:
        """Consecutive numbers."""
        place = address.pointer(ir.VectorType(self.element, count))
        return self.builder.load(place, align=self.size)

    def store_numbers(self, address: Integer, numbers: Any) -> None:
        """Write consecutive numbers."""
        self.builder.store(numbers, address.pointer(numbers.type), align=self.size)

    def add(self, x: Any, y: Any) -> Any:
        """The sum x + y."""
        return self.builder.fadd(x, y, flags=FUSE)

    def subtract(self, x: Any, y: Any) -> Any:
        """The difference x − y."""
        return self.builder.fsub(x, y, flags=FUSE)

    def multiply(self, x: Any, y: Any) -> Any:
        """The product x y."""
        return self.builder.fmul(x, y, flags=FUSE)

    def negative(self, x: Any) -> Any:
        """The number −x."""
        return self.builder.fneg(x)

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        """The sum x y + z."""
        return self.add(self.multiply(x, y), z)

    def spread(self, numbers: Any, width: int, lane: int = 0) -> Any:
        """One of the numbers in all lanes of a vector."""
        return shuffle(self.builder, numbers, numbers, [lane] * width)

    def times(self, x: list[Any], rows: list[list[Any]], sums: list[Any]) -> list[Any]:
        """Add the products of x with every row to sums, one vector for each row."""
        out = list(sums)
        for r, row in enumerate(rows):
            for a, b in zip(x, row, strict=True):
                out[r] = self.multiply_add(a, b, out[r])
        return out

    def total(self, vectors: list[Any]) -> Any:
        """Sum the lanes of each vector; the sums of all vectors side by side.

        Two vectors are interleaved and added for the price of folding one, and so on: the transpose
        is free. Shuffles stay within 16 bytes, where they are cheap everywhere.
        """
        n, lane = len(vectors), min(128 // self.bits, vectors[0].type.count)
        if n > lane:
            halves = [self.total(vectors[i : i + n // 2]) for i in (0, n // 2)]
            return shuffle(self.builder, *halves, list(range(n)))
        step = 1
        while step < n:
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [self._interleaved(a, b, lane, step) for a, b in pairs]
            step *= 2
        return self.folded(vectors[0], n)

    def _interleaved(self, a: Any, b: Any, lane: int, step: int) -> Any:
        """Low plus high half of every `lane` lanes, blocks of `step` from a and b in turn."""
        width, half = a.type.count, lane // 2
        low = []
        for start in range(0, width, lane):
            for i in range(start, start + half, step):
                low += [offset + i + j for offset in (0, width) for j in range(step)]
        high = [half + i for i in low]
        return self.add(shuffle(self.builder, a, b, low), shuffle(self.builder, a, b, high))

    def folded(self, vector: Any, width: int = 1) -> Any:
        """Fold a vector onto itself until `width` lanes are left."""
        while vector.type.count > width:
            h = vector.type.count // 2
            low = shuffle(self.builder, vector, vector, list(range(h)))
            vector = self.add(low, shuffle(self.builder, vector, vector, list(range(h, 2 * h))))
        return vector

    def add_scaled(self, numbers: Any, rows: list[list[Any]], start: list[Any]) -> list[Any]:
        """The row start + s_1 y_1 + s_2 y_2 + ..., over rows y and their numbers s."""
        for r, row in enumerate(rows):
            s = self.spread(numbers, row[0].type.count, r)
            start = [self.multiply_add(s, a, b) for a, b in zip(row, start, strict=True)]
        return start

    def with_lane(self, row: list[Any], shape: Shape, lane: Integer, number: Any) -> list[Any]:
        """The row with one number in place of that of a lane."""
        integer = INT64 if self.bits == 64 else INT32
        sought = lane.value if self.bits == 64 else self.builder.trunc(lane.value, INT32)
        one = ir.Constant(ir.VectorType(integer, 1), ir.Undefined)
        sought = self.spread(self.builder.insert_element(one, sought, INT32(0)), shape.width)
        new, out = self.spread(number, shape.width), []
        for start, piece in zip(shape.starts, row, strict=True):
            lanes = ir.Constant(sought.type, list(range(start, start + shape.width)))
            out.append(
                self.builder.select(self.builder.icmp_signed("==", lanes, sought), new, piece)
            )
        return out


def shuffle(builder: ir.IRBuilder, a: Any, b: Any, lanes: list[int]) -> Any:
    """The lanes of a, then b, that are listed."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT32, len(lanes)), lanes))
