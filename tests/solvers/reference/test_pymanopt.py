"""Fixed rank against pymanopt's geometry of the same set: other code, other coordinates.

pymanopt writes ξ = U M Vᵀ + U_p Vᵀ + U V_pᵀ where we write P Vᵀ + U Qᵀ, so P = U M + U_p, Q = V_p.
"""

import jax
import numpy as np
import pymanopt.manifolds as manifolds
import pytest

from flatrank.factors import FactorPair
from flatrank.measurements import Adjoint
from flatrank.solvers.reference import FixedRank
from flatrank.theory import inner

# pymanopt switches 64 bits on for the whole process.
jax.config.update("jax_enable_x64", False)
SHAPE, K = (9, 7), 3


class Given(Adjoint):
    """A matrix held as an array."""

    Z: np.ndarray

    def right(self, R):
        return self.Z @ R

    def left(self, L):
        return self.Z.T @ L


@pytest.fixture(scope="module")
def ours():
    rng = np.random.default_rng(0)
    L, R = (rng.standard_normal((d, K)) for d in SHAPE)
    return FixedRank().point(FactorPair(L, R))


def theirs(point):
    """Their manifold, and the same point on it."""
    return manifolds.FixedRankEmbedded(*SHAPE, K), (point.U, point.s, point.V.T)


def pair_of(point, tangent):
    Up, M, Vp = tangent
    return point.U @ M + Up, Vp


def close(ours, theirs, atol=1e-13):
    assert np.allclose(ours.L, theirs[0], atol=atol)
    assert np.allclose(ours.R, theirs[1], atol=atol)


def matrix(seed):
    return np.random.default_rng(seed).standard_normal(SHAPE)


def tangent(point, Z):
    """Π Z, which is also the Riemannian gradient where Z is the Euclidean one."""
    return FixedRank().gradient(point, Given(Z))


def test_the_gradient_is_their_projection_in_their_metric(ours):
    manifold, there = theirs(ours)
    xi, eta = tangent(ours, matrix(1)), tangent(ours, matrix(2))
    product = float(inner(xi, eta))
    first, second = (manifold.projection(there, matrix(seed)) for seed in (1, 2))
    close(xi, pair_of(ours, first))
    assert product == pytest.approx(manifold.inner_product(there, first, second), rel=1e-12)


def test_the_retraction_is_theirs(ours):
    manifold, there = theirs(ours)
    new = FixedRank().retract(ours, tangent(ours, matrix(1)))
    X = (new.U * new.s[None, :]) @ new.V.T
    U, s, Vt = manifold.retraction(there, manifold.projection(there, matrix(1)))
    assert np.allclose(X, (U * s) @ Vt, atol=1e-13)


def test_the_transport_is_theirs(ours):
    manifold, there = theirs(ours)
    xi = tangent(ours, matrix(1))
    new = FixedRank().retract(ours, xi)
    moved = FixedRank().transport(ours, xi, new)
    _, beyond = theirs(new)
    close(
        moved,
        pair_of(new, manifold.transport(there, beyond, manifold.projection(there, matrix(1)))),
    )


def test_the_hessian_is_the_slope_of_their_gradients(ours):
    """Of f(X) = ½‖X − Z‖², whose Hessian pymanopt does not have: its gradient, carried back."""
    manifold, there = theirs(ours)
    Z, t = matrix(3), 1e-5
    X = (there[0] * there[1]) @ there[2]
    step = manifold.projection(there, matrix(1))
    xi = tangent(ours, matrix(1))
    bend = FixedRank().curvature_term(ours, Given(X - Z), xi)
    hessian = FixedRank().project(ours, FactorPair(xi.L + bend.L, xi.R + bend.R))

    def gradient(t):
        U, s, Vt = beyond = manifold.retraction(there, t * step)
        slope = manifold.projection(beyond, (U * s) @ Vt - Z)
        return pair_of(ours, manifold.transport(beyond, there, slope))

    ahead, behind = gradient(t), gradient(-t)
    close(hessian, [(a - b) / (2 * t) for a, b in zip(ahead, behind, strict=True)], atol=1e-7)
