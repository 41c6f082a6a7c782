"""What the loops do with vector registers, as numba intrinsics: load, multiply, sum, store.

Arguments called `like` are values that only lend their type. Addresses are integers.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy import finfo

from flatrank.kernels import registers
from flatrank.kernels.registers import (
    FUSE,
    INT32,
    INT64,
    Lanes,
    Pack,
    by_row,
    halved,
    joined,
    load_pieces,
    multiply_add,
    parts,
    pointer,
    row_sums,
    shuffle,
)
from flatrank.kernels.signatures import PIVOT

SUMS = registers.count() // 2  # registers for sums kept apart


def fact(name):
    """An intrinsic: a property of a value's type as a compile-time constant."""

    @intrinsic
    def constant(_context, like):
        return types.int64(like), lambda *_: INT64(getattr(like, name))

    return constant


rows_of, bytes_of, lanes_of, span_of = map(fact, ("rows", "size", "lanes", "span"))


@intrinsic
def pack(_context, like):
    """One zero for each row of `like`."""
    out = Pack(like.rows, like.bits)
    return out(like), lambda *_: ir.Constant(out.vector, None)


@intrinsic
def ones(_context, like):
    """One for each row of `like`."""
    out = Pack(like.rows, like.bits)
    return out(like), lambda *_: ir.Constant(out.vector, [1.0] * like.rows)


@intrinsic
def first_of(_context, like):
    """Zeros shaped as the first row of `like`."""
    out = Lanes(like.lanes, like.bits, 1)
    return out(like), lambda context, *_: ir.Constant(context.get_value_type(out), None)


@intrinsic
def index_at(_context, indices, position):
    """The index of one entry."""

    def codegen(_, builder, _signature, args):
        first = builder.add(args[0], builder.mul(args[1], INT64(4)))
        return builder.sext(builder.load(pointer(builder, first, 0, INT32), align=4), INT64)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def load(_context, address, like):
    """One row, as it is."""

    def codegen(_, builder, _signature, args):
        return joined(builder, load_pieces(builder, args[0], like))

    return like(types.int64, like), codegen


@intrinsic
def load_left(_context, address, like):
    """One row for the left of `times`: lanes that two pieces share are zeroed in the second."""

    def codegen(_, builder, _signature, args):
        pieces = load_pieces(builder, args[0], like)
        end = 0
        for i, start in enumerate(like.starts):
            keep = [(j if j >= end - start else like.width) for j in range(like.width)]
            pieces[i] = shuffle(builder, pieces[i], ir.Constant(like.vector, None), keep)
            end = start + like.width
        return joined(builder, pieces)

    return like(types.int64, like), codegen


@intrinsic
def store(_context, address, value):
    """Write one row or one pack."""

    def codegen(_, builder, _signature, args):
        starts = getattr(value, "starts", None)
        pieces = parts(builder, args[1]) if starts else [args[1]]
        for start, piece in zip(starts or [0], pieces, strict=True):
            place = pointer(builder, args[0], value.size * start, value.vector)
            builder.store(piece, place, align=value.size)

    return types.void(types.int64, value), codegen


@intrinsic
def load_pack(_context, address, like):
    """Consecutive numbers, one for each row."""

    def codegen(_, builder, _signature, args):
        return builder.load(pointer(builder, args[0], 0, like.vector), align=like.size)

    return like(types.int64, like), codegen


@intrinsic
def spread(_context, number, like):
    """A pack of one, as often as there are rows in `like`."""

    def codegen(_, builder, _signature, args):
        return shuffle(builder, args[0], args[0], [0] * like.rows)

    return like(number, like), codegen


@intrinsic
def with_lane(_context, row, lane, number):
    """The row with one number in place of that of a lane."""

    def codegen(_, builder, _signature, args):
        kind = ir.VectorType(INT64 if row.bits == 64 else INT32, row.width)
        sought = args[1] if row.bits == 64 else builder.trunc(args[1], INT32)
        sought = splat(builder, sought, row.width)
        new, out = shuffle(builder, args[2], args[2], [0] * row.width), []
        for start, piece in zip(row.starts, parts(builder, args[0]), strict=True):
            lanes = ir.Constant(kind, list(range(start, start + row.width)))
            out.append(builder.select(builder.icmp_signed("==", lanes, sought), new, piece))
        return joined(builder, out)

    return row(row, types.int64, number), codegen


def splat(builder, number, width):
    """One integer in all lanes."""
    one = builder.insert_element(
        ir.Constant(ir.VectorType(number.type, 1), ir.Undefined), number, INT32(0)
    )
    return shuffle(builder, one, one, [0] * width)


@intrinsic
def inverse_root(_context, pivot, whole):
    """1/√pivot, or 0 where the pivot is rounding of the whole it is left of; packs of one."""
    least = PIVOT * float(finfo(f"float{pivot.bits}").eps)

    def codegen(_, builder, _signature, args):
        one = ir.Constant(pivot.vector, [1.0])
        # Not a number goes on.
        small = builder.fmul(args[1], ir.Constant(pivot.vector, [least]))
        good = builder.fcmp_unordered(">", args[0], small)
        kind = ir.FunctionType(pivot.vector, [pivot.vector])
        name = f"llvm.sqrt.v1f{pivot.bits}"
        root = builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [args[0]])
        return builder.select(good, builder.fdiv(one, root), ir.Constant(pivot.vector, None))

    return pivot(pivot, whole), codegen


@intrinsic
def negative(_context, x):
    """−x, a pack."""
    return x(x), lambda _c, builder, _s, args: builder.fneg(args[0])


@intrinsic
def times(_context, x, y):
    """Products of the row x with every row of y, summed over pieces but not over lanes."""
    out = Lanes(y.width, y.bits, y.rows)

    def codegen(_, builder, _signature, args):
        left, sums = parts(builder, args[0]), []
        for row in by_row(builder, args[1], y):
            s = builder.fmul(left[0], row[0], flags=FUSE)
            for a, b in zip(left[1:], row[1:], strict=True):
                s = multiply_add(builder, a, b, s)
            sums.append(s)
        return joined(builder, sums)

    return out(x, y), codegen


@intrinsic
def times_add(_context, x, y, sums):
    """`times`, added to earlier sums of the same shape."""

    def codegen(_, builder, _signature, args):
        left, out = parts(builder, args[0]), parts(builder, args[2])
        for r, row in enumerate(by_row(builder, args[1], y)):
            for a, b in zip(left, row, strict=True):
                out[r] = multiply_add(builder, a, b, out[r])
        return joined(builder, out)

    return sums(x, y, sums), codegen


@intrinsic
def total(_context, sums):
    """Sum over lanes: what `times` left, as one number for each row."""
    out = Pack(sums.rows, sums.bits)

    def codegen(_, builder, _signature, args):
        return row_sums(builder, parts(builder, args[0]), sums.bits)

    return out(sums), codegen


@intrinsic
def add_scaled(_context, s, y, acc):
    """Acc + s_1 y_1 + s_2 y_2 + ..., over the rows of y."""

    def codegen(_, builder, _signature, args):
        out = parts(builder, args[2])
        for r, row in enumerate(by_row(builder, args[1], y)):
            scale = shuffle(builder, args[0], args[0], [r] * y.width)
            out = [multiply_add(builder, scale, a, b) for a, b in zip(row, out, strict=True)]
        return joined(builder, out)

    return acc(s, y, acc), codegen


@intrinsic
def apart(_context, like):
    """Zeros for sums over entries that are kept apart, so that none waits for the one before."""
    rows = like.rows
    while rows > 2 and rows * len(like.starts) > SUMS:
        rows //= 2
    out = Lanes(like.lanes, like.bits, rows)
    return out(like), lambda context, *_: ir.Constant(context.get_value_type(out), None)


@intrinsic
def add_apart(_context, s, y, acc):
    """Add s_1 y_1, s_2 y_2, ... to the rows of acc in turn."""

    def codegen(_, builder, _signature, args):
        out = by_row(builder, args[2], acc)
        for r, row in enumerate(by_row(builder, args[1], y)):
            scale = shuffle(builder, args[0], args[0], [r] * y.width)
            i = r % acc.rows
            out[i] = [multiply_add(builder, scale, a, b) for a, b in zip(row, out[i], strict=True)]
        return joined(builder, [piece for row in out for piece in row])

    return acc(s, y, acc), codegen


@intrinsic
def together(_context, acc, start):
    """The row `start` plus all rows of acc."""

    def codegen(_, builder, _signature, args):
        rows = by_row(builder, args[0], acc)
        while len(rows) > 1:
            rows = [added(builder, *pair) for pair in zip(rows[::2], rows[1::2], strict=True)]
        return joined(builder, added(builder, rows[0], parts(builder, args[1])))

    return start(acc, start), codegen


def added(builder, x, y):
    """Sums of the pieces of two rows."""
    return [builder.fadd(a, b, flags=FUSE) for a, b in zip(x, y, strict=True)]


@intrinsic
def no_products(_context, like):
    """Zeros shaped as `times` with rows of `like`."""
    out = Lanes(like.width, like.bits, like.rows)
    return out(like), lambda context, *_: ir.Constant(context.get_value_type(out), None)


@intrinsic
def add(_context, x, y):
    """X + y, packs."""
    return x(x, y), lambda _c, builder, _s, args: builder.fadd(*args, flags=FUSE)


@intrinsic
def subtract(_context, x, y):
    """X - y, packs."""
    return x(x, y), lambda _c, builder, _s, args: builder.fsub(*args, flags=FUSE)


@intrinsic
def multiply(_context, x, y):
    """X * y, packs."""
    return x(x, y), lambda _c, builder, _s, args: builder.fmul(*args, flags=FUSE)


@intrinsic
def multiplied_add(_context, x, y, z):
    """X * y + z, packs."""
    return x(x, y, z), lambda _c, builder, _s, args: multiply_add(builder, *args)


@intrinsic
def collect(_context, x):
    """The sum of a pack, itself a pack of one."""
    out = Pack(1, x.bits)
    return out(x), lambda _c, builder, _s, args: halved(builder, args[0], 1)
