"""Jobs side by side, a thread for each, ended together by Ctrl-C, an error or the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context

import flatrank.kernels as kernels
from flatrank.arrays import scope, threads

#: Seconds between two looks at Ctrl-C and the clock.
LOOK = 0.1


def side_by_side(
    jobs: list[Callable[[], None]],
    stop: threading.Event,
    tell: Callable[[], None] = lambda: None,
    stop_after: float | None = None,
) -> bool:
    """Run jobs, each on a thread of its own; whether there was a Ctrl-C.

    Kernels of a job stay on its thread for as long as there are others; what a job finds is the
    same whatever runs beside it.

    Parameters
    ----------
    jobs
        Each ends soon after `stop` is set.
    stop
        Set on Ctrl-C, on an error, and when the time is over.
    tell
        Called ten times a second; an error in it, or in a job, is raised when all have ended.
    stop_after
        `time.perf_counter()` value at which `stop` is set.
    """
    interrupted, crowd = False, kernels.Crowd(len(jobs))

    def alone(job: Callable[[], None]) -> None:
        with crowd.member():
            job()

    with scope(), ThreadPoolExecutor(min(len(jobs), threads())) as pool:
        running = [pool.submit(copy_context().run, alone, job) for job in jobs]
        while running:
            try:
                done, left = wait(running, timeout=LOOK)
                running = list(left)
                for one in done:
                    one.result()
                tell()
                if stop_after is not None and time.perf_counter() > stop_after:
                    stop.set()
            except KeyboardInterrupt:
                interrupted = True
                stop.set()
            except BaseException:
                stop.set()
                raise
    return interrupted
