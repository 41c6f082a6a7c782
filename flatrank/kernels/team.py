"""Sharing one kernel call between threads that live in compiled code.

Helpers never leave it: they look at a turn counter, join an open job, take chunks, spin, then nap,
and end after a second without work. So no hand-over waits for Python's lock. The caller opens the
one mailbox under a lock of its own; a second caller meanwhile works alone. It takes chunks like
everybody else until none is left, then waits for the chunks that others have taken.

Each row belongs to one chunk and is summed by one thread in the order of its entries, so results do
not depend on who ran what.
"""

# Numba intrinsics are called without the typing context that their definitions name.
# pyright: reportCallIssue=false

from __future__ import annotations

import os
import threading
from functools import cache
from typing import no_type_check

import numpy as np
from llvmlite import ir
from numba import cfunc, njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from flatrank.kernels.addresses import kept
from flatrank.kernels.jobs import FILLED, JOB_WORDS, POINTERS, N, pointer_at
from flatrank.kernels.words import INNER, INT64, word

# Words of the mailbox: jobs so far, whether one may be joined, helpers in it, helpers alive.
TURN, OPEN, INSIDE, ALIVE, BOX = range(5)
# Words of a block behind it; its job follows.
NEXT, FINISHED, CHUNKS, LOOP, HEADER = range(5)
CHUNKS_PER_THREAD = 16
ROW_COST = 3  # what a row costs beside its entries, in entries
WORTH_WAKING = 200_000  # multiply-adds for which it pays to wake one more thread
# Looks at the counter before a helper naps; naps of so many microseconds; short ones, and all.
SPIN, SHORT, LONG, DOZE, LAST = 20_000, 60, 1000, 200, 1200


@intrinsic
def fetch_add(_context, address, value):
    """Add to a word that other threads also change; what it was before."""

    def codegen(_, builder, _signature, args):
        place = builder.inttoptr(args[0], INT64.as_pointer())
        return builder.atomic_rmw("add", place, args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


def _c_function(name):
    """An intrinsic that calls a C function of one 32-bit integer, or of none."""

    @intrinsic
    def called(_context, argument):
        def codegen(_, builder, _signature, args):
            kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32)])
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            builder.call(function, [builder.trunc(args[0], ir.IntType(32))])

        return types.void(types.int64), codegen

    return called


nap = _c_function("usleep")


@intrinsic
def run(_context, loop, job, first, last):
    """Call a loop, given by address, on some rows of a job."""

    def codegen(_, builder, _signature, args):
        kind = ir.FunctionType(ir.VoidType(), [INT64] * 3)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])

    return types.void(*[types.int64] * 4), codegen


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
def helping(stamp):
    """The C function that is a helper's life."""

    @cfunc(types.void(types.int64), **kept(helping))
    def life(box):
        seen, idle = 0, 0
        while stamp and idle < SPIN + LAST:
            turn = fetch_add(box + 8 * TURN, 0)
            if turn != seen:
                seen, idle = turn, 0
                fetch_add(box + 8 * INSIDE, 1)
                if fetch_add(box + 8 * OPEN, 0) == 1:
                    work(box + 8 * BOX)
                fetch_add(box + 8 * INSIDE, -1)
            else:
                idle += 1
                if idle > SPIN:
                    nap(SHORT if idle < SPIN + DOZE else LONG)
        fetch_add(box + 8 * ALIVE, -1)

    return life


@no_type_check
def leading(stamp):
    """The C function that is the caller's part."""

    @cfunc(types.void(types.int64), **kept(helping))
    def lead(box):
        block = box + 8 * BOX
        fetch_add(box + 8 * OPEN, stamp - stamp + 1)
        fetch_add(box + 8 * TURN, 1)
        work(block)
        while fetch_add(block + 8 * FINISHED, 0) < word(block, CHUNKS):
            pass
        fetch_add(box + 8 * OPEN, -1)
        while fetch_add(box + 8 * INSIDE, 0) > 0:
            pass

    return lead


def count() -> int:
    """How many threads a call may use: FLATRANK_NUM_THREADS, OMP_NUM_THREADS or all processors."""
    for name in ("FLATRANK_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit() and int(os.environ[name]) > 0:
            return int(os.environ[name])
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Team:
    """The mailbox and the helpers of this process."""

    def __init__(self, stamp: int):
        self.life, self.lead = helping(stamp), leading(stamp)
        self.box = np.zeros(BOX + HEADER + JOB_WORDS, np.int64)
        self.lock, self.threads = threading.Lock(), count()

    def share(self, words: list[int], loop: int, threads: int) -> bool:
        """Run all rows of a job with helpers; False where somebody else has them."""
        if not self.lock.acquire(blocking=False):
            return False
        try:
            box, address = self.box, self.box.ctypes.data
            while box[ALIVE] < threads - 1:
                box[ALIVE] += 1
                threading.Thread(target=self.life.ctypes, args=(address,), daemon=True).start()
            box[BOX:] = [0, 0, CHUNKS_PER_THREAD * threads, loop, *words]
            self.lead.ctypes(address)
        finally:
            self.lock.release()
        return True


@cache
def team(stamp: int) -> Team:
    """The team of this process."""
    return Team(stamp)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=team.cache_clear)  # its helpers are the parent's
