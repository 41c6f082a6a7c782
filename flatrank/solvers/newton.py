"""One damped Newton step on the factors, for both forms of the flat problem.

    F(L, R) = ½‖ℬ(L Rᵀ) − b‖² + λ/2 (‖L‖² + ‖R‖²),   c = ℬ(L Rᵀ) − b,   S = ℬ*(c)
    gradient   (S R + λ L,  Sᵀ L + λ R)
    Hessian    (P, Q) ↦ (T R + S Q + λ P,  Tᵀ L + Sᵀ P + λ Q),   T = ℬ*ℬ(L Qᵀ + P Rᵀ)

With λ = 0 the terms in S are left out (Gauss–Newton: the data are fitted in the end, c → 0).
Each step: truncated conjugate gradients, on both factors or with R eliminated, an exact line search
(F along a direction is a quartic), and a return to the balanced gauge LᵀL = RᵀR = diag(s), which
the preconditioner relies on. Where D is diagonal the gradients run in the coordinates of X itself,
(D1⁻¹ P, D2⁻¹ Q), in which products need no scaling: λ becomes λ D², and iterates are the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from flatrank.arrays import (
    Array,
    Scalar,
    compiled,
    contiguous,
    for_loop,
    is_inexact,
    leaves,
    reciprocal,
    tree_map,
    xp,
)
from flatrank.arrays.shapes import Float
from flatrank.factors import CompactSVD, FactorPair
from flatrank.linalg import Diagonal, truncated_cg
from flatrank.measurements import Adjoint, CoupledCurvature, Measurement, ScaledAdjoint, Whitened
from flatrank.solvers.elimination import eliminated
from flatrank.solvers.preconditioner import WithWeakColumns, inverse_diagonal, weak_columns


class NewtonStep(NamedTuple):
    """The balanced pair after a step, its spectrum, F's fall, and numbers of the point it left."""

    pair: FactorPair
    s: Float[Array, " k"]
    objective: Scalar
    misfit: Scalar
    slack: Scalar
    fall: Scalar
    inner: int | Array


class _Model(NamedTuple):
    """𝒜, the pair and S in the coordinates of a step, where (P, Q) is (D1 P, D2 Q) of the pair."""

    A: Measurement
    pair: FactorPair
    S: Adjoint | None
    D: FactorPair


def _model(B: Measurement, pair: FactorPair, S: Adjoint | None) -> _Model:
    if not (isinstance(B, Whitened) and B.diagonal):
        one = xp.ones_like(pair.L, shape=(1, 1))
        return _Model(B, pair, S, FactorPair(one, one))
    inner = S.inner if isinstance(S, ScaledAdjoint) else None
    D = FactorPair(*(reciprocal(s)[:, None] for s in (B.scale1, B.scale2)))
    return _Model(B.inner, B.unscaled(pair), inner, D)


def _dot(a: Any, b: Any) -> Scalar:
    return sum(xp.vdot(x, y) for x, y in zip(leaves(a), leaves(b), strict=True))


def cast(tree: Any, dtype: Any) -> Any:
    """The tree with its real and complex numbers in a precision."""

    def half(x: Any) -> Any:
        if not is_inexact(x):
            return x
        return x.astype(xp.result_type(dtype, xp.complex64) if xp.iscomplexobj(x) else dtype)

    return tree_map(half, tree)


@compiled
def newton_step(  # noqa: PLR0913 - the point, the model and how hard to solve it
    B: Measurement,
    b: Float[Array, " m"],
    lam: Scalar,
    pair: FactorPair,
    rtol: Scalar,
    max_inner: int | Array,
    weak: Scalar,
    full: bool,
    outside: CompactSVD | None = None,
    eliminate: bool = False,
    half: bool = False,
) -> NewtonStep:
    """One step from a balanced pair; zero columns stay zero.

    The inner solve ends at `rtol`, relatively in the preconditioned norm, or after `max_inner`
    steps. Columns whose singular value falls to `weak` or below become zero. `full`: the Hessian
    keeps its terms in S (λ > 0). `outside`: triplets of −ℬ*(c) outside the pair, near a solution;
    weak columns are then preconditioned on their own. `eliminate`: R is eliminated first, where
    each row's block stands alone. `half`: the direction is found in single precision, in nearly
    half the time.

    Cost: `inner` curvature products, one adjoint, about three forward products, and a return to the
    balanced gauge: from Grams, or from thin QRs where singular values may span many orders (λ = 0).
    """
    pair = tree_map(contiguous, pair)  # read by every inner step
    c = B.forward(pair) - b
    S = B.adjoint(c)
    g = FactorPair(S.right(pair.R) + lam * pair.L, S.left(pair.L) + lam * pair.R)
    parts = (B, c, S if full else None, lam, pair, g, rtol)
    B_, c_, S_, lam_, pair_, g_, rtol_ = cast(parts, xp.float32) if half else parts
    inner = (rtol_, max_inner, eliminate)
    # What the inner solve holds is gone before the line search and the gauge ask for memory.
    d, taken = _direction(_model(B_, pair_, S_), lam_, pair_, g_, outside, inner)
    if full:
        line = along(B_, c_, lam_, pair_, d)
    else:  # how far F falls says what misfit is left, and nearly all of F may go
        d = cast(d, xp.float64)
        line = along(B, c, lam, pair, d)
    t, fall = line_search(_dot(g, d), *line)
    moved = tree_map(lambda x, y: x + t * y, pair, d)
    balanced, s = B.cone.balance(moved, loose=full)
    # Zero columns stay zero: rounding would come back as its square root.
    alive = (xp.arange(s.shape[0]) < xp.sum(xp.any(pair.L != 0, axis=0))) & (s > weak)
    return NewtonStep(
        pair=tree_map(lambda x: xp.where(alive[None, :], x, 0.0), balanced),
        s=xp.where(alive, s, 0.0),
        objective=0.5 * xp.vdot(c, c) + 0.5 * lam * pair.squared_norm(),
        misfit=xp.linalg.norm(c),
        slack=0.5 * xp.abs(_dot(g, pair)),
        fall=fall,
        inner=taken,
    )


def _direction(
    model: _Model,
    lam: Scalar,
    pair: FactorPair,
    g: FactorPair,
    outside: CompactSVD | None,
    inner: tuple[Scalar, int | Array, bool],
) -> tuple[FactorPair, int | Array]:
    """The step in the coordinates of the pair, and how many inner steps it took."""
    (A, at, S, D), (rtol, max_inner, eliminate) = model, inner
    H = A.curvature_at(at, S)
    ridge = tree_map(lambda x: lam * x * x, D)
    if eliminate and isinstance(H, CoupledCurvature):
        slope = tree_map(xp.multiply, g, D)
        reduced, M = eliminated(H, H.blocks(), ridge)
        P, taken = truncated_cg(reduced, -reduced.gradient(slope), M, rtol, max_inner)
        return tree_map(xp.multiply, reduced.completed(slope, P), D), taken
    rates, weak, M = A.curvature_diagonal(at), None, tree_map(reciprocal, D)
    if outside is not None:
        scaled = tree_map(lambda h, m: h * m * m, rates, M)
        weak = weak_columns(scaled, g, pair, lam, cast(outside, pair.L.dtype))
        weak = replace(weak, U=weak.U * M.L, V=weak.V * M.R)
        del scaled
    seen = inverse_diagonal(tree_map(xp.add, rates, ridge), pair)
    M = Diagonal(tree_map(lambda s, m: xp.where(m == 0, 0.0, s), seen, M))
    M = M if weak is None else WithWeakColumns(M, weak)
    wide = None
    if not isinstance(lam, float) or lam > 0:
        wide = tree_map(lambda r, x: xp.broadcast_to(r, x.shape), ridge, g)
    del rates, seen
    # The right-hand side has no name here: the solver keeps its own, and lets this one go.
    d, taken = truncated_cg(H, tree_map(lambda x, s: -x * s, g, D), M, rtol, max_inner, wide)
    return tree_map(xp.multiply, d, D), taken


def along(
    B: Measurement, c: Float[Array, " m"], lam: Scalar, pair: FactorPair, d: FactorPair
) -> tuple[Scalar, Scalar, Scalar]:
    """a2, a3, a4 of the quartic F((L, R) + t d) = F + a1 t + a2 t² + a3 t³ + a4 t⁴.

    ℬ along the line is c + t c1 + t² c2 with c1 = ℬ(L Qᵀ + P Rᵀ), c2 = ℬ(P Qᵀ).
    """
    c1, c2 = B.tangent(pair, d), B.forward(d)
    a2 = 0.5 * xp.vdot(c1, c1) + xp.vdot(c, c2) + 0.5 * lam * _dot(d, d)
    return a2, xp.vdot(c1, c2), 0.5 * xp.vdot(c2, c2)


def line_search(a1: Scalar, a2: Scalar, a3: Scalar, a4: Scalar) -> tuple[Array, Array]:
    """The best t on a grid for the quartic, refined by Newton's method, and how far F falls."""

    def value(t: Array) -> Array:
        return t * (a1 + t * (a2 + t * (a3 + t * a4)))

    grid = 2.0 ** xp.arange(-20.0, 8.0)
    t = xp.take(grid, xp.argmin(value(grid)))

    def refine(_: int | Array, t: Array) -> Array:
        slope = a1 + t * (2 * a2 + t * (3 * a3 + t * 4 * a4))
        bend = 2 * a2 + t * (6 * a3 + t * 12 * a4)
        new = t - slope / xp.where(bend > 0, bend, xp.inf)
        return xp.where(value(new) <= value(t), new, t)

    t = for_loop(0, 8, refine, t)
    t = xp.where(value(t) <= 0, t, 0.0)
    return t, -value(t)
