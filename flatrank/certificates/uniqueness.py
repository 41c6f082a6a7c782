"""Is ℬ injective on the tangent space? The half of uniqueness that the dual norm does not give."""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from flatrank.arrays import Array, Scalar, compiled, flattened, mapped, ravel, static, tree_map, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.effort import Effort
from flatrank.factors import CompactSVD, Cone, FactorPair
from flatrank.kernels import block_product, inverses
from flatrank.linalg import Operator, ritz_ranges, slack
from flatrank.linalg.lanczos import LIMIT
from flatrank.measurements import CoupledCurvature, Curvature, Measurement


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

    until the right side is positive. Where it does not become so and n is at most `whole`, G is
    formed and its smallest eigenvalue on T computed. Among symmetric matrices the same, with
    T = {V Pᵀ + P Vᵀ}, its dimension (`Cone.degrees`), and ‖Z‖² ≤ 4‖P‖².

    0 where it is not proved to be more, except for the chance δ over the random start that a
    positive one is wrong. Cost: one curvature product a step, 256 at most, three vectors of memory;
    by elimination also (d1 + d2) r² numbers.
    """
    (d1, d2), r = B.shape, svd.s.shape[0]
    n = r * (d1 + d2 - r) if B.cone is Cone.WHOLE else B.cone.degrees(d1, r)
    if r == 0 or n > B.m:
        return 0.0
    # Of (P, P), twice as long as P, where Z is at most twice as long.
    root = 1.0 if B.cone is Cone.WHOLE else math.sqrt(0.5)
    frame, rng = FactorPair(svd.U, svd.V), np.random.default_rng(seed)
    if n <= LIMIT:
        return root * math.sqrt(float(_smallest_exact(_on_tangent(B, frame, 0.0), n)))
    H = B.curvature_at(frame)
    if isinstance(H, CoupledCurvature):
        return _by_elimination(B, frame, H, failure_probability, rng)
    draw = FactorPair(*(xp.asarray(rng.standard_normal(X.shape)) for X in (svd.U, svd.V)))
    G = _on_tangent(B, frame, 0.0)
    start = G.project(draw if B.cone is Cone.WHOLE else FactorPair(draw.R, draw.R))
    G = _on_tangent(B, frame, float(_rayleigh(G, start)))
    last = slack(n, failure_probability / 2)
    for low, high, epsilon in ritz_ranges(G, start, n, failure_probability / 2):
        if 2 * epsilon < 1 and low > epsilon * (high - low) / (1 - 2 * epsilon):
            return root * math.sqrt(low - epsilon * (high - low) / (1 - 2 * epsilon))
        if not low > 1e-12 * high:
            return 0.0
        if low <= last * (high - low) / (1 - 2 * last):
            break  # they only part further: no step that is left would do
    return root * math.sqrt(float(_smallest_exact(G, n))) if n <= whole else 0.0


class _OnTangent(Operator):
    """G on Z = U Qᵀ + P Vᵀ with UᵀP = 0, orthonormal coordinates of T, and a multiple off it.

    Of symmetric matrices Z = V Pᵀ + P Vᵀ, without the P that turn V: U = ±V then, and the signs
    change nothing about T. The multiple is a value from within the spectrum, as rounding off T must
    not look like a null vector.
    """

    H: Curvature
    frame: FactorPair
    off: Scalar
    cone: Cone = static()

    def project(self, step: FactorPair) -> FactorPair:
        """The part in T."""
        U, V = self.frame.L, self.frame.R
        if self.cone is Cone.WHOLE:
            return FactorPair(step.L - U @ (U.T @ step.L), step.R)
        P = 0.5 * (step.L + step.R)
        P = P - self.cone.turning(V, P)
        return FactorPair(P, P)

    def __call__(self, step: FactorPair) -> FactorPair:
        """The product."""
        inside = self.project(step)
        image = self.project(self.H(inside))
        return tree_map(lambda y, x, z: y + self.off * (x - z), image, step, inside)


def _on_tangent(B: Measurement, frame: FactorPair, off: Scalar) -> _OnTangent:
    U = frame.L if B.cone is Cone.WHOLE else frame.R
    frame = FactorPair(U, frame.R)
    return _OnTangent(B.curvature_at(frame), frame, off, B.cone)


@compiled
def _rayleigh(G: _OnTangent, x: FactorPair) -> Array:
    flat = flattened(x)
    return xp.vdot(flat, flattened(G(x))) / xp.vdot(flat, flat)


@compiled
def _smallest_exact(G: _OnTangent, n: int) -> Array:
    """The least eigenvalue of G on T, from its whole spectrum: the n largest live there.

    0 where it may be rounding, less what rounding may have added elsewhere.
    """
    flat, restore = ravel(G.frame)
    matrix = mapped(
        lambda e: flattened(G.project(G.H(G.project(restore(e))))), np.eye(flat.size), like=flat
    )
    values = xp.linalg.eigvalsh(0.5 * (matrix + matrix.T))
    low, high = values[-n], values[-1]
    return xp.where(low > 1e-10 * high, low - 1e-12 * high, 0.0)


class _Elimination(Operator):
    """E D⁻¹ Eᵀ in the metric of A, which is K Kᵀ, kept off the gauge {A U W}."""

    H: CoupledCurvature
    U: Float[Array, "d1 r"]
    A: Float[Array, "d1 r r"]
    inverse1: Float[Array, "d1 r r"]
    inverse2: Float[Array, "d2 r r"]
    gauge: Float[Array, "s s"]
    """The inverse of the Gram of {U W} in xᵀ A y."""

    def inverse(self, x: Float[Array, "d1 r"]) -> Float[Array, "d1 r"]:
        """A⁻¹ x, row by row."""
        return block_product(self.inverse1, x)

    def outside(self, x: Float[Array, "d1 r"]) -> Float[Array, "d1 r"]:
        """Without its part in {A U W}."""
        r = self.U.shape[1]
        W = (self.gauge @ (self.U.T @ x).reshape(-1)).reshape(r, r)
        return x - block_product(self.A, self.U @ W)

    def __call__(self, x: Float[Array, "d1 r"]) -> Float[Array, "d1 r"]:
        """The product."""
        Q = block_product(self.inverse2, self.H.left_to_right(x))
        return self.outside(self.H.right_to_left(Q))


def _by_elimination(
    B: Measurement, frame: FactorPair, H: CoupledCurvature, delta: float, rng: np.random.Generator
) -> float:
    """As `least_on_tangent` says; 0 where a block is singular, or ‖K‖ < 1 off the gauge unproved.

    Lanczos starts from Jᵀξ, J the map P ↦ ℬ(P Vᵀ): A = JᵀJ, so that C1⁻¹ Jᵀξ is standard normal if
    ξ is.
    """
    A, inverse1, inverse2, gram, regular, least = _blocks(H, frame.L)
    if not (bool(regular) and float(least) > 0):
        return 0.0
    try:
        factor = cho_factor(np.asarray(gram), lower=True, check_finite=False)
    except LinAlgError:
        return 0.0
    gauge = cho_solve(factor, np.eye(len(gram)), check_finite=False)
    K = _Elimination(H, frame.L, A, inverse1, inverse2, gauge)
    xi, (d1, r) = xp.asarray(rng.standard_normal(B.m)), frame.L.shape
    start, n = K.outside(B.adjoint(xi).right(frame.R)), r * (d1 - r)
    last = slack(n, delta)
    for _, high, epsilon in ritz_ranges(K, start, n, delta):
        if epsilon < 1 and high < 1 - epsilon:
            margin = 1.0 - math.sqrt(max(high, 0.0) / (1 - epsilon))
            return math.sqrt(0.5 * margin * float(least)) if margin > 0 else 0.0
        if not high < 1 - max(1e-9, last):  # Ritz values only rise
            break
    return 0.0


@compiled
def _blocks(H: CoupledCurvature, U: Array) -> tuple[Array, ...]:
    """A, A⁻¹, D⁻¹, the Gram of {U W}, whether all blocks are regular; a least eigenvalue."""
    A, D = H.blocks()
    r, inverse1, inverse2 = U.shape[1], inverses(A), inverses(D)
    # The trace of X⁻¹ X is the rank of a generalised inverse.
    ranks = [xp.min(xp.einsum("iab,iab->i", *X)) for X in ((A, inverse1), (D, inverse2))]
    products = (U[:, :, None] * U[:, None, :]).reshape(-1, r * r)
    gram = (products.T @ A.reshape(-1, r * r)).reshape(r, r, r, r)
    gram = gram.transpose(0, 2, 1, 3).reshape(r * r, r * r)
    # 1/tr(X⁻¹) is below the smallest eigenvalue of a block.
    worst = xp.maximum(*(xp.max(xp.einsum("iaa->i", X)) for X in (inverse1, inverse2)))
    return A, inverse1, inverse2, gram, xp.minimum(*ranks) > r - 0.5, 1.0 / worst
