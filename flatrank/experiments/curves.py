"""Figures over one number: noise, the width of a student, isometries beside κ."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq

from flatrank.data.entries import InputError
from flatrank.experiments.cells import CLOSED, gap_of, seeds, solve_draw
from flatrank.experiments.draws import Ensemble
from flatrank.experiments.grids import check_whole, checked_numbers
from flatrank.factors import FactorPair
from flatrank.problems import Problem
from flatrank.solvers import Solution, largest_lam, solve
from flatrank.solvers.keeping import Monitor, digest, kept
from flatrank.theory import (
    NoiseConstants,
    constrained_noise_bound,
    noise_constants,
    penalised_noise_bound,
    search_isometry,
    uniqueness_bound,
)

Row = dict[str, float]


@dataclass(frozen=True)
class Curve:
    """Rows over one number, several draws each, and what a caption must say."""

    name: str
    #: The column of the number.
    over: str
    #: One for each draw and number. Columns that begin with "gap" are the relative gaps of
    #: solutions that claim to be optimal.
    draws: tuple[Row, ...]
    about: dict[str, Any] = field(default_factory=dict)

    def table(self) -> list[Row]:
        """Medians over the draws at each number, with the largest and the least of every column."""
        found = []
        for x in sorted({row[self.over] for row in self.draws}):
            rows = [row for row in self.draws if row[self.over] == x]
            line: Row = {self.over: x, "draws": len(rows)}
            for name in rows[0]:
                if name != self.over:
                    values = np.array([row[name] for row in rows])
                    ends = {f"{name}_low": float(values.min()), f"{name}_high": float(values.max())}
                    line |= {name: float(np.median(values))} | ends
            found.append(line)
        return found

    @property
    def worst_gap(self) -> float:
        """The largest relative gap."""
        return max(self._gaps)

    @property
    def uncertified(self) -> int:
        """How many of the solutions have a relative gap above 1e-6."""
        return sum(not gap <= CLOSED for gap in self._gaps)

    @property
    def solutions(self) -> int:
        """How many problems were solved."""
        return len(self._gaps)

    @property
    def _gaps(self) -> list[float]:
        return [row[name] for row in self.draws for name in row if name.startswith("gap")]

    def facts(self) -> dict[str, Any]:
        """What a caption must say."""
        counts = {"solutions": self.solutions, "uncertified": self.uncertified}
        return self.about | counts | {"worst_gap": self.worst_gap}


def noise(
    *,
    d: int = 20,
    m: int = 400,
    rank: int = 2,
    sizes: Sequence[float] | None = None,
    **options: Any,
) -> Curve:
    """Error against noise of Gaussian sensing, penalised and constrained, with the bounds.

    b = 𝒜(M) + e, ‖e‖ = s‖𝒜(M)‖. Penalised: λ = ‖ℬ*(e)‖, the least at which noise alone gives
    X = 0. Constrained: min ‖D1 X D2‖_* s.t. ‖𝒜(X) − b‖ ≤ ε for ε ≥ ‖e‖ within 1 %, by the λ whose
    solution misses by ε. The bounds are those of `theory.noise`.

    Parameters
    ----------
    d, m, rank : int
        Of M, d × d, and the number of measurements.
    sizes : sequence of float, optional
        The s, between 0 and 1; 1e-4, …, 0.3, seven of them, by default.
    **options
        draws (5), seed, folder and monitor, as for `phase_transition`; a draw is of M, 𝒜 and the
        direction of e, the same for all s.

    Raises
    ------
    InputError
        If a number makes no sense.
    """
    usual = np.geomspace(1e-4, 0.3, 7).tolist()
    sizes = checked_numbers("sizes", usual if sizes is None else sizes)
    if max(sizes) >= 1:
        raise InputError(f"sizes must be below 1, shares of the data; got {max(sizes):g}.")
    ensemble, own = Ensemble("sensing", rank), {"d": d, "m": m, "rank": rank, "sizes": sizes}

    def one(draw: int) -> list[Row]:
        problem, M = ensemble(d, m, draw)
        assert problem is not None
        U, s, Vt = np.linalg.svd(M)
        truth = FactorPair(U[:, :rank] * s[:rank], Vt[:rank].T)
        known = noise_constants(problem, truth)
        e = np.random.default_rng((draw, 1)).standard_normal(m)
        e *= np.linalg.norm(problem.b) / np.linalg.norm(e)
        return [
            {"noise": size} | _noisy(replace(problem, b=problem.b + size * e), truth, known)
            for size in sizes
        ]

    return _curve("noise", "noise", one, own, **options)


def _noisy(problem: Problem, truth: FactorPair, known: NoiseConstants) -> Row:
    e = problem.b - problem.measurement.forward(truth)
    size = float(np.linalg.norm(e))
    penalised = problem.with_lam(float(largest_lam(replace(problem, b=e))))
    solution = solve(penalised)
    bound = penalised_noise_bound(penalised, solution, truth, known)
    fitted, radius = _constrained(penalised, size)
    other = constrained_noise_bound(problem, fitted, truth, known, radius)
    return {
        "penalised": bound.left,
        "penalised_bound": bound.right,
        "constrained": other.left,
        "constrained_bound": other.right,
        "failing": len(bound.failing) + len(other.failing) + (not bound.holds) + (not other.holds),
        "gap_penalised": gap_of(solution),
        "gap_constrained": gap_of(fitted),
    }


def _constrained(problem: Problem, radius: float) -> tuple[Solution, float]:
    """A solution of min ‖X̃‖_* s.t. ‖ℬ(X̃) − b‖ ≤ ε, and its ε from `radius` to a hundredth more.

    The misfit grows with λ, from no more than the noise to ‖b‖. `problem` has a λ to begin with.
    """
    tried: list[tuple[float, Solution]] = []

    def beyond(log_lam: float) -> float:
        at = problem.with_lam(math.exp(log_lam))
        solution = solve(at, start=tried[-1][1] if tried else None)
        residual = at.measurement.forward(solution.factors) - at.b
        tried.append((float(np.linalg.norm(residual)), solution))
        return math.log(tried[-1][0] / (1.005 * radius))

    low = high = math.log(problem.lam)
    step = math.log(4)
    if beyond(low) < 0:
        while beyond(high := high + step) < 0:
            low = high
    else:
        while beyond(low := low - step) > 0:
            high = low
    brentq(beyond, low, high, xtol=2e-3)
    misfit, solution = min((one for one in tried if one[0] >= radius), key=lambda one: one[0])
    return solution, misfit


def width(
    *,
    d: int = 20,
    m: int = 160,
    rank: int = 3,
    sizes: Sequence[float] | None = None,
    lam_ratio: float = 1e-3,
    **options: Any,
) -> Curve:
    """Error and certificate of a student of width k, y = Σⱼ ±(uⱼᵀx)², taught by one of width r.

    min ½‖𝒜(X) − b‖² + λ‖D X D‖_* over X = U E Uᵀ with k columns: the rank limit of `solve`. The
    certificate is about every width, so that its gap says what width costs.

    Parameters
    ----------
    d, m, rank : int
        Of the teacher's M, d × d, and the number of Gaussian inputs.
    sizes : sequence of int, optional
        The widths k; 1, 2, …, 8 by default.
    lam_ratio : float
        λ/λ_max.
    **options
        draws (5), seed, folder and monitor, as for `phase_transition`; a draw is of M and its
        inputs, the same for all k.
    """
    sizes = checked_numbers("sizes", range(1, 9) if sizes is None else sizes, whole=True)
    ensemble = Ensemble("quadratic", rank)
    own = {"d": d, "m": m, "rank": rank, "sizes": sizes, "lam_ratio": lam_ratio}

    def one(draw: int) -> list[Row]:
        problem, M = ensemble(d, m, draw)
        assert problem is not None
        problem = problem.with_lam(lam_ratio * float(largest_lam(problem)))
        free = solve(problem)
        rows = []
        for k in sizes:
            found = solve(problem, rank=int(k))
            error = np.linalg.norm(found.factors.L @ found.factors.R.T - M)
            proof = {"relative": gap_of(found), "of_rank": found.rank, "gap_free": gap_of(free)}
            rows.append({"width": k, "error": float(error)} | proof)
        return rows

    return _curve("width", "width", one, own, **options)


def isometry(
    *,
    d: int = 20,
    rank: int = 2,
    sizes: Sequence[float] | None = None,
    **options: Any,
) -> Curve:
    """κ² δ2/δ1 at rank 5r beside recovery: what Lemma 4.7 asks for, and what happens.

    Gaussian sensing. (δ1, δ2) are bounds from inside (`search_isometry`, ten sweeps from two
    starts): the true ratio is no smaller, so that a value above 11/9 refutes the hypothesis, and
    one below confirms nothing.

    Parameters
    ----------
    d, rank : int
        Of M, d × d with 5r ≤ d.
    sizes : sequence of int, optional
        m; 100, 200, 400, …, 12800 by default.
    **options
        draws (5), seed, folder and monitor, as for `phase_transition`.

    Raises
    ------
    InputError
        If a number makes no sense.
    """
    if 5 * rank > d:
        raise InputError(f"5r must be at most d; got rank={rank} and d={d}.")
    usual = [100 * 2**n for n in range(8)]
    sizes = checked_numbers("sizes", usual if sizes is None else sizes, whole=True)
    ensemble, own = Ensemble("sensing", rank), {"d": d, "rank": rank, "sizes": sizes}

    def one(draw: int) -> list[Row]:
        rows = []
        for m in sizes:
            problem, M = ensemble(d, m, draw)
            assert problem is not None
            found = solve_draw(problem, M)
            known, _ = search_isometry(problem.measurement, 5 * rank, starts=2, sweeps=10)
            bound = uniqueness_bound(known, found.kappa, rank)
            sides = {"left": bound.left, "right": bound.right, "kappa": found.kappa}
            ends = {"delta1": known.delta1, "delta2": known.delta2, "gap_flat": found.gap[0]}
            rows.append({"m": m} | sides | ends | {"recovered": float(found.recovered[0])})
        return rows

    return _curve("isometry", "m", one, own, **options)


def _curve(  # noqa: PLR0913 - the options of all figures, once
    name: str,
    over: str,
    one: Callable[[int], list[Row]],
    own: dict[str, Any],
    *,
    draws: int = 5,
    seed: int = 0,
    folder: Path | str | None = None,
    monitor: Monitor | None = None,
) -> Curve:
    """All draws, each kept as soon as it is done."""
    for key, value, least in (("draws", draws, 1), ("seed", seed, 0)):
        check_whole(key, value, least)
    for key in ("d", "m", "rank"):
        check_whole(key, own.get(key, 1), 1)
    children, rows = seeds(seed, own["d"], own["rank"], draws), []
    known = digest({"format": 1, "seed": seed} | own)
    for step, child in enumerate(children):
        if monitor is not None:
            event = {"stage": f"{name} draws", "step": step, "of": draws}
            monitor(event | {"message": f"draw {step + 1}"})
        path = Path(folder) / f"{name}-{step}-{known}.json" if folder else None
        found = kept(path, lambda child=child: {"rows": one(child)})
        rows += found["rows"]
    return Curve(name, over, tuple(rows), own | {"draws": draws, "seed": seed})
