"""Sharing one kernel call between threads that live in compiled code.

Helpers never leave it: they look at a turn counter, join an open job, take chunks, look for more,
then sleep, and end after a second without work. So no hand-over waits for Python's lock. The caller
opens the one mailbox under a lock of its own; a second caller meanwhile works alone. It takes
chunks like everybody else until none is left, then waits for the chunks that others have taken.

Each row belongs to one chunk and is summed by one thread in the order of its entries, so results do
not depend on who ran what.
"""

# Numba intrinsics are called without the typing context that their definitions name.
# pyright: reportCallIssue=false

from __future__ import annotations

import ctypes
import os
import threading
from functools import cache
from typing import Any, no_type_check

from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

from flatrank.kernels.addresses import kept
from flatrank.kernels.jobs import POINTERS, M, N, pointer_at
from flatrank.kernels.support import threads, unshared
from flatrank.kernels.waiting import NAPS, give_way, sleep, wake
from flatrank.kernels.words import INNER, INT64, fetch_add, set_word, shared, word

# Words of the mailbox: jobs so far, whether one may be joined, helpers in it and asleep; on a cache
# line of their own, before the chunks taken and finished and what to do with them.
TURN, OPEN, INSIDE, ASLEEP = range(4)
NEXT, FINISHED, CHUNKS, LOOP, JOB, BOX = range(8, 14)
CHUNKS_PER_THREAD = 16
ROW_COST = 3  # what a row costs beside its entries, in entries
# Multiply-adds for which one more thread pays, if it is awake, and if it has to be woken.
WORTH_SHARING, WORTH_WAKING = 200_000, 1_000_000
LOOKS, PATIENCE = 400, 5000  # looks of a helper before it sleeps, of a caller before it gives way


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
    goal = (word(job, M) + ROW_COST * n) * chunk // chunks
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
def work(box):
    """Take chunks until none is left."""
    job, chunks = word(box, JOB), word(box, CHUNKS)
    while True:
        chunk = fetch_add(box, NEXT, 1)
        if chunk >= chunks:
            return
        first, last = first_row(job, chunk, chunks), first_row(job, chunk + 1, chunks)
        run(word(box, LOOP), job, first, last)
        fetch_add(box, FINISHED, 1)


@no_type_check
def helping(stamp):
    """A helper's life."""

    def life(box):
        seen, looks, naps = 0, 0, 0
        while stamp and naps < NAPS:
            if shared(box, TURN) != seen:
                seen, looks, naps = shared(box, TURN), 0, 0
                fetch_add(box, INSIDE, 1)
                if fetch_add(box, OPEN, 0) == 1:
                    work(box)
                fetch_add(box, INSIDE, -1)
            elif looks < LOOKS:
                looks += 1
                give_way()
            else:
                looks, naps = 0, naps + 1
                fetch_add(box, ASLEEP, 1)
                sleep(box + 8 * TURN, seen)
                fetch_add(box, ASLEEP, -1)

    return life


@no_type_check
def leading(stamp):
    """The caller's part; helpers that came late may still look for chunks of the job before."""

    def lead(box, job, loop, chunks, more):
        while stamp and fetch_add(box, INSIDE, 0) > 0:
            give_way()
        set_word(box, NEXT, 0)
        set_word(box, FINISHED, 0)
        set_word(box, CHUNKS, chunks)
        set_word(box, LOOP, loop)
        set_word(box, JOB, job)
        fetch_add(box, OPEN, 1)
        fetch_add(box, TURN, 1)
        if more and fetch_add(box, ASLEEP, 0) > 0:
            wake(box + 8 * TURN, more)
        work(box)
        looks = 0
        while shared(box, FINISHED) < chunks:
            looks += 1
            if looks > PATIENCE:
                give_way()
        fetch_add(box, OPEN, -1)

    return lead


@cache
def parts(stamp: int) -> tuple[Any, Any]:
    """The C functions of a helper and of a caller."""
    life = kept(helping(stamp), 1, f"life_{stamp:x}")
    return life, kept(leading(stamp), 5, f"lead_{stamp:x}")


class Team:
    """The mailbox and the helpers of this process."""

    def __init__(self, stamp: int):
        self.life, self.lead = (part.ctypes for part in parts(stamp))
        self.lock, self.threads = threading.Lock(), threads()
        self.helpers: list[threading.Thread] = []
        box = (ctypes.c_int64 * BOX)()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(box))  # helpers outlive all else at the end
        self.box = ctypes.addressof(box)

    def share(self, job: int, loop: int, cost: int) -> bool:
        """Run all rows of a job with helpers; False where there are none, or others have them."""
        number = min(1 + cost // WORTH_SHARING, self.threads)
        more = min(cost // WORTH_WAKING, number - 1)
        if number < 2 or unshared.get() or not self.lock.acquire(blocking=False):
            return False
        try:
            self.gather(more)
            self.lead(self.box, job, loop, CHUNKS_PER_THREAD * number, more)
        finally:
            self.lock.release()
        return True

    def gather(self, helpers: int) -> None:
        """See that so many helpers are alive, if the system lets them begin."""
        self.helpers = [helper for helper in self.helpers if helper.is_alive()]
        for _ in range(helpers - len(self.helpers)):
            helper = threading.Thread(target=self.life, args=(self.box,), daemon=True)
            try:
                helper.start()
            except RuntimeError:  # no more threads, or the interpreter is about to end
                return
            self.helpers.append(helper)


@cache
def team(stamp: int) -> Team:
    """The team of this process."""
    return Team(stamp)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=team.cache_clear)  # its helpers are the parent's
