"""Rows of a matrix named by column indices: the loads that decide the speed of everything.

A table is four integers: the address of the matrix, the address of the indices, the bytes between
rows, and the number of indices, or 0 where the whole matrix is near. Which rows come next is known
long before they are used, so their cache lines are asked for AHEAD entries early; otherwise each
would cost a wait for memory.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from flatrank.kernels.jobs import INDICES, STRIDE, WIDTH, M, Y
from flatrank.kernels.registers import INT8, INT32, INT64, joined, load_pieces, parts, pointer
from flatrank.kernels.words import load_word

TABLE = types.UniTuple(types.int64, 4)
AHEAD = 16  # entries between asking for a row and using it
HINT = 3
LINE = 64  # bytes of a cache line
NEAR = 2**18  # bytes of a matrix whose rows are not worth asking for


@intrinsic
def table_of(_context, job, like):
    """The table of a job: Y by the pattern's indices."""

    def codegen(_, builder, _signature, args):
        words = [load_word(builder, args[0], i) for i in (Y, INDICES, STRIDE, M)]
        words[2] = builder.mul(words[2], INT64(like.size))
        size = builder.mul(words[2], load_word(builder, args[0], WIDTH))
        near = builder.icmp_signed("<=", size, INT64(NEAR))
        words[3] = builder.select(near, INT64(0), words[3])
        return joined(builder, words)

    return TABLE(types.int64, like), codegen


@intrinsic
def shifted(_context, table, bytes_):
    """The table whose rows begin so many bytes further on."""

    def codegen(_, builder, _signature, args):
        start, *others = parts(builder, args[0])
        return joined(builder, [builder.add(start, args[1]), *others])

    return TABLE(TABLE, types.int64), codegen


def places(builder, table, position, like):
    """Addresses of the rows of a table for `like.rows` entries from `position` on."""
    matrix, indices, stride, _ = table
    first = builder.add(indices, builder.mul(position, INT64(4)))
    for r in range(like.rows):
        j = builder.load(pointer(builder, first, 4 * r, INT32), align=4)
        yield builder.add(matrix, builder.mul(builder.sext(j, INT64), stride))


@intrinsic
def ask(_context, table, position, like):
    """Ask for the rows of entries AHEAD of `position`, or of the last ones there are."""
    size = like.lanes * like.size
    # A row may straddle one line more than it fills.
    offsets = sorted({*range(0, size, LINE), size - 1})

    def codegen(_, builder, _signature, args):
        kind = ir.FunctionType(ir.VoidType(), [INT8.as_pointer(), INT32, INT32, INT32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        table = parts(builder, args[0])
        with builder.if_then(builder.icmp_signed("!=", table[3], INT64(0))):
            far = builder.add(args[1], INT64(AHEAD))
            last = builder.sub(table[3], INT64(like.rows))
            far = builder.select(builder.icmp_signed("<", far, last), far, last)
            for row in places(builder, table, far, like):
                for offset in offsets:
                    place = pointer(builder, row, offset, INT8)
                    builder.call(prefetch, [place, INT32(0), INT32(HINT), INT32(1)])

    return types.void(TABLE, types.int64, like), codegen


def gathering(offset):
    """An intrinsic: rows for the entries from a position on, `offset` rows of `like` further on."""

    @intrinsic
    def gather(_context, table, position, like):
        def codegen(_, builder, _signature, args):
            out = []
            for row in places(builder, parts(builder, args[0]), args[1], like):
                row = builder.add(row, INT64(offset * like.span))
                out += load_pieces(builder, row, like)
            return joined(builder, out)

        return like(TABLE, types.int64, like), codegen

    return gather


gather, gather_second = gathering(0), gathering(1)


@intrinsic
def gather_column(_context, table, position, column, like):
    """One number of each row for the entries from a position on, as a pack."""

    def codegen(_, builder, _signature, args):
        out = ir.Constant(like.vector, ir.Undefined)
        offset = builder.mul(args[2], INT64(like.size))
        for r, row in enumerate(places(builder, parts(builder, args[0]), args[1], like)):
            place = pointer(builder, builder.add(row, offset), 0, like.vector.element)
            number = builder.load(place, align=like.size)
            out = builder.insert_element(out, number, INT32(r))
        return out

    return like(TABLE, types.int64, types.int64, like), codegen
