"""The functions XLA calls: each checks a call frame and has a loop run over its rows.

One is compiled for each kernel, rank and element type when first asked for, and kept on disk by
numba, which finds it again by its bytecode and the values it closes over: so these are numbers and
strings only. `stamp` stands for the sources of this room, which numba, looking at this file alone,
would not see change.
"""

# Numba intrinsics are called without the typing context that their definitions name.
# pyright: reportCallIssue=false

from __future__ import annotations

import sys
from typing import no_type_check

from llvmlite import ir
from numba import cfunc
from numba.core import cgutils, types
from numba.extending import intrinsic

from flatrank.kernels import loops, pool, wide
from flatrank.kernels.addresses import CFunction, kept
from flatrank.kernels.ffi import local_words, set_word, word
from flatrank.kernels.frames import GO_ON, opened
from flatrank.kernels.jobs import FILLED, JOB_WORDS, OUT, STRIDE, WIDTH, WORK, K, N, P, Q, X, Y
from flatrank.kernels.registers import Lanes
from flatrank.kernels.signatures import BLOCK, Variant

INT64, INT32 = ir.IntType(64), ir.IntType(32)
SIGNATURE = types.int64(types.int64)
PAGE, HUGE = 4096, 14  # bytes of a page; Linux's MADV_HUGEPAGE
LARGE = 4 * 2**20  # bytes worth asking for large pages


def shapes(variant):
    """Types of the zeros that tell a loop what it is compiled for."""
    sizes = [variant.k]
    if variant.wide:
        sizes.append(BLOCK)
    elif variant.pairs:
        sizes.append(2 * variant.k)
    return types.Tuple([Lanes(n, variant.bits, rows) for n in sizes for rows in (1, variant.rows)])


@intrinsic(prefer_literal=True)
def loop(typing_context, name, variant):
    """The address of a loop for a variant; both are literal, and no name means the variant's."""
    what = Variant.read(variant.literal_value)
    room = wide if what.wide else loops
    dispatcher = getattr(room, name.literal_value or what.loop)
    function = CFunction(typing_context, dispatcher, 3, [shapes(what)])
    return types.int64(name, variant), lambda context, builder, *_: function.address(
        context, builder
    )


@intrinsic
def share(_context, frame, job, cost, address):
    """Call `pool.share`, which the linker knows by name."""

    def codegen(_, builder, _signature, args):
        kind = ir.FunctionType(ir.VoidType(), [INT64] * 4)
        builder.call(cgutils.get_or_insert_function(builder.module, kind, pool.NAME), args)

    return types.void(*[types.int64] * 4), codegen


@intrinsic(prefer_literal=True)
def on_large_pages(_context, address, numbers, variant):
    """Have so many numbers, still unwritten, put on large pages where the system has them.

    Rows are gathered from all over a matrix: on small pages most of them cost a look-up of the page
    as well. (Also, a result that is new costs one interruption for each page.)
    """
    size = Variant.read(variant.literal_value).bits // 8

    def codegen(_, builder, _signature, args):
        if sys.platform != "linux":
            return
        length = builder.mul(args[1], INT64(size))
        with builder.if_then(builder.icmp_signed(">=", length, INT64(LARGE))):
            start = builder.and_(builder.add(args[0], INT64(PAGE - 1)), INT64(-PAGE))
            kind = ir.FunctionType(INT32, [INT64, INT64, INT32])
            advise = cgutils.get_or_insert_function(builder.module, kind, "madvise")
            builder.call(advise, [start, builder.sub(length, INT64(PAGE)), INT32(HUGE)])

    return types.void(types.int64, types.int64, variant), codegen


@no_type_check
def plain(variant, cost, stamp):
    """A handler; `cost` is multiply-adds for each entry and column, 0 for one thread only."""

    @cfunc(SIGNATURE, **kept(shapes))
    def handler(frame):
        job = local_words(JOB_WORDS)
        verdict = opened(frame, job, variant)
        if verdict == GO_ON and stamp:
            share(frame, job, cost * word(job, K) * word(job, FILLED), loop("", variant))
            return 0
        return verdict

    return handler


@no_type_check
def dense(variant, cost, stamp):
    """A handler of k × k blocks; `cost` is multiply-adds for each number of a block."""

    @cfunc(SIGNATURE, **kept(shapes))
    def handler(frame):
        job = local_words(JOB_WORDS)
        verdict = opened(frame, job, variant)
        if verdict == GO_ON and stamp:
            share(frame, job, cost * word(job, N) * word(job, K) ** 2, loop("", variant))
            return 0
        return verdict

    return handler


@no_type_check
def copying(variant, cost, stamp):
    """A handler that first copies Y, and Q beside it where there is a Q, to scratch."""

    @cfunc(SIGNATURE, **kept(shapes))
    def handler(frame):
        job, copy = local_words(JOB_WORDS), local_words(JOB_WORDS)
        verdict = opened(frame, job, variant)
        if verdict == GO_ON and stamp:
            set_word(copy, N, word(job, WIDTH))
            set_word(copy, K, word(job, K))
            set_word(copy, X, word(job, Y))
            set_word(copy, P, word(job, Q))
            set_word(copy, OUT, word(job, WORK))
            set_word(copy, STRIDE, word(job, STRIDE))
            on_large_pages(word(job, WORK), word(job, WIDTH) * word(job, STRIDE), variant)
            share(frame, copy, word(job, K) * word(job, WIDTH), loop("side_by_side", variant))
            set_word(job, Y, word(job, WORK))
            share(frame, job, cost * word(job, K) * word(job, FILLED), loop("", variant))
            return 0
        return verdict

    return handler
