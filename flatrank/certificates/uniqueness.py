"""Is ℬ injective on the tangent space? The half of uniqueness that the dual norm does not give."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from flatrank.arrays import Array, Scalar, compiled, flattened, mapped, ravel, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.effort import Effort
from flatrank.factors import CompactSVD, Cone, FactorPair
from flatrank.kernels import block_product, inverses
from flatrank.linalg.lanczos import LIMIT, LanczosState, advance, begin, ritz_ranges, slack
from flatrank.measurements import CoupledCurvature, Measurement


def injective_on_tangent(
    B: Measurement, svd: CompactSVD, *, failure_probability: float, seed: int = 0
) -> bool:
    """Prove that ℬ(Z) ≠ 0 for every Z ≠ 0 in T = {U Qᵀ + P Vᵀ}: see `least_on_tangent`."""
    return least_on_tangent(B, svd, failure_probability=failure_probability, seed=seed) > 0


def least_on_tangent(
    B: Measurement,
    svd: CompactSVD,
    *,
    failure_probability: float,
    seed: int = 0,
    whole: int = Effort().spectrum,
) -> float:
    """A lower bound on ‖ℬ(Z)‖/‖Z‖_F over Z in T = {U Qᵀ + P Vᵀ}, dimension n = r(d1 + d2 − r).

    Where the Gauss–Newton matrix of (U, V) has blocks A = C1 C1ᵀ for P and D = C2 C2ᵀ for Q that
    are themselves made of r × r blocks (entries), by elimination: with E between P and Q, the
    singular values of K = C1⁻¹ E C2⁻ᵀ are at most 1, and 1 belongs to Z = 0, that is to
    P = U W, Q = −V Wᵀ. ℬ is injective on T if and only if K is below 1 on the rest, which Lanczos
    on K Kᵀ proves (‖K‖² ≤ θ_max/(1 − ε)): few entries in some row do not slow it down. Some (P, Q)
    of Z then has ‖ℬ(Z)‖² ≥ (1 − ‖K‖)(‖C1ᵀP‖² + ‖C2ᵀQ‖²), and ‖Z‖² ≤ 2(‖P‖² + ‖Q‖²).

    Else by Lanczos on G = P_T ℬ*ℬ P_T (see `lanczos`): with ε for a chance of δ/2 at each end,

        λ_min ≥ θ_min − ε (θ_max − θ_min)/(1 − 2ε),

    until the right side is positive. Where it does not become so and n is moderate, G is formed and
    its smallest eigenvalue on T computed. Among symmetric matrices the same, with
    T = {V Pᵀ + P Vᵀ}, its dimension (`Cone.degrees`), and ‖Z‖² ≤ 4‖P‖².

    Parameters
    ----------
    B : Measurement
        ℬ.
    svd : CompactSVD
        U, V of the point; r ≥ 1 columns.
    failure_probability : float
        δ, the allowed chance, over the random start, that the claim is made wrongly.
    seed : int
        Of the random start.
    whole : int
        Dimension up to which the whole spectrum is computed where Lanczos fails.

    Returns
    -------
    float
        0: not proved to be more (within 256 steps, or because ℬ is not injective on T).

    Notes
    -----
    Cost: one curvature product a step, three vectors of memory; by elimination also (d1 + d2) r²
    numbers.
    """
    (d1, d2), r = B.shape, svd.s.shape[0]
    n = r * (d1 + d2 - r) if B.cone is Cone.WHOLE else B.cone.degrees(d1, r)
    if r == 0 or n > B.m:
        return 0.0
    # Of (P, P), twice as long as P, where Z is at most twice as long.
    root = 1.0 if B.cone is Cone.WHOLE else math.sqrt(0.5)
    if n <= LIMIT:
        return root * math.sqrt(float(_smallest_exact(B, svd, n)))
    blocks = _blocks(B, svd)
    if blocks is not None:
        frame = _frame(svd, blocks)
        if frame is None:
            return 0.0
        room = 1.0 - _largest_coupling(B, frame, failure_probability, seed)
        return math.sqrt(0.5 * room * float(frame.least)) if room > 0 else 0.0

    def more(state: LanczosState, steps: int) -> LanczosState:
        return _steps(B, svd, state, xp.asarray(steps))

    last = slack(n, failure_probability / 2)
    for low, high, epsilon in ritz_ranges(more, _start(B, svd, seed), n, failure_probability / 2):
        if 2 * epsilon < 1 and low > epsilon * (high - low) / (1 - 2 * epsilon):
            return root * math.sqrt(low - epsilon * (high - low) / (1 - 2 * epsilon))
        if not low > 1e-12 * high:
            return 0.0
        if low <= last * (high - low) / (1 - 2 * last):
            break  # they only part further: no step that is left would do
    return root * math.sqrt(float(_smallest_exact(B, svd, n))) if n <= whole else 0.0


class _Frame(NamedTuple):
    """U, V, A, the inverses of A and D, and the inverse of the Gram of {U W} in xᵀ A y."""

    U: Float[Array, "d1 r"]
    V: Float[Array, "d2 r"]
    A: Float[Array, "d1 r r"]
    inverse1: Float[Array, "d1 r r"]
    inverse2: Float[Array, "d2 r r"]
    gauge: Float[Array, "s s"]
    least: Scalar
    """At most the smallest eigenvalue of A and D."""

    def inverse(self, x: Float[Array, "d1 r"]) -> Float[Array, "d1 r"]:
        """A⁻¹ x, row by row."""
        return block_product(self.inverse1, x)

    def outside(self, x: Float[Array, "d1 r"]) -> Float[Array, "d1 r"]:
        """Without its part in {A U W}."""
        r = self.U.shape[1]
        W = (self.gauge @ (self.U.T @ x).reshape(-1)).reshape(r, r)
        return x - block_product(self.A, self.U @ W)


@compiled
def _blocks(B: Measurement, svd: CompactSVD) -> tuple[Array, ...] | None:
    """A, A⁻¹, D⁻¹, the Gram of {U W}, and whether all blocks are regular."""
    H = B.curvature_at(FactorPair(svd.U, svd.V))
    if not isinstance(H, CoupledCurvature):
        return None
    blocks = H.blocks()
    U, r = svd.U, svd.U.shape[1]
    inverse1, inverse2 = (inverses(X) for X in blocks)
    # The trace of X⁻¹ X is the rank of a generalised inverse.
    full = [
        xp.min(xp.einsum("iab,iab->i", X, Y)) > r - 0.5
        for X, Y in zip(blocks, (inverse1, inverse2), strict=True)
    ]
    products = (U[:, :, None] * U[:, None, :]).reshape(-1, r * r)
    gram = (products.T @ blocks[0].reshape(-1, r * r)).reshape(r, r, r, r)
    gram = gram.transpose(0, 2, 1, 3).reshape(r * r, r * r)
    # 1/tr(X⁻¹) is below the smallest eigenvalue of a block.
    worst = [xp.max(xp.einsum("iaa->i", X)) for X in (inverse1, inverse2)]
    return blocks[0], inverse1, inverse2, gram, full[0] & full[1], 1.0 / xp.maximum(*worst)


def _frame(svd: CompactSVD, blocks: tuple[Array, ...]) -> _Frame | None:
    """None where a block is singular."""
    A, inverse1, inverse2, gram, regular, least = blocks
    if not (bool(regular) and float(least) > 0):
        return None
    factor, failed = lapack.dpotrf(np.asarray(gram), lower=1)  # pyright: ignore[reportAttributeAccessIssue]
    if failed:
        return None
    half, failed = lapack.dpotri(factor, lower=1, overwrite_c=1)  # pyright: ignore[reportAttributeAccessIssue]
    if failed:
        return None
    gauge = np.tril(half) + np.tril(half, -1).T
    return _Frame(svd.U, svd.V, A, inverse1, inverse2, gauge, least)


def _largest_coupling(
    B: Measurement, frame: _Frame, failure_probability: float, seed: int
) -> float:
    """A bound on ‖K‖ off the gauge, below 1 if that is proved."""
    (d1, r), xi = frame.U.shape, np.random.default_rng(seed).standard_normal(B.m)
    state, n = _elimination_start(B, frame, np.asarray(xi)), r * (d1 - r)

    def more(state: LanczosState, steps: int) -> LanczosState:
        return _elimination_steps(B, frame, state, xp.asarray(steps))

    last = slack(n, failure_probability)
    for _, high, epsilon in ritz_ranges(more, state, n, failure_probability):
        if epsilon < 1 and high < 1 - epsilon:
            return math.sqrt(max(high, 0.0) / (1 - epsilon))
        if not high < 1 - max(1e-9, last):  # Ritz values only rise
            break
    return 1.0


@compiled
def _elimination_start(B: Measurement, frame: _Frame, xi: Array) -> LanczosState:
    """From Jᵀξ, J the map P ↦ ℬ(P Vᵀ): A = JᵀJ, so that C1⁻¹ Jᵀξ is standard normal if ξ is."""
    return begin(frame.outside(B.adjoint(xi).right(frame.V)), frame.inverse)


@compiled
def _elimination_steps(
    B: Measurement, frame: _Frame, state: LanczosState, steps: Array
) -> LanczosState:
    """Lanczos on E D⁻¹ Eᵀ beside A, which is K Kᵀ, kept off the gauge."""
    U, V = frame.U, frame.V
    curvature = B.curvature_at(FactorPair(U, V))
    assert isinstance(curvature, CoupledCurvature)  # as `_blocks` found it

    def product(P: Array) -> Array:
        Q = block_product(frame.inverse2, curvature.left_to_right(P))
        return frame.outside(curvature.right_to_left(Q))

    return advance(product, U, state, steps, frame.inverse)


def _projected(B: Measurement, svd: CompactSVD):
    """The projection onto Z = U Qᵀ + P Vᵀ with UᵀP = 0 (orthonormal coordinates of T), and G.

    Of symmetric matrices Z = V Pᵀ + P Vᵀ, without the P that turn V: U = ±V then, and the signs
    change nothing about T.
    """
    U, V = (svd.U if B.cone is Cone.WHOLE else svd.V), svd.V
    frame = FactorPair(U, V)

    def project(step: FactorPair) -> FactorPair:
        if B.cone is Cone.WHOLE:
            return FactorPair(step.L - U @ (U.T @ step.L), step.R)
        P = 0.5 * (step.L + step.R)
        P = P - B.cone.turning(V, P)
        return FactorPair(P, P)

    product = B.curvature_at(frame)
    return project, (lambda step: project(product(project(step))))


def _start(B: Measurement, svd: CompactSVD, seed: int) -> LanczosState:
    """A random point; `_steps` projects it onto T."""
    rng = np.random.default_rng(seed)
    draw = (xp.asarray(rng.standard_normal(X.shape)) for X in (svd.U, svd.V))
    U, (P, Q) = svd.U, draw
    if B.cone is not Cone.WHOLE:
        return begin(FactorPair(Q, Q))
    return begin(FactorPair(P - U @ (U.T @ P), Q))


@compiled
def _steps(B: Measurement, svd: CompactSVD, state: LanczosState, steps: Array) -> LanczosState:
    """Lanczos on G, kept on T: rounding off T must not look like a null vector.

    Off T stands a value from within the spectrum: where few distinct eigenvalues end the Krylov
    space, what follows is rounding, off T too.
    """
    project, gram = _projected(B, svd)
    frame = FactorPair(svd.U, svd.V)
    _, restore = ravel(frame)

    def inside(flat: Array) -> Array:
        return flattened(project(restore(flat)))

    state = state._replace(before=inside(state.before), vector=inside(state.vector))
    first = flattened(gram(restore(state.vector)))
    middle = xp.where(state.taken > 0, state.diagonal[0], xp.vdot(state.vector, first))

    def product(step: FactorPair) -> FactorPair:
        flat, image = flattened(step), flattened(gram(step))
        return restore(image + middle * (flat - inside(flat)))

    return advance(product, frame, state, steps)


@compiled
def _smallest_exact(B: Measurement, svd: CompactSVD, n: int) -> Array:
    """The least eigenvalue of G on T, from its whole spectrum: the n largest live there.

    0 where it may be rounding, less what rounding may have added elsewhere.
    """
    _, gram = _projected(B, svd)
    flat, restore = ravel(FactorPair(svd.U, svd.V))
    matrix = mapped(lambda e: flattened(gram(restore(e))), np.eye(flat.size), like=flat)
    values = xp.linalg.eigvalsh(0.5 * (matrix + matrix.T))
    low, high = values[-n], values[-1]
    return xp.where(low > 1e-10 * high, low - 1e-12 * high, 0.0)
