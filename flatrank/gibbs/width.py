"""How many columns, and what noise: by the predictions of entries kept out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.gibbs.mixtures import log_density
from flatrank.gibbs.regression import Features
from flatrank.gibbs.sampler import Noise, Sampler, State, generator
from flatrank.measurements import SampledEntries
from flatrank.measurements.entries import sample_entries
from flatrank.solvers.side_by_side import side_by_side

#: Widths tried; those above 16 are multiples of 8, which kernels take as they are.
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
#: The first of them, wide enough for most ratings.
FIRST = 12
#: Share of the entries kept out; the least number, if that is at most LARGEST of all; the most.
KEPT_OUT, LEAST, LARGEST, MOST = 0.05, 1000, 0.15, 20_000
#: Sweeps of a trial left out, of one that starts from no state, and used.
BURN, FIRST_BURN, USED = 15, 25, 25
#: Log-density an entry, in nats, that a wider model must gain to be worth its time.
GAIN = 1e-3
#: Standard errors by which two models must differ for the less likely of them to be taken.
APART = 2.0


class Trial(NamedTuple):
    """What a width and a law of the noise predict, and the state their short chain ended in."""

    width: int
    law: Noise
    densities: Float[np.ndarray, " q"]
    errors: Float[np.ndarray, " q"]
    state: State

    @property
    def log_density(self) -> float:
        """Mean over the entries kept out."""
        return float(np.mean(self.densities))

    def less(self, other: Trial) -> Float[np.ndarray, " q"]:
        """By how much the squared errors of another are less."""
        return self.errors**2 - other.errors**2

    def record(self) -> dict[str, Any]:
        """In numbers."""
        return {
            "width": self.width,
            "noise": self.law.value,
            "log_density": self.log_density,
            "rmse": float(np.sqrt(np.mean(self.errors**2))),
        }


class Trials:
    """Short chains on one part of the entries, judged by the other."""

    def __init__(
        self,
        A: SampledEntries,
        b: Float[np.ndarray, " m"],
        seed: int,
        monitor: Callable[[dict[str, Any]], None] | None,
        stop_after: float | None,
        features: Features = (None, None),
    ):
        rows, cols = A.places()
        kept, out = parted(rows, cols, A.shape, seed)
        part = sample_entries(rows[kept], cols[kept], b[kept], A.shape)
        self.samplers = {law: Sampler(*part, law, features) for law in Noise}
        self.at, self.values, self.shape = (rows[out], cols[out]), b[out], A.shape
        self.seed, self.monitor, self.stop_after = seed, monitor, stop_after
        self.stop, self.found = threading.Event(), dict[tuple[int, Noise], Trial]()

    def run(self, k: int, law: Noise, start: State | FactorPair | None) -> None:
        """Find what a width and a law predict, from a short chain."""
        rng, sampler = generator(self.seed, 1 << 22, k), self.samplers[law]
        state = sampler.near(start, k, rng)
        x, sd = [], []
        i, j = self.at
        burn = BURN if isinstance(start, State) else FIRST_BURN
        for sweep in range(burn + USED):
            if self.stop.is_set():
                return
            state = sampler.sweep(state, rng)
            if sweep >= burn:
                x.append(np.einsum("pk,pk->p", state.L[i], state.R[j]))
                sd.append((state.alpha * state.row_noise[i] * state.col_noise[j]) ** -0.5)
        x, sd = np.stack(x), np.stack(sd)
        density = log_density(self.values, x, sd)
        self.found[k, law] = Trial(k, law, density, x.mean(axis=0) - self.values, state)

    def get(
        self, asked: list[tuple[int, Noise]], start: State | FactorPair | None
    ) -> list[Trial | None]:
        """Those asked for, run side by side; None where the time was over.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C.
        """
        if self.monitor is not None:
            widths, laws = ("/".join(dict.fromkeys(map(str, x))) for x in zip(*asked, strict=True))
            self.monitor({"width": widths, "noise": laws})
        jobs = [partial(self.run, k, law, start) for k, law in asked if (k, law) not in self.found]
        if jobs and side_by_side(jobs, self.stop, stop_after=self.stop_after):
            raise KeyboardInterrupt
        return [self.found.get(one) for one in asked]


def choose(  # noqa: PLR0913 - what is given, and what is asked
    A: SampledEntries,
    b: Float[np.ndarray, " m"],
    width: int | None,
    noise: Noise | None,
    start: FactorPair | None,
    seed: int,
    monitor: Callable[[dict[str, Any]], None] | None = None,
    stop_after: float | None = None,
    features: Features = (None, None),
) -> tuple[int, Noise, State | FactorPair | None, list[dict[str, Any]]]:
    """Width and noise, the last state of the best trial, and all trials; fewer when time is over.

    The law of the noise is chosen at the first width; then wider models are tried while they
    predict better, in density or clearly in squared error, and narrower ones, where the first wider
    one does not, while their density is clearly better.
    """
    trials = Trials(A, b, seed, monitor, stop_after, features)
    if A.m < 20 or not trials.values.size:  # too few to keep any out
        return width or min(2, *A.shape), noise or Noise.COMMON, start, []
    ladder = [k for k in WIDTHS if k <= min(A.shape)]
    at = int(np.searchsorted(ladder, min(FIRST, ladder[-1])))
    k = width or ladder[at]
    laws = [Noise.BY_LINE, Noise.COMMON] if noise is None else [noise]
    first = [trial for trial in trials.get([(k, law) for law in laws], start) if trial is not None]
    if not first:
        return k, laws[-1], start, []
    best = first[-1] if len(first) == 1 or not better_noise(*first) else first[0]
    if width is None:
        near = [ladder[n] for n in (at + 1, at - 1) if 0 <= n < len(ladder)]
        trials.get([(k, best.law) for k in near], best.state)
        wider = climbed(trials, best, ladder[at + 1 :], 1)
        best = wider if wider is not best else climbed(trials, best, ladder[:at][::-1], -1)
    records = [trial.record() for trial in trials.found.values()]
    return best.width, best.law, best.state, records


def climbed(trials: Trials, best: Trial, ladder: list[int], step: int) -> Trial:
    """The last of the widths, one after the other, that predicts better than those before."""
    densest = best
    for k in ladder:
        (trial,) = trials.get([(k, best.law)], best.state)
        if trial is None:
            break
        gain = trial.densities - densest.densities
        # A wider model than needed predicts nearly as well; one too narrow does not.
        if not (clear(gain) if step < 0 else gain.mean() > GAIN or clear(best.less(trial))):
            break
        best, densest = trial, max(trial, densest, key=lambda one: one.log_density)
    return best


def clear(gain: Float[np.ndarray, " q"]) -> bool:
    """Whether a gain on entries kept out is more than their luck."""
    return bool(gain.mean() > APART * gain.std() / np.sqrt(gain.size))


def better_noise(apart: Trial, common: Trial) -> bool:
    """Whether noise of rows and columns predicts better: in density, and in error not worse."""
    return apart.log_density > common.log_density and not clear(apart.less(common))


def parted(
    rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices kept and kept out: at random, but for the last entry of a row or column."""
    m = rows.size
    order = generator(seed, 1 << 23).permutation(m)
    out = order[: min(max(round(KEPT_OUT * m), min(LEAST, round(LARGEST * m))), MOST)]
    held = np.zeros(m, bool)
    held[out] = True
    for lines, d in ((rows, shape[0]), (cols, shape[1])):
        left = np.bincount(lines[~held], minlength=d)
        held &= left[lines] > 0
    return np.flatnonzero(~held), np.flatnonzero(held)
