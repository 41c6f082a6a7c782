"""A job: the run of 8-byte words that tells a loop what to work on, sizes and addresses.

There are N rows and M entries. X and P are the sides read row by row, Y and Q those gathered, of
WIDTH rows; K is the number of columns of each, STRIDE the distance between rows of Y in numbers. V
and W are vectors along the entries. OUT has a row or a block, and SUM a number or a matrix, for
each row of the pattern. WORK is scratch. Addresses of what a kernel does not have are 0.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from flatrank.kernels.words import load_word

INT64, INT32 = ir.IntType(64), ir.IntType(32)

PLACES = {
    name: i
    for i, name in enumerate(
        [
            "N",
            "M",
            "LONG",
            "POINTERS",
            "INDICES",
            "K",
            "X",
            "P",
            "Y",
            "Q",
            "STRIDE",
            "WIDTH",
            "V",
            "W",
            "OUT",
            "SUM",
            "WORK",
        ]
    )
}
JOB_WORDS = len(PLACES)
N, M, K, LONG = (PLACES[name] for name in ("N", "M", "K", "LONG"))
X, P, Y, Q = (PLACES[name] for name in ("X", "P", "Y", "Q"))
STRIDE, WIDTH, V, W, OUT = (PLACES[name] for name in ("STRIDE", "WIDTH", "V", "W", "OUT"))
SUM, WORK, INDICES, POINTERS = (PLACES[name] for name in ("SUM", "WORK", "INDICES", "POINTERS"))


def load_pointer(builder, job, row):
    """Instructions for where a row begins among the entries; pointers may be int64 or int32."""
    start = load_word(builder, job, POINTERS)
    long = builder.icmp_signed("!=", load_word(builder, job, LONG), INT64(0))
    with builder.if_else(long) as (then, otherwise):
        with then:
            place = builder.add(start, builder.mul(row, INT64(8)))
            wide = builder.load(builder.inttoptr(place, INT64.as_pointer()), align=8)
            after_wide = builder.block
        with otherwise:
            place = builder.add(start, builder.mul(row, INT64(4)))
            narrow = builder.load(builder.inttoptr(place, INT32.as_pointer()), align=4)
            narrow = builder.sext(narrow, INT64)
            after_narrow = builder.block
    out = builder.phi(INT64)
    out.add_incoming(wide, after_wide)
    out.add_incoming(narrow, after_narrow)
    return out


@intrinsic
def pointer_at(_context, job, row):
    """Where a row begins among the entries."""

    def codegen(_, builder, _signature, args):
        return load_pointer(builder, *args)

    return types.int64(types.int64, types.int64), codegen
