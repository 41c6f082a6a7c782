"""The table of what each solver solves: the docs say what the code says, and the code does it."""

from pathlib import Path

import numpy as np
import pytest

import flatrank as fr
from flatrank.solvers import largest_lam, solve, support

PAGE = Path(__file__).parents[2] / "docs" / "solvers.md"


def problem_of(door, penalised):
    rng = np.random.default_rng(0)
    M = rng.standard_normal((6, 1)) @ rng.standard_normal((1, 5))
    lam = 0.1 if penalised else 0.0
    if door == "completion":
        rows, cols = np.nonzero(rng.random((6, 5)) < 0.8)
        problem = fr.completion(rows, cols, M[rows, cols], (6, 5))
        # First-order methods take 1/λ steps: a λ of its own size, not of another unit's.
        return problem.with_lam(lam * largest_lam(problem, 0)) if penalised else problem
    if door == "sensing":
        A = rng.standard_normal((25, 6, 5))
        return fr.sensing(A, np.einsum("mij,ij->m", A, M), lam=lam)
    if door == "bilinear":
        a, c = rng.standard_normal((25, 6)), rng.standard_normal((25, 5))
        return fr.bilinear(a, c, np.einsum("mi,ij,mj->m", a, M, c), lam=lam)
    if door == "implicit":
        rows, cols = np.nonzero(M > 0)
        return fr.implicit(rows, cols, shape=(6, 5), lam=lam)
    if door == "tomography":
        effects = rng.standard_normal((12, 3, 3))
        effects = effects + effects.transpose(0, 2, 1)
        return fr.tomography(effects, effects[:, 0, 0], lam=lam)
    return fr.robust_pca(M)


CASES = [
    pytest.param(solver, family, form, id=f"{solver.__name__} {family.door} {form}")
    for solver in support.SOLVERS
    for family in support.FAMILIES
    for form in support.forms(family)
]


def test_the_page_shows_the_table():
    assert support.table() in PAGE.read_text(encoding="utf-8")


def test_every_public_solver_is_in_the_table():
    public = {
        value
        for value in (getattr(fr.solvers, name) for name in dir(fr.solvers))
        if isinstance(value, type) and issubclass(value, fr.solvers.Solver)
    }
    assert public - {fr.solvers.Solver} == set(support.SOLVERS)
    with pytest.raises(AttributeError, match="no attribute 'Newton'"):
        fr.solvers.Newton  # noqa: B018 - the look-up is what is tested


@pytest.mark.parametrize(("solver", "family", "form"), CASES)
def test_what_is_missing_is_refused(solver, family, form):
    if support.missing(solver, family, form) is None:
        return
    with pytest.raises((ValueError, TypeError), match=solver.__name__):
        solve(problem_of(family.door, form), solver=solver())


@pytest.mark.slow
@pytest.mark.parametrize(("solver", "family", "form"), CASES)
def test_what_is_supported_is_solved(solver, family, form):
    if support.missing(solver, family, form) is not None:
        return
    problem = problem_of(family.door, form)
    options = {"rank": 1} if "rank" in solver.__dataclass_fields__ else {}
    solution = solve(problem, solver=solver(**options))
    assert solution.status in (
        fr.Status.CERTIFIED, fr.Status.IDENTIFIABLE, fr.Status.STATIONARY, fr.Status.RANK_TOO_SMALL
    )  # fmt: skip
