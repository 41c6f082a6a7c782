"""A small completion made without the solvers: proximal gradient on a dense matrix, certified."""

import numpy as np

from flatrank.certificates import certify
from flatrank.data import Entries, Offsets, OffsetTrial
from flatrank.data.tables import assemble
from flatrank.factors import FactorPair
from flatrank.problems import completion
from flatrank.selection.records import Completion, PathPoint
from flatrank.solvers.solution import Counts, Solution
from flatrank.solvers.status import Status


def small_entries(source: str = "ratings.csv", seed: int = 0) -> Entries:
    """12 × 9, about 70 % seen, with names that try the page."""
    rng = np.random.default_rng(seed)
    rows, cols = np.nonzero(rng.random((12, 9)) < 0.7)
    truth = rng.standard_normal((12, 2)) @ rng.standard_normal((2, 9))
    values = 3.0 + truth[rows, cols] + 0.1 * rng.standard_normal(rows.size)
    row_labels = np.array([f"Zoë {n}" for n in range(12)])
    col_labels = np.array(["<b>&</b>", "a,b", 'q"q', *(f"film {n}" for n in range(6))])
    return assemble(rows, cols, values, (row_labels, col_labels), source=source)


def small_completion(
    entries: Entries, *, lam: float = 8.0, status: Status | None = None, proof: bool = True
) -> Completion:
    """What `complete` would return."""
    rows, cols, shape = entries.rows, entries.cols, entries.shape
    offsets = Offsets.fit(rows, cols, entries.values, shape, ridge=1.0)
    b = entries.values - offsets.at(rows, cols)
    problem = completion(rows, cols, b, shape, lam=lam)
    pair, history = _minimise(problem, rows, cols, b, lam)
    certificate = certify(problem, pair) if proof else None
    fit = np.einsum("pk,pk->p", np.asarray(pair.L)[rows], np.asarray(pair.R)[cols])
    y = np.asarray(b - fit)
    found = Status.CERTIFIED if certificate and certificate.certified(1e-4) else Status.STALLED
    counts = Counts(9, 9, len(history))
    solution = Solution(pair, y, certificate, status or found, counts, history, 0.2, problem)
    held = np.arange(0, entries.m, 7)
    return Completion(
        solution,
        offsets,
        {"train": float(np.sqrt(np.mean((b - fit) ** 2))), "holdout": 0.5, "baseline": 0.8},
        [
            PathPoint(lam * 2.0**n, 0.1 * 2.0**n, theta, 0.5 + 0.1 * n * n, 0.4, 3, 1e-3, 0.1)
            for theta in (0.0, 1.0)
            for n in range(-2, 3)
            if lam > 0
        ],
        [OffsetTrial("none", (np.inf, np.inf), 3.1), OffsetTrial("both", (1.0, 1.0), 0.8)],
        (held, entries.values[held] + 0.3),
        {"select": 0.1, "solve": 0.2, "certify": 0.05},
        scores=np.full(held.size, 0.3),
    )


def _minimise(problem, rows, cols, b, lam):
    """½ Σ (X_ij − b_ij)² + λ‖D1 X D2‖_*; with lam = 0 a rank-2 pair that need not fit."""
    D1, D2 = np.asarray(problem.rescaling.D1), np.asarray(problem.rescaling.D2)
    weight = 1.0 / (D1[rows] * D2[cols])
    step, X, history = 1.0 / np.max(weight) ** 2, np.zeros(problem.shape), []
    ahead, t = X, 1.0
    for n in range(4000 if lam else 101):
        G = np.zeros(problem.shape)
        G[rows, cols] = weight * (weight * ahead[rows, cols] - b)
        U, s, Vt = np.linalg.svd(ahead - step * G, full_matrices=False)
        s = np.maximum(s - step * lam, 0.0)
        before, X = X, (U * s) @ Vt
        if np.vdot(ahead - X, X - before) > 0:
            t = 1.0
        faster = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t * t))
        ahead, t = X + (t - 1.0) / faster * (X - before), faster
        if n % 100 == 0:
            r = weight * X[rows, cols] - b
            objective = float(0.5 * r @ r + lam * s.sum())
            history.append(
                {"objective": objective, "rank": int((s > 0).sum()), "misfit": 1.0 / (n + 1)}
            )
    k = int((s > 0).sum()) if lam else 2
    root = np.sqrt(s[:k])
    L, R = U[:, :k] * root / D1[:, None], Vt[:k].T * root / D2[:, None]
    return FactorPair(np.asarray(L), np.asarray(R)), history
