"""The Hessian of f(L, R) = ‖𝒜(L Rᵀ) − b‖² at one pair, its trace and its top.

D²f[(P, Q)²] = 2‖𝒜(L Qᵀ + P Rᵀ)‖² + 4⟨𝒜(L Rᵀ) − b, 𝒜(P Qᵀ)⟩. At zero loss the second part vanishes
and the Hessian is 2JᵀJ, J the tangent map of 𝒜(L Rᵀ).

For symmetric Aᵢ also that of f(U) = ‖𝒜(U E Uᵀ) − b‖², E = diag(±1): the same along P ↦ (P E, P).
"""

from __future__ import annotations

from dataclasses import dataclass

from flatrank.arrays import Array, Module, normal, scope, static, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair, Factors, given_pair
from flatrank.flatness.measures import column_signs, gram_forms, symmetric_form
from flatrank.linalg import extreme_eigenpair
from flatrank.measurements import Curvature, Measurement
from flatrank.measurements.checks import checked_count


class Hessian(Module):
    """z = (vec P, vec Q) ↦ D²f z, or S D²f S z, whose plain trace is the scaled trace of D²f.

    `curvature` is half the Hessian, on steps of `shapes` (d1, k) and (d2, k); where `scaled`
    S = diag(1/√d1 on P, 1/√d2 on Q), otherwise I.
    """

    curvature: Curvature
    shapes: tuple[tuple[int, int], tuple[int, int]] = static()
    scaled: bool = static()

    @classmethod
    def at(
        cls,
        measurement: Measurement,
        pair: Factors,
        b: Float[Array, " m"] | None = None,
        *,
        scaled: bool = False,
    ) -> Hessian:
        """The Hessian at a pair; without b that of a pair of zero loss."""
        with scope():
            given = given_pair(pair, measurement.shape, measurement.cone)
            d1, d2 = given.shape
            shapes = ((d1, given.rank), (d2, given.rank))
            return cls(_curvature(measurement, given, b), shapes, scaled)

    @property
    def n(self) -> int:
        """(d1 + d2) k, the order of the matrix."""
        (d1, k), (d2, _) = self.shapes
        return (d1 + d2) * k

    def __call__(self, z: Float[Array, " n"]) -> Float[Array, " n"]:
        """One product: a product with 𝒜 and one with 𝒜* for each half."""
        (d1, k), (d2, _) = self.shapes
        s, t = (d1**-0.5, d2**-0.5) if self.scaled else (1.0, 1.0)
        P, Q = z[: d1 * k].reshape(d1, k), z[d1 * k :].reshape(d2, k)
        out = self.curvature(FactorPair(s * P, t * Q))
        return 2.0 * xp.concatenate([s * out.L.reshape(-1), t * out.R.reshape(-1)])


class SymmetricHessian(Module):
    """vec P ↦ D²f P for f(U) = ‖𝒜(U E Uᵀ) − b‖², E = diag(±1) and symmetric Aᵢ.

    D²f[P²] = 8‖𝒜(P E Uᵀ)‖² + 4⟨𝒜(U E Uᵀ) − b, 𝒜(P E Pᵀ)⟩, the second part 0 where the data fit.
    `curvature` is half the Hessian of f(L, R) at L = U E, R = U; `signs` the diagonal of E, 0 for a
    column of zeros, which counts as absent; d the rows of U, for Hermitian matrices 2n, the real
    over the imaginary parts.
    """

    curvature: Curvature
    signs: Float[Array, " k"]
    d: int = static()

    @classmethod
    def at(
        cls, measurement: Measurement, pair: Factors, b: Float[Array, " m"] | None = None
    ) -> SymmetricHessian:
        """The Hessian at L = U E, R = U; without b that of a pair of zero loss."""
        with scope():
            given = symmetric_form(measurement, pair)
            return cls(_curvature(measurement, given, b), column_signs(given), given.shape[0])

    @property
    def n(self) -> int:
        """The order of the matrix, d k."""
        return self.d * self.signs.shape[0]

    def __call__(self, z: Float[Array, " n"]) -> Float[Array, " n"]:
        """One product: that of `Hessian` along (P E, P), folded back."""
        P, E = z.reshape(self.d, -1), self.signs[None, :]
        out = self.curvature(FactorPair(P * E, P))
        return 2.0 * (out.L * E + out.R).reshape(-1)


class SphereHessian(Module):
    """The Hessian of f(U) = ‖𝒜(U E Uᵀ) − b‖² on the sphere through U, as for states, ‖U‖_F = 1.

    Π (D²f − (⟨∇f, U⟩/‖U‖²) I) Π with Π the projection off U, and ⟨∇f, U⟩ = 4⟨𝒜(X) − b, 𝒜(X)⟩: on
    tangent steps the second derivative of W ↦ f(‖U‖ W/‖W‖). `inner` is D²f, `unit` vec U/‖U‖ and
    `slope` ⟨∇f, U⟩/‖U‖², 0 where the data fit.
    """

    inner: SymmetricHessian
    unit: Float[Array, " n"]
    slope: Float[Array, ""]

    @classmethod
    def at(
        cls, measurement: Measurement, pair: Factors, b: Float[Array, " m"] | None = None
    ) -> SphereHessian:
        """The Hessian at L = U E, R = U ≠ 0; without b that of a pair of zero loss."""
        with scope():
            given = symmetric_form(measurement, pair)
            z = measurement.forward(given)
            square = xp.vdot(given.R, given.R)
            if not square > 0:
                raise ValueError("U = 0 lies on no sphere; expected a pair of X other than zero")
            slope = xp.zeros_like(square) if b is None else 4.0 * xp.vdot(z - b, z) / square
            inner = SymmetricHessian.at(measurement, given, b)
            return cls(inner, given.R.reshape(-1) / xp.sqrt(square), slope)

    @property
    def n(self) -> int:
        """The order of the matrix, d k; the sphere has one dimension less."""
        return self.inner.n

    def project(self, z: Float[Array, " n"]) -> Float[Array, " n"]:
        """Π z, tangent to the sphere."""
        return z - xp.vdot(self.unit, z) * self.unit

    def __call__(self, z: Float[Array, " n"]) -> Float[Array, " n"]:
        """One product with D²f."""
        z = self.project(z)
        return self.project(self.inner(z)) - self.slope * z


def _curvature(A: Measurement, pair: FactorPair, b: Float[Array, " m"] | None) -> Curvature:
    return A.curvature_at(pair, None if b is None else A.adjoint(A.forward(pair) - b))


def plain_trace(measurement: Measurement, pair: Factors) -> float:
    """The trace of D²f, 2m(d2‖D1 L‖² + d1‖D2 R‖²), at every (L, R) and whatever b.

    D1 and D2 are those of the measurement without smoothing. Factors that do not fit, are not
    finite, or complex where X is real, raise ValueError. Cost: O((d1 + d2) k) flops, d1² k + d2² k
    where D1 and D2 are dense.
    """
    with scope():
        given = given_pair(pair, measurement.shape, measurement.cone)
        return 2.0 * float(sum(gram_forms(measurement, given)))


@dataclass(frozen=True)
class Sharpness:
    """The largest eigenvalue of the Hessian, as found by so many `products` with it.

    `value` is a Rayleigh quotient, hence never above λ_max, and some eigenvalue lies within
    `residual` = ‖H v − value·v‖ of it. That it is the largest is almost sure after a random start,
    not proved.
    """

    value: float
    residual: float
    products: int


def sharpness(  # noqa: PLR0913 - a choice of function, and how to find its top
    measurement: Measurement,
    pair: Factors,
    b: Float[Array, " m"] | None = None,
    *,
    symmetric: bool = False,
    sphere: bool = False,
    tol: float = 1e-8,
    seed: int = 0,
) -> Sharpness:
    """λ_max(D²f) at a pair, by Lanczos on products with the Hessian to a relative residual `tol`.

    Without b the pair is taken to fit, and the Hessian is 2JᵀJ. With `symmetric` that of
    f(U) = ‖𝒜(U E Uᵀ) − b‖² (`SymmetricHessian`), for a pair L = U E, R = U; with `sphere` of that f
    on the sphere through U, along which tr U Uᵀ is constant: what is left to a state
    (`SphereHessian`). Factors that do not fit, are not finite, or not of that form raise
    ValueError. Cost: 25 products and 24 (d1 + d2) k numbers a restart.
    """
    seed = checked_count("seed", seed, 0)
    with scope():
        of = SphereHessian if sphere else SymmetricHessian if symmetric else Hessian
        H = of.at(measurement, pair, b)
        start = normal(seed, (H.n,))
        if isinstance(H, SphereHessian):  # where it stays: outside, H is 0
            start = H.project(start)
        found = extreme_eigenpair(H, start, 1, tol)
        return Sharpness(float(found.value), float(found.residual), int(found.products))
