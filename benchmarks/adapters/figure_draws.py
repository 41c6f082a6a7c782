"""The instances of one cell of a figure, as flatrank.experiments draws them, and their gaps."""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.instances import FIGURES
from flatrank.experiments.duality import duality_gap
from flatrank.experiments.ensembles import draw

GAP = 1e-6
RECOVERED = 1e-6


def drawn(name):
    """M, and 𝒜 and b of every draw."""
    cell = FIGURES[name]
    rng = np.random.default_rng(cell.seed)
    U = rng.standard_normal((cell.d, cell.rank))
    if cell.family == "quadratic":
        M = (U * (-1.0) ** np.arange(cell.rank)) @ U.T
    else:
        M = U @ rng.standard_normal((cell.rank, cell.d))
    M /= np.linalg.norm(M)
    ensembles = [draw(cell.family, cell.d, cell.size, rng) for _ in range(cell.draws)]
    return M, ensembles, [A.forward(M) for A in ensembles]


def flat_roots(A):
    """D1, D2 and their inverses."""
    roots = []
    for square, other in zip(A.grams(), A.shape[::-1], strict=True):
        w, Q = np.linalg.eigh(square / (A.m * other))
        roots.append(((Q * np.sqrt(w)) @ Q.T, (Q / np.sqrt(w)) @ Q.T))
    return roots


def gap_of(B, b, X, y):
    """The relative gap, misfit charged: of everybody in the same way."""
    return duality_gap(B, b, X, y).relative


class Stopwatch:
    """Seconds on the wall and of the processors."""

    def __enter__(self):
        self._start = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        wall, cpu = self._start
        self.seconds, self.cpu = time.perf_counter() - wall, time.process_time() - cpu
