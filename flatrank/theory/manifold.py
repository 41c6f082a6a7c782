"""The manifold protocol: what a geometry must offer, and the calculus that follows from it.

Every tangent vector is a pair (P, Q) of the shapes of (L, R), and moves X along

    DX[(P, Q)] = P F2ᵀ + F1 Qᵀ,

where (F1, F2) is the frame of the point. Inner products are those of pairs, ⟨P, P'⟩ + ⟨Q, Q'⟩. So
the derivatives of f(X) = ½‖c‖², c = 𝒜(X) − b, are those a measurement offers for pairs, taken at
the frame and projected; with S = 𝒜*(c)

    grad f      = Π (S F2, Sᵀ F1)
    Hess f[ξ]   = Π (T F2, Tᵀ F1) + Π curvature_term(S, ξ),   T = 𝒜*𝒜(DX[ξ]).

Reference: Absil, Mahony and Sepulchre (2008), chapters 3–5. X is never formed.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, TypeVar

import numpy as np

from flatrank.arrays import Array, Module, tree_map, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.measurements import Adjoint, Measurement

Point = TypeVar("Point")


def inner(a: FactorPair, b: FactorPair) -> Float[Array, ""]:
    """⟨P, P'⟩ + ⟨Q, Q'⟩."""
    return xp.vdot(a.L, b.L) + xp.vdot(a.R, b.R)


def combine(a: FactorPair, t: Float[Array, ""] | float, b: FactorPair) -> FactorPair:
    """A + t b."""
    return tree_map(lambda x, y: x + t * y, a, b)


class Manifold(Module, Generic[Point]):
    """A smooth set of matrices or pairs. It is finished when `check_manifold` passes."""

    @abstractmethod
    def point(self, pair: FactorPair) -> Point:
        """The point of the product L Rᵀ; its rank is the number of columns."""

    @abstractmethod
    def pair(self, point: Point) -> FactorPair:
        """Factors (L, R) of X."""

    @abstractmethod
    def project(self, point: Point, vector: FactorPair) -> FactorPair:
        """Π: the orthogonal projection of any pair onto the tangent space."""

    @abstractmethod
    def curvature_term(self, point: Point, S: Adjoint, vector: FactorPair) -> FactorPair:
        """What the curvature of the set adds to the Hessian, before projection."""

    @abstractmethod
    def retract(self, point: Point, vector: FactorPair) -> Point:
        """A point of the manifold that agrees with point + vector to first order."""

    @abstractmethod
    def defect(self, point: Point, vector: FactorPair) -> Float[Array, ""]:
        """How far a pair is from being tangent: the norm of the linearised constraints."""

    @abstractmethod
    def violation(self, point: Point) -> Float[Array, ""]:
        """How far a point is from the manifold: the relative norm of the constraints."""

    @abstractmethod
    def retraction_error(self, point: Point, vector: FactorPair, new: Point) -> Float[Array, ""]:
        """‖new − (point + vector)‖ in the space that the manifold lies in."""

    @abstractmethod
    def random_gauge(self, rank: int, rng: np.random.Generator) -> Float[Array, "k k"]:
        """A random orthogonal matrix whose action from the right leaves X unchanged."""

    @abstractmethod
    def rotate(self, point: Point, Q: Float[Array, "k k"]) -> Point:
        """The point after the action of a gauge; tangent vectors become (P Q, Q Q)."""

    def frame(self, point: Point) -> FactorPair:
        """(F1, F2) of DX[(P, Q)] = P F2ᵀ + F1 Qᵀ; the factors themselves unless overridden."""
        return self.pair(point)

    def transport(self, point: Point, vector: FactorPair, new: Point) -> FactorPair:
        """A tangent vector at `point`, carried to `new` by projection."""
        del point
        return self.project(new, vector)

    def precondition(self, point: Point, vector: FactorPair) -> FactorPair:
        """An approximate inverse of the Hessian where 𝒜 is near a multiple of an isometry."""
        del point
        return vector

    def derivative(self, A: Measurement, point: Point, vector: FactorPair) -> Float[Array, " m"]:
        """𝒜(DX[ξ]): one forward product of twice the width."""
        return A.tangent(self.frame(point), vector)

    def gradient(self, point: Point, S: Adjoint) -> FactorPair:
        """Riemannian gradient Π (S F2, Sᵀ F1) from S = 𝒜*(c): one product on each side."""
        F = self.frame(point)
        return self.project(point, FactorPair(S.right(F.R), S.left(F.L)))

    def hessian(self, A: Measurement, point: Point, S: Adjoint, vector: FactorPair) -> FactorPair:
        """Riemannian Hessian along a tangent vector: a curvature product and S on each side."""
        product = A.curvature_at(self.frame(point))(vector)
        return self.project(point, combine(product, 1.0, self.curvature_term(point, S, vector)))
