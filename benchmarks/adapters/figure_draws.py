"""The instances of one cell of a figure, as flatrank.experiments draws them, and their gaps."""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import flatrank as fr
from benchmarks.instances import FIGURES
from flatrank.experiments.draws import draw, truth

GAP = 1e-6
RECOVERED = 1e-6


def drawn(name):
    """M, and the flat problem of every draw."""
    cell = FIGURES[name]
    rng = np.random.default_rng(cell.seed)
    M = truth(cell.family, (cell.d, cell.d), cell.rank, rng)
    return M, [draw(cell.family, M, cell.size, rng) for _ in range(cell.draws)]


def unwhitened(problem, X):
    """The pair of D1⁻¹ X D2⁻¹."""
    return problem.unwhiten(fr.FactorPair(X, np.eye(X.shape[1])))


def gap_of(problem, X, y):
    """The relative gap of X̃ and a dual point, misfit charged: of everybody in the same way."""
    return fr.certify(problem, unwhitened(problem, X), y).relative_gap


class Stopwatch:
    """Seconds on the wall and of the processors."""

    def __enter__(self):
        self._start = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        wall, cpu = self._start
        self.seconds, self.cpu = time.perf_counter() - wall, time.process_time() - cpu
