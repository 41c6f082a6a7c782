"""What adapters share: reading an instance of completion, its error, repeats, a clock with pauses.

Runs in the peers' own environments too, so NumPy is all it may import.
"""

import json
import time

import numpy as np

TARGET = 1e-6
ENOUGH = 20.0


class Completion:
    """Entries, rank and truth of one instance."""

    def __init__(self, path):
        with np.load(path) as data:
            self.rows, self.cols, self.values = data["rows"], data["cols"], data["values"]
            self.shape = tuple(int(n) for n in data["shape"])
            self.rank = int(data["rank"])
            self.U, self.V = data["U"], data["V"]

    def relative_error(self, L, R):
        """‖L Rᵀ - U Vᵀ‖_F / ‖U Vᵀ‖_F of the whole matrix, exact to rounding."""
        k = L.shape[1]
        left = np.linalg.qr(np.hstack([L, self.U]), mode="r")
        right = np.linalg.qr(np.hstack([R, self.V]), mode="r")
        truth = left[:, k:] @ right[:, k:].T
        return float(np.linalg.norm(left[:, :k] @ right[:, :k].T - truth) / np.linalg.norm(truth))


class Stopped(Exception):
    """Raised from inside a peer's iteration once there is no more to learn."""


class Clock:
    """Collects (seconds, error) while an iteration runs; computing the error is off the clock."""

    def __init__(self, instance, *, budget, until=TARGET / 10):
        self.instance, self.budget, self.until = instance, budget, until
        self.trace = []
        self._paused = 0.0
        self._start = time.perf_counter()

    def seconds(self):
        return time.perf_counter() - self._start - self._paused

    def record(self, L, R):
        """Note the error of this iterate; stop when it is good enough or time is up."""
        at = time.perf_counter()
        seconds = at - self._start - self._paused
        error = self.instance.relative_error(L, R)
        self.trace.append((seconds, error))
        self._paused += time.perf_counter() - at
        if not np.isfinite(error) or error <= self.until or seconds > self.budget:
            raise Stopped


def repeated(run, count):
    """Outcomes of `run`, at most `count`, until their seconds are enough."""
    runs = []
    while len(runs) < count and sum(out["seconds"] for out in runs) < ENOUGH:
        runs.append(run())
    return runs


def cold_and_warm(run, count):
    """The fastest of several warm outcomes, with the seconds of all and of the cold one before."""
    cold, warm = run(), repeated(run, count)
    best = min(warm or [cold], key=lambda out: out["seconds"])
    times = {"cold_seconds": cold["seconds"], "repeats": [out["seconds"] for out in warm]}
    return best | times


def report(runs, **facts):
    """Print the outcome of several runs of one solver: the fastest to the target, as JSON."""
    reached = [first_below(trace) for trace in runs]
    times = [hit[0] for hit in reached if hit is not None]
    best = min((hit for hit in reached if hit is not None), default=None)
    print(json.dumps({
        "seconds": best and best[0],
        "error": best[1] if best else runs[0][-1][1],
        "repeats": times,
        "ran_seconds": runs[0][-1][0],
        "final_error": min(trace[-1][1] for trace in runs),
        "iterations": len(runs[0]),
        "trace": thin(runs[0]),
    } | facts))  # fmt: skip


def first_below(trace, target=TARGET):
    """The first (seconds, error) at or below the target, or None."""
    return next(((seconds, error) for seconds, error in trace if error <= target), None)


def thin(trace, count=40):
    """At most about `count` points of a trace, the last one among them."""
    step = max(1, len(trace) // count)
    kept = trace[::step]
    return kept if kept[-1] == trace[-1] else [*kept, trace[-1]]
