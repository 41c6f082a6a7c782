"""Which solver solves what: solver × family × form, from the solvers' own declarations."""

from __future__ import annotations

from typing import Any, NamedTuple

from flatrank.solvers.alternating_directions import AlternatingDirections
from flatrank.solvers.auto import Auto
from flatrank.solvers.gauss_newton import GaussNewton
from flatrank.solvers.implicit import ImplicitLeastSquares
from flatrank.solvers.interior_point import InteriorPoint
from flatrank.solvers.lagrangian import Lagrangian
from flatrank.solvers.loop import Solver
from flatrank.solvers.proximal_point import ProximalPoint
from flatrank.solvers.reference import (
    AlternatingLeastSquares,
    BalancedDescent,
    BMGlobal,
    ProximalGradient,
    Reweighted,
    RiemannianConjugateGradient,
    RiemannianTrustRegion,
)
from flatrank.solvers.states import StateSearch

SOLVERS: tuple[type[Solver[Any]], ...] = (
    Auto,
    GaussNewton,
    InteriorPoint,
    Lagrangian,
    ProximalPoint,
    BMGlobal,
    ProximalGradient,
    Reweighted,
    AlternatingLeastSquares,
    RiemannianConjugateGradient,
    RiemannianTrustRegion,
    BalancedDescent,
    AlternatingDirections,
    StateSearch,
    ImplicitLeastSquares,
)


class Family(NamedTuple):
    """What a front door makes: entries or not, a sparse part, states, clicks or not."""

    door: str
    entries: bool = False
    separates: bool = False
    states: bool = False
    clicks: bool = False


FAMILIES = (
    Family("completion", entries=True),
    Family("sensing"),
    Family("bilinear"),
    Family("robust_pca", separates=True),
    Family("tomography", states=True),
    Family("implicit", entries=True, clicks=True),
)


def missing(solver: type[Solver[Any]], family: Family, penalised: bool) -> str | None:
    """What the solver lacks for a family and a form (λ > 0 where `penalised`); None if nothing."""
    scope = solver.scope
    if family.separates != scope.separates:
        return "no sparse part" if family.separates else "needs a sparse part"
    if family.states != scope.states:
        return "no trace kept" if family.states else "needs states"
    if family.clicks != scope.clicks:
        return "no empty cells" if family.clicks else "needs clicks"
    if scope.entries and not family.entries:
        return "needs sampled entries"
    if penalised and not scope.penalised:
        return "no penalty"
    if not penalised and not scope.exact:
        return "needs λ > 0"
    return None


def forms(family: Family) -> tuple[bool, ...]:
    """Whether penalised, for each form of a family: robust PCA has no λ, clicks always have one."""
    return (False,) if family.separates else (True,) if family.clicks else (False, True)


def table() -> str:
    """The whole as a Markdown table: ✓, or what is missing."""
    columns = [(family, form) for family in FAMILIES for form in forms(family)]
    heads = [
        f"`{family.door}`" + ("" if len(forms(family)) == 1 else ", λ > 0" if form else ", λ = 0")
        for family, form in columns
    ]
    rows = [
        [f"`{solver.__name__}`"]
        + [missing(solver, family, form) or "✓" for family, form in columns]
        for solver in SOLVERS
    ]
    lines = [["solver", *heads], ["---"] * (len(heads) + 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
