"""Sharing one kernel call between threads that live in compiled code.

Helpers never leave it: they look at a turn counter, join an open job, take chunks, look for more,
then sleep, and end after a second without work. So no hand-over waits for Python's lock. The caller
opens the one mailbox under a lock of its own; a second caller meanwhile works alone. It takes
chunks like everybody else until none is left, then waits for the chunks that others have taken.

Each row belongs to one chunk and is summed by one thread in the order of its entries, so results do
not depend on who ran what.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from functools import cache
from typing import Any

from llvmlite import ir

from flatrank.arrays import threads
from flatrank.kernels.code import INT32, INT64, Code, Integer
from flatrank.kernels.hardware import HARDWARE
from flatrank.kernels.native import compiled
from flatrank.kernels.rows import PLACES, pointer_at
from flatrank.kernels.support import unshared

# Words of the mailbox: jobs so far, whether one may be joined, helpers in it and asleep; on a cache
# line of their own, before the chunks taken and finished and what to do with them.
TURN, OPEN, INSIDE, ASLEEP = range(4)
NEXT, FINISHED, CHUNKS, LOOP, JOB, BOX = range(8, 14)
# Linux's call to sleep until a word changes, where its number is known; short naps elsewhere.
FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine()) if sys.platform == "linux" else None
NAP = 400_000 if FUTEX else 1000  # microseconds of one sleep


class Mailbox(Code):
    """Instructions on the mailbox, which other threads change too."""

    def __init__(self, builder: ir.IRBuilder, box: Any):
        super().__init__(builder)
        self.box = self.integer(box)

    def place(self, i: int) -> Any:
        """A pointer to a word."""
        return (self.box + 8 * i).pointer(INT64)

    def get(self, i: int) -> Integer:
        """A word as it is now."""
        return self.integer(self.builder.load_atomic(self.place(i), "seq_cst", 8))

    def add(self, i: int, value: int) -> Integer:
        """Add to a word; what it was before."""
        return self.integer(self.builder.atomic_rmw("add", self.place(i), INT64(value), "seq_cst"))

    def give_way(self) -> None:
        """Let another thread have the processor, if one waits for it."""
        self.call("sched_yield", INT32)

    def futex(self, operation: int, *arguments: Any) -> None:
        """Linux's futex on the turn counter, within one process."""
        address = self.box + 8 * TURN
        self.call(
            "syscall", INT64, INT64(FUTEX), address.value, INT64(operation), *arguments, fixed=1
        )

    def sleep(self, turn: Integer) -> None:
        """Sleep for a NAP, or until woken, if the turn is the same still."""
        if FUTEX:
            time = self.variable([ir.Constant(ir.ArrayType(INT64, 2), [0, 1000 * NAP])])
            self.futex(128, turn.value, self.builder.ptrtoint(time.slots[0], INT64))
        else:
            self.call("usleep", INT32, INT32(NAP))

    def wake(self, count: Integer) -> None:
        """Wake so many of those who sleep."""
        if FUTEX:
            self.futex(129, count.value, INT64(0))

    def first_row(self, job: Integer, chunk: Integer, chunks: Integer) -> Integer:
        """The row where a chunk begins: chunks are even in entries plus row_cost for each row."""
        n, out = self.word(job, PLACES["N"]), self.variable(0)
        with self.builder.if_else(self.word(job, PLACES["POINTERS"]).given()) as (sparse, dense):
            with dense:
                out.set(n * chunk // chunks)
            with sparse:
                goal = (self.word(job, PLACES["M"]) + n * HARDWARE.row_cost) * chunk // chunks
                high = self.variable(n)
                for _ in self.repeat(lambda: out.get() < high.get()):
                    middle = (out.get() + high.get()) // 2
                    before = pointer_at(self, job, middle) + middle * HARDWARE.row_cost < goal
                    with self.builder.if_else(before) as (later, earlier):
                        with later:
                            out.set(middle + 1)
                        with earlier:
                            high.set(middle)
        return out.get()

    def work(self) -> None:
        """Take chunks until none is left."""
        job, chunks, loop = (self.word(self.box, i) for i in (JOB, CHUNKS, LOOP))
        run = loop.pointer(ir.FunctionType(ir.VoidType(), [INT64] * 3))
        chunk = self.variable(self.add(NEXT, 1))
        for _ in self.repeat(lambda: chunk.get() < chunks):
            rows = [self.first_row(job, chunk.get() + i, chunks).value for i in (0, 1)]
            self.builder.call(run, [job.value, *rows])
            self.add(FINISHED, 1)
            chunk.set(self.add(NEXT, 1))


def helping(builder: ir.IRBuilder, box: Any) -> None:
    """A helper's life."""
    mail = Mailbox(builder, box)
    seen, looks, naps = (mail.variable(0) for _ in range(3))
    for _ in mail.repeat(lambda: naps.get() * NAP < HARDWARE.idle):
        turn = mail.get(TURN)
        with builder.if_else(turn.equals(seen.get())) as (same, new):
            with new:
                seen.set(turn)
                looks.set(0)
                naps.set(0)
                mail.add(INSIDE, 1)
                with mail.when(mail.add(OPEN, 0).equals(1)):
                    mail.work()
                mail.add(INSIDE, -1)
            with same, builder.if_else(looks.get() < HARDWARE.looks) as (soon, later):
                with soon:
                    looks.set(looks.get() + 1)
                    mail.give_way()
                with later:
                    looks.set(0)
                    naps.set(naps.get() + 1)
                    mail.add(ASLEEP, 1)
                    mail.sleep(seen.get())
                    mail.add(ASLEEP, -1)


def leading(builder: ir.IRBuilder, box: Any, *arguments: Any) -> None:
    """The caller's part; helpers that came late may still look for chunks of the job before."""
    mail = Mailbox(builder, box)
    job, loop, chunks, more = map(mail.integer, arguments)
    for _ in mail.repeat(lambda: mail.add(INSIDE, 0).given()):
        mail.give_way()
    for i, value in {NEXT: 0, FINISHED: 0, CHUNKS: chunks, LOOP: loop, JOB: job}.items():
        builder.store(mail.integer(value).value, mail.place(i), align=8)
    mail.add(OPEN, 1)
    mail.add(TURN, 1)
    with mail.when(more.given()), mail.when(mail.add(ASLEEP, 0).given()):
        mail.wake(more)
    mail.work()
    looks = mail.variable(0)
    for _ in mail.repeat(lambda: mail.get(FINISHED) < chunks):
        looks.set(looks.get() + 1)
        with mail.when(mail.integer(HARDWARE.spins) < looks.get()):
            mail.give_way()
    mail.add(OPEN, -1)


class Team:
    """The mailbox and the helpers of this process."""

    def __init__(self):
        self.life, self.lead = compiled("helping", helping, 1), compiled("leading", leading, 5)
        self.lock, self.threads = threading.Lock(), threads()
        self.helpers: list[threading.Thread] = []
        box = (ctypes.c_int64 * BOX)()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(box))  # helpers outlive all else at the end
        self.box = ctypes.addressof(box)

    def share(self, job: int, loop: int, cost: int) -> bool:
        """Run all rows of a job with helpers; False where there are none, or others have them."""
        number = min(1 + cost // HARDWARE.sharing, self.threads)
        more = min(cost // HARDWARE.waking, number - 1)
        if number < 2 or unshared() or not self.lock.acquire(blocking=False):
            return False
        try:
            self.gather(more)
            self.lead.call(self.box, job, loop, HARDWARE.chunks * number, more)
        finally:
            self.lock.release()
        return True

    def gather(self, helpers: int) -> None:
        """See that so many helpers are alive, if the system lets them begin."""
        self.helpers = [helper for helper in self.helpers if helper.is_alive()]
        for _ in range(helpers - len(self.helpers)):
            helper = threading.Thread(target=self.life.call, args=(self.box,), daemon=True)
            try:
                helper.start()
            except RuntimeError:  # no more threads, or the interpreter is about to end
                return
            self.helpers.append(helper)


@cache
def team() -> Team:
    """The team of this process."""
    return Team()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=team.cache_clear)  # its helpers are the parent's
