"""What the loops share: a job's words, its rows and entries, gathered rows and sums over them.

A *job* is the run of 8-byte words `WORDS` that tells a loop what to work on. There are N rows and M
entries. X and P are the sides read row by row, Y and Q those gathered, of WIDTH rows; K is the
number of columns of each, STRIDE the distance between rows of Y in numbers. V and W are vectors
along the entries. OUT has a row or a block, and SUM a number or a matrix, for each row of the
pattern. WORK is scratch. STEPS are those of an iteration on each row. LONG is 1 where POINTERS are
int64. Absent addresses are 0.

A row of at most HARDWARE.narrow columns is held in registers, its number of columns known when the
loop is written. Of a wider row a first block of 16 to 31 columns and further ones of 16 are
treated one after the other, so that one loop serves every rank with the same first block. Entries
are then taken in batches that fit the first cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial, reduce
from typing import Any, NamedTuple

from llvmlite import ir

from flatrank.kernels.code import INT8, INT32, INT64, Code, Integer
from flatrank.kernels.hardware import HARDWARE
from flatrank.kernels.vectors import Shape, Vectors, register_count

WORDS = "N M LONG POINTERS INDICES K X P Y Q STRIDE WIDTH V W OUT SUM WORK STEPS"
PLACES = {name: i for i, name in enumerate(WORDS.split())}
Left = Callable[[Integer, Shape], list[Any]]
Numbers = Callable[[Integer, int], Any]
Entries = tuple[Integer, Integer]


class Variant(NamedTuple):
    """What one loop is compiled for."""

    loop: str
    k: int  # columns of the factors; of a wide row's first block
    bits: int  # 32 or 64
    group: int  # entries treated at once
    wide: bool  # whether the factors have more than HARDWARE.narrow columns


class Table(NamedTuple):
    """Rows named by the pattern's indices."""

    start: Integer  # address of the first row
    indices: Integer  # address of the indices
    stride: Integer  # bytes between rows
    asked: Integer  # number of indices; 0 where all rows are near, and need no prefetch
    bytes: int  # how much of a narrow row is prefetched

    def shifted(self, offset: Any) -> Table:
        """The table whose rows begin so many bytes further on."""
        return self._replace(start=self.start + offset)


def pointer_at(code: Code, job: Integer, row: Integer) -> Integer:
    """Where a row begins among the entries; pointers may be int64 or int32."""
    start, out = code.word(job, PLACES["POINTERS"]), code.variable(0)
    long = code.word(job, PLACES["LONG"]).given()
    with code.builder.if_else(long) as (wide, narrow):
        with wide:
            out.set(code.builder.load((start + row * 8).pointer(INT64), align=8))
        with narrow:
            short = code.builder.load((start + row * 4).pointer(INT32), align=4)
            out.set(code.builder.sext(short, INT64))
    return out.get()


class Total:
    """A sum over entries that are taken in groups and then one by one."""

    def __init__(self, code: Vectors, most: int):
        self.code = code
        self.sums = {n: code.variable([code.constant(0.0, n)]) for n in (most, 1)}

    def add(self, x: Any, y: Any) -> None:
        """Add the products of as many numbers as are taken at once."""
        sums = self.sums[x.type.count]
        sums.set([self.code.multiply_add(x, y, *sums.get())])

    def value(self) -> Any:
        """The sum of all."""
        first, *others = (self.code.folded(*sums.get()) for sums in self.sums.values())
        return self.code.add(first, *others) if others else first


class Rows(Vectors):
    """Writes a loop over some rows of a job, for a variant."""

    def __init__(self, builder: ir.IRBuilder, variant: Variant, job: Any, span: tuple[Any, Any]):
        super().__init__(builder, variant.bits)
        self.wide, self.group = bool(variant.wide), variant.group
        self.rest, self.block = Shape(variant.k, self.bits), Shape(HARDWARE.block, self.bits)
        self.address = self.integer(job)
        self.first, self.last = (self.integer(i) for i in span)
        self.k = self.job("K") if self.wide else self.integer(variant.k)
        self.span = self.k * self.size
        with builder.goto_entry_block():
            block = builder.alloca(ir.ArrayType(INT64, HARDWARE.batch if self.wide else 0))
            self.scratch = self.integer(builder.ptrtoint(block, INT64))

    def job(self, name: str) -> Integer:
        """A word of the job."""
        return self.word(self.address, PLACES[name])

    def row(self, name: str, i: Integer) -> Integer:
        """Where the i-th row of a matrix begins."""
        return self.job(name) + i * self.span

    def rows(self) -> Iterator[tuple[Integer, Entries]]:
        """A loop over the rows: each one's number and the entries it goes from and to."""
        begin = self.variable(pointer_at(self, self.address, self.first))
        for i in self.loop(self.first, self.last):
            end = pointer_at(self, self.address, i + 1)
            yield i, (begin.get(), end)
            begin.set(end)

    def batches(self, entries: Entries) -> Iterator[Entries]:
        """A loop over batches of entries; of a narrow row they are one batch."""
        if not self.wide:
            yield entries
            return
        p, end = self.variable(entries[0]), entries[1]
        for _ in self.repeat(lambda: p.get() < end):
            begin = p.get()
            stop = self.smaller(begin + HARDWARE.batch, end)
            yield begin, stop
            p.set(stop)

    def blocks(self) -> Iterator[tuple[Integer, Shape]]:
        """The blocks of a row: bytes from its beginning, and the shape."""
        yield self.integer(0), self.rest
        if self.wide:
            for at in self.loop(self.rest.span, self.span, self.block.span):
                yield at, self.block

    def numbers(self, name: str) -> Numbers:
        """The numbers of a vector along the entries."""
        return partial(self._load_along, self.job(name))

    def _load_along(self, start: Integer, p: Integer, n: int) -> Any:
        return self.load_numbers(start + p * self.size, n)

    def clear(self, out: Integer) -> None:
        """Set a row to zero."""
        for at, shape in self.blocks():
            self.store(out + at, shape.zeros(), shape)

    def cleared(self, name: str, i: Integer) -> Integer:
        """Where a row begins that is going to be summed, zero now if it is wide."""
        out = self.row(name, i)
        if self.wide:
            self.clear(out)
        return out

    def spare(self) -> Integer:
        """Where a row begins that belongs to nobody, on the stack."""
        place = self.builder.alloca(self.element, self.k.value)
        return self.integer(self.builder.ptrtoint(place, INT64))

    def combine(self, out: Integer, s: Any, x: Integer, y: Integer) -> None:
        """The row s x + y, of rows at addresses and one number, to the row at `out`."""
        for at, shape in self.blocks():
            row = self.add_scaled(s, [self.load(x + at, shape)], self.load(y + at, shape))
            self.store(out + at, row, shape)

    def inner(self, x: Integer, y: Integer) -> Any:
        """The inner product of the rows at two addresses."""
        total = self.variable([ir.Constant(self.rest.vector, None)])
        for at, shape in self.blocks():
            row = [self.load(y + at, shape)]
            total.set(self.times(self.load_left(x + at, shape), row, total.get()))
        return self.folded(total.get()[0])

    def columns(self) -> Any:
        """A loop over the columns, unrolled where there are few."""
        return self.loop(0, self.k) if self.wide else map(self.integer, range(self.rest.lanes))

    def pieces(self) -> Iterator[tuple[Integer, Entries]]:
        """A loop over the pieces of long vectors: each one's number, its first and last number."""
        for i in self.loop(self.first, self.last):
            begin = i * HARDWARE.piece
            yield i, (begin, self.smaller(begin + HARDWARE.piece, self.job("M")))

    def left(self, name: str, i: Integer, present: Any = None) -> Left:
        """A row for the left of products, by blocks; a narrow one is loaded now, if present."""
        start = self.row(name, i)
        if self.wide:
            return lambda at, shape: self.load_left(start + at, shape)
        row = self.variable(self.rest.zeros())
        with self.when(present):
            row.set(self.load_left(start, self.rest))
        return lambda _at, _shape: row.get()

    def blocks_but(self, lane: Integer) -> Iterator[tuple[Integer, Shape]]:
        """The blocks of a row, that of a lane last."""
        if not self.wide:
            yield self.integer(0), self.rest
            return
        lanes, first = self.block.lanes, self.rest.lanes
        count, own = (self.k - first) // lanes + 1, (lane - first + lanes) // lanes
        for e in self.loop(1, count + 1):
            q = (own + e) % count
            with self.builder.if_else(q.given()) as (further, rest):
                with further:
                    yield (q - 1) * self.block.span + self.rest.span, self.block
                with rest:
                    yield self.integer(0), self.rest

    # Gathered rows.

    def table(self, name: str = "Y", span: int | None = None) -> Table:
        """The rows of Y or Q by the pattern's indices; prefetched as if of so many bytes."""
        stride = self.job("STRIDE") * self.size
        near = stride * self.job("WIDTH") <= HARDWARE.near
        asked = self.builder.select(near, INT64(0), self.job("M").value)
        asked = self.integer(asked)
        span = self.rest.span if span is None else span
        return Table(self.job(name), self.job("INDICES"), stride, asked, span)

    def places(self, table: Table, p: Integer, n: int) -> Iterator[Integer]:
        """Where the rows of n entries from p on begin."""
        for r in range(n):
            place = (table.indices + p * 4 + 4 * r).pointer(INT32)
            j = self.builder.sext(self.builder.load(place, align=4), INT64)
            yield table.start + table.stride * self.integer(j)

    def prefetch(self, table: Table, p: Integer, n: int, span: int) -> None:
        """Ask for so many bytes of the rows of n entries `ahead` of p, or of the last there are.

        Which rows come next is known long before they are used; each would cost a wait for memory.
        """
        # A row may straddle one line more than it fills.
        offsets = sorted({*range(0, span, HARDWARE.cache_line), span - 1}) if span else []
        with self.when(table.asked.given()):
            later = self.smaller(p + HARDWARE.ahead, table.asked - n)
            for row in self.places(table, later, n):
                for offset in offsets:
                    place = (row + offset).pointer(INT8)
                    flags = INT32(0), INT32(3), INT32(1)  # read, keep in every cache, data
                    self.call("llvm.prefetch.p0", ir.VoidType(), place, *flags)

    def gather(self, table: Table, p: Integer, n: int, shape: Shape) -> list[list[Any]]:
        """The rows of n entries from p on."""
        return [self.load(row, shape) for row in self.places(table, p, n)]

    def gather_column(self, table: Table, p: Integer, n: int, column: Integer) -> Any:
        """One number of each row of n entries from p on."""
        out = ir.Constant(ir.VectorType(self.element, n), ir.Undefined)
        for r, row in enumerate(self.places(table.shifted(column * self.size), p, n)):
            number = self.builder.load(row.pointer(self.element), align=self.size)
            out = self.builder.insert_element(out, number, INT32(r))
        return out

    # Sums over them.

    def entries(self, entries: Entries, *tables: Table) -> Iterator[tuple[Integer, int]]:
        """A loop over entries, groups and then single ones; narrow rows of tables prefetched."""
        for p, n in self.groups(*entries, self.group):
            for table in () if self.wide else tables:
                self.prefetch(table, p, n, table.bytes)
            yield p, n

    def products(self, pairs: list[tuple[Left, Table, Any]], p: Integer, n: int) -> Any:
        """Σ <x, y_p> over pairs of a row and a table, for each of n entries from p on.

        The third of a pair is whether it is there, or None where it always is.
        """
        sums = self.variable([ir.Constant(self.rest.vector, None)] * n)
        for x, table, present in pairs:
            with self.when(present):
                for at, shape in self.blocks():
                    block = table.shifted(at)
                    if self.wide:
                        self.prefetch(block, p, n, shape.span)
                    rows = self.gather(block, p, n, shape)
                    sums.set(self.times(x(at, shape), rows, sums.get()))
        return self.total(sums.get())

    def add_rows(self, out: Integer, terms: list[tuple[Numbers, Table]], entries: Entries) -> None:
        """Add Σ_p s_p y_p over numbers s and rows y, to the wide row at `out`; a narrow one is set.

        Entries are summed into a few rows in turn, so that no addition waits for the one before.
        """
        for at, shape in self.blocks():
            apart = self.apart(shape)
            sums = [self.variable(shape.zeros()) for _ in range(apart)]
            if self.wide:
                sums[0].set(self.load(out + at, shape))
            for p, n in self.entries(entries, *(table for _, table in terms)):
                for numbers, table in terms:
                    s = numbers(p, n)
                    for r, row in enumerate(self.gather(table.shifted(at), p, n, shape)):
                        acc = sums[r % apart]
                        scale = self.spread(s, shape.width, r)
                        pairs = zip(row, acc.get(), strict=True)
                        acc.set([self.multiply_add(scale, y, a) for y, a in pairs])
            pieces = zip(*[acc.get() for acc in sums], strict=True)
            self.store(out + at, [reduce(self.add, piece) for piece in pieces], shape)

    def apart(self, shape: Shape) -> int:
        """How many rows of sums to keep apart: as many as half of the registers hold."""
        if not self.wide:
            return 1
        rows = self.group
        while rows > 2 and rows * len(shape.starts) > register_count() // 2:
            rows //= 2
        return rows

    def scored(
        self,
        out: Integer,
        entries: Entries,
        score: Numbers,
        table: Table,
        more: tuple[Any, Numbers, Table] | None = None,
    ) -> None:
        """Add Σ_p s_p y_p, with s from `score`, to the row at `out`; a narrow one is set.

        And the term `more`, where the first of it holds. Narrow rows are scored and added while
        they are in registers; of wide ones, all are scored first.
        """
        if not self.wide:
            acc = self.variable(self.rest.zeros())
            for p, n in self.entries(entries, table):
                rows = self.gather(table, p, n, self.rest)
                acc.set(self.add_scaled(score(p, n), rows, acc.get()))
                if more:
                    with self.when(more[0]):
                        rows = self.gather(more[2], p, n, self.rest)
                        acc.set(self.add_scaled(more[1](p, n), rows, acc.get()))
            self.store(out, acc.get(), self.rest)
            return
        scratch = self.scratch - entries[0] * self.size
        for p, n in self.entries(entries):
            self.store_numbers(scratch + p * self.size, score(p, n))
        scores = partial(self._load_along, scratch)
        self.add_rows(out, [(scores, table)], entries)
        if more:
            with self.when(more[0]):
                self.add_rows(out, [more[1:]], entries)
