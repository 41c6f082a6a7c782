"""Vector registers as numba values.

Numba's own vectoriser does not see that the k numbers of a factor's row belong in registers, and a
`<10 x float>` handed to LLVM whole is taken apart lane by lane. So a row is held here as pieces of
one natural width w, the last of which overlaps the one before it (10 = 4 + 4 + the last 4): every
load is a full vector and no lane is idle. The overlap is cancelled by zeroing it in the *left*
operand of each product (`vectors.load_left`); sums computed twice come out equal and are stored
twice.

A `Lanes` value carries its shape in its type, so the loops in `loops.py` are written once and
compiled for each rank by handing them values of another type ("like" below). `rows` rows are
treated at once, which lets their inner products share the additions across lanes: `rows` products
are transposed while they are summed.

Multiplications and additions may fuse; nothing else is reordered and no NaN is assumed away.
"""

# Numba intrinsics are called without the typing context that their definitions name.
# pyright: reportCallIssue=false

from __future__ import annotations

import llvmlite.binding
from llvmlite import ir
from numba.core import types
from numba.extending import models, register_model

INT64, INT32, INT8 = ir.IntType(64), ir.IntType(32), ir.IntType(8)
FUSE = ("contract",)
# Bulldozer, Jaguar and the first Zen split 32-byte operations in two: there 16 bytes waste less.
NARROW = ("znver1", "bdver", "btver")


def vector_bytes() -> int:
    """Width of the registers to use on this processor."""
    features = llvmlite.binding.get_host_cpu_features()
    narrow = llvmlite.binding.get_host_cpu_name().startswith(NARROW)
    return 32 if features.get("avx2") and not narrow else 16


def count() -> int:
    """How many registers this processor has."""
    features = llvmlite.binding.get_host_cpu_features()
    return 32 if features.get("avx512vl") or features.get("neon") else 16


VECTOR_BYTES = vector_bytes()


class Lanes(types.Type):
    """`rows` rows of `lanes` numbers of `bits` bits, in registers."""

    def __init__(self, lanes: int, bits: int, rows: int):
        self.lanes, self.bits, self.rows = lanes, bits, rows
        self.size, self.span = bits // 8, lanes * bits // 8
        self.element = ir.FloatType() if bits == 32 else ir.DoubleType()
        self.width = VECTOR_BYTES // self.size
        while self.width > lanes:
            self.width //= 2
        self.vector = ir.VectorType(self.element, self.width)
        pieces = -(-lanes // self.width)
        self.starts = [min(i * self.width, lanes - self.width) for i in range(pieces)]
        super().__init__(f"Lanes({lanes},{bits},{rows},{VECTOR_BYTES})")


class Pack(types.Type):
    """One number for each of `rows` rows."""

    def __init__(self, rows: int, bits: int):
        self.rows, self.bits, self.size = rows, bits, bits // 8
        self.vector = ir.VectorType(ir.FloatType() if bits == 32 else ir.DoubleType(), rows)
        super().__init__(f"Pack({rows},{bits})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    """An array of vectors, which LLVM keeps in registers."""

    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, ir.ArrayType(lanes.vector, lanes.rows * len(lanes.starts)))


@register_model(Pack)
class PackModel(models.PrimitiveModel):
    """One short vector."""

    def __init__(self, manager, pack):
        super().__init__(manager, pack, pack.vector)


def pointer(builder, address, offset, to):
    """Turn an integer address plus `offset` bytes into a pointer."""
    return builder.inttoptr(builder.add(address, INT64(offset)), to.as_pointer())


def shuffle(builder, a, b, lanes):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT32, len(lanes)), lanes))


def multiply_add(builder, x, y, z):
    return builder.fadd(builder.fmul(x, y, flags=FUSE), z, flags=FUSE)


def joined(builder, vectors):
    out = ir.Constant(ir.ArrayType(vectors[0].type, len(vectors)), ir.Undefined)
    for i, v in enumerate(vectors):
        out = builder.insert_value(out, v, i)
    return out


def parts(builder, value):
    return [builder.extract_value(value, i) for i in range(value.type.count)]


def by_row(builder, value, like):
    """Split the vectors of `rows` rows into one list for each row."""
    vectors, n = parts(builder, value), len(like.starts)
    return [vectors[n * r : n * r + n] for r in range(like.rows)]


def halved(builder, v, width):
    """Fold a vector onto itself until `width` lanes are left."""
    while v.type.count > width:
        h = v.type.count // 2
        low = shuffle(builder, v, v, list(range(h)))
        high = shuffle(builder, v, v, list(range(h, 2 * h)))
        v = builder.fadd(low, high, flags=FUSE)
    return v


def row_sums(builder, vectors, bits):
    """Sum the lanes of each vector; the sums of all vectors side by side in one.

    Two vectors are interleaved and added for the price of folding one, and so on: the transpose is
    free. Shuffles stay within 16 bytes, where they are cheap everywhere.
    """
    n, width = len(vectors), vectors[0].type.count
    lane = min(128 // bits, width)
    if n > lane:
        halves = [row_sums(builder, vectors[i : i + n // 2], bits) for i in (0, n // 2)]
        return shuffle(builder, *halves, list(range(n)))
    step = 1
    while step < n:
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [interleaved_sum(builder, a, b, lane, step) for a, b in pairs]
        step *= 2
    return halved(builder, vectors[0], n)


def interleaved_sum(builder, a, b, lane, step):
    """Low plus high half of every group of `lane` lanes, blocks of `step` from a and b in turn."""
    width, half = a.type.count, lane // 2
    low, high = [], []
    for start in range(0, width, lane):
        for i in range(start, start + half, step):
            for offset in (0, width):
                low += [offset + i + j for j in range(step)]
                high += [offset + half + i + j for j in range(step)]
    return builder.fadd(shuffle(builder, a, b, low), shuffle(builder, a, b, high), flags=FUSE)


def load_pieces(builder, address, like):
    return [
        builder.load(pointer(builder, address, like.size * s, like.vector), align=like.size)
        for s in like.starts
    ]
