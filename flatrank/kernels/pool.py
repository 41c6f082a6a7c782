"""Sharing one kernel call between the threads of XLA's own pool.

Numba's parallel layers are not used: one aborts when two threads enter it, the others need
libraries that may be absent. XLA owns a pool with a thread for each core and lends it to handlers
(`XLA_FFI_ThreadPool_Schedule`), with two warnings: nothing scheduled need ever run beside the
caller, and the pool may have one thread, perhaps the one that is calling.

So the caller never waits for a task to *start*. Work is cut into chunks, handed out by an atomic
counter. The caller takes chunks like everybody else until none is left, then waits only for chunks
that some running thread has already taken. A task that starts late finds nothing left. It may even
start after the call has returned, so the shared block lives on the heap and is freed by whoever
lets go of it last.

Each row belongs to one chunk and is summed by one thread in the order of its entries, so results do
not depend on who ran what.
"""

# Numba intrinsics are called without the typing context that their definitions name.
# pyright: reportCallIssue=false

from __future__ import annotations

from typing import no_type_check

from llvmlite import ir
from numba import cfunc, njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from flatrank.kernels.addresses import CFunction, kept
from flatrank.kernels.ffi import (
    INNER,
    load_word,
    schedule,
    set_word,
    store_word,
    thread_count,
    word,
)
from flatrank.kernels.jobs import FILLED, JOB_WORDS, POINTERS, N, pointer_at

INT64 = ir.IntType(64)
# Words of a block; its job follows.
REFERENCES, NEXT, FINISHED, CHUNKS, LOOP, HEADER = range(6)
CHUNKS_PER_THREAD = 16
ROW_COST = 3  # what a row costs beside its entries, in entries
WORTH_WAKING = 200_000  # multiply-adds for which it pays to wake one more thread
SPINS = 1000  # looks at the counter before the waiting caller lets others run
NAME = "flatrank_share"


@intrinsic
def fetch_add(_context, address, value):
    """Add to a word that other threads also change; what it was before."""

    def codegen(_, builder, _signature, args):
        place = builder.inttoptr(args[0], INT64.as_pointer())
        return builder.atomic_rmw("add", place, args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def allocate(_context, size):
    """Malloc."""

    def codegen(_, builder, _signature, args):
        kind = ir.FunctionType(INT64, [INT64])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "malloc"), args)

    return types.int64(types.int64), codegen


@intrinsic
def free(_context, address):
    """Give back what `allocate` gave."""

    def codegen(_, builder, _signature, args):
        kind = ir.FunctionType(ir.VoidType(), [INT64])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "free"), args)

    return types.void(types.int64), codegen


@intrinsic
def let_others_run(_context):
    """sched_yield."""

    def codegen(_, builder, _signature, _args):
        kind = ir.FunctionType(ir.IntType(32), [])
        name = "sched_yield"
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])

    return types.void(), codegen


@intrinsic
def run(_context, loop, job, first, last):
    """Call a loop, given by address, on some rows of a job."""

    def codegen(_, builder, _signature, args):
        kind = ir.FunctionType(ir.VoidType(), [INT64] * 3)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])

    return types.void(*[types.int64] * 4), codegen


@intrinsic
def copy_job(_context, job, to):
    """Copy all words of a job."""

    def codegen(_, builder, _signature, args):
        for i in range(JOB_WORDS):
            store_word(builder, args[1], i, load_word(builder, args[0], i))

    return types.void(types.int64, types.int64), codegen


@no_type_check
@njit(**INNER)
def first_row(job, chunk, chunks):
    """The row where a chunk begins: chunks are even in entries plus ROW_COST for each row."""
    n = word(job, N)
    if word(job, POINTERS) == 0:
        return n * chunk // chunks
    goal = (word(job, FILLED) + ROW_COST * n) * chunk // chunks
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if pointer_at(job, middle) + ROW_COST * middle < goal:
            low = middle + 1
        else:
            high = middle
    return low


@no_type_check
@njit(**INNER)
def work(block):
    """Take chunks until none is left."""
    job, chunks = block + 8 * HEADER, word(block, CHUNKS)
    while True:
        chunk = fetch_add(block + 8 * NEXT, 1)
        if chunk >= chunks:
            return
        first, last = first_row(job, chunk, chunks), first_row(job, chunk + 1, chunks)
        run(word(block, LOOP), job, first, last)
        fetch_add(block + 8 * FINISHED, 1)


@no_type_check
@njit(**INNER)
def release(block):
    """Let go of a block; the last one to do so frees it."""
    if fetch_add(block + 8 * REFERENCES, -1) == 1:
        free(block)


@no_type_check
@njit(**INNER)
def take_part(block):
    """What a thread of the pool does with a block."""
    work(block)
    release(block)


@intrinsic
def task(typing_context):
    """The address of `take_part`."""
    function = CFunction(typing_context, take_part, 1)
    return types.int64(), lambda context, builder, *_: function.address(context, builder)


@no_type_check
@njit(**INNER)
def block_for(job, loop, chunks):
    """A block on the heap that holds a copy of the job; 0 where memory is short."""
    block = allocate(8 * (HEADER + JOB_WORDS))
    if block:
        set_word(block, REFERENCES, 1)
        set_word(block, NEXT, 0)
        set_word(block, FINISHED, 0)
        set_word(block, CHUNKS, chunks)
        set_word(block, LOOP, loop)
        copy_job(job, block + 8 * HEADER)
    return block


@no_type_check
@njit(**INNER)
def run_shared(frame, block, threads):
    """Run all chunks of a block, with the help of up to `threads` - 1 threads of the pool."""
    for _ in range(threads - 1):
        fetch_add(block + 8 * REFERENCES, 1)
        if not schedule(frame, task(), block):
            fetch_add(block + 8 * REFERENCES, -1)
            break
    work(block)
    looks = 0
    while fetch_add(block + 8 * FINISHED, 0) < word(block, CHUNKS):
        looks += 1
        if looks > SPINS:
            let_others_run()
    release(block)


@no_type_check
def share(stamp):
    """The C function `share(frame, job, cost, loop)`, compiled or taken from numba's disk cache.

    It runs a loop, given by address, over all rows of a job, with the pool's help when `cost`
    multiply-adds pay for it. It is compiled once for all kernels, which know it by NAME; `stamp`
    only serves to find it again.
    """

    @cfunc(types.void(*[types.int64] * 4), **kept(share))
    def shared(frame, job, cost, loop):
        threads = 1 + cost // WORTH_WAKING
        if threads > 1 and stamp:
            threads = min(threads, thread_count(frame))
        block = block_for(job, loop, CHUNKS_PER_THREAD * threads) if threads > 1 else 0
        if block:
            run_shared(frame, block, threads)
        else:
            run(loop, job, 0, word(job, N))

    return shared
