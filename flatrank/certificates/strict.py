"""A dual point below what is allowed off the tangent space, where the shortest one is not.

Every y with ℬ*(y) = U Vᵀ on T = {U Qᵀ + P Vᵀ} proves the interpolant optimal as soon as no singular
value of its part W off T exceeds 1 (of positive semidefinite X, no eigenvalue), and unique where
all are below 1 and ℬ is injective on T. Among those y,

    minimise φ(y) = ½ Σᵢ (σᵢ(W) − τ)₊²,   τ < 1,   ∇φ = P ℬ(Σᵢ (σᵢ − τ)₊ uᵢvᵢᵀ),

P the projection of ℝᵐ onto the null space of y ↦ P_T ℬ*(y). φ is convex and smooth, and ‖ℬ*(y)‖_F
about as long in all directions where ℬ is random, so that L-BFGS needs a dozen steps. φ(y)/‖∇φ(y)‖
bounds from below how far the nearest zero of φ is: where that grows without end there is none, as
there must be none where another matrix fits as well.

Where the data see every direction of the space there is one with W = 0, whatever X is: `whole_dual`
computes it, and no search is needed.

Known as dual certificates (Candès and Recht 2009; Fuchs 2004): made there to be analysed, here to
be found.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from flatrank.arrays import Array, compiled, mapped, tree_map, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.dual import shortest
from flatrank.certificates.leading import leading
from flatrank.factors import CompactSVD, FactorPair
from flatrank.measurements import Measurement

# τ, and the ‖W‖ that is good enough.
_AIM, _ENOUGH = 0.95, 0.985


def strict_dual(
    B: Measurement, svd: CompactSVD, y: Float[Array, " m"], *, seed: int = 0
) -> Float[Array, " m"] | None:
    """A dual point with the tangent part of y and ‖W‖ (or λ_max(W)) below 1, if one is found.

    From a y with ℬ*(y) = U Vᵀ on T, such as `least_squares_dual`; `seed` is that of block Lanczos.
    Not proved to be what it should: the certificate bounds the norm of what it has.

    Cost: at most 25 looks at W, each four products with a block of at most 64 columns (a sixth
    of n), one with ℬ and a dozen curvature products.
    """
    search = _Search(B, svd, y, seed)
    search.start()
    if search.best <= _ENOUGH:
        return y
    if math.isfinite(search.best):
        options = {"maxcor": 20, "maxfun": 25, "maxiter": 25, "gtol": 0.0, "ftol": 0.0}
        zero = np.zeros(y.shape[0])
        optimize = import_module("scipy.optimize")  # a tenth of a second: only where needed
        optimize.minimize(
            search, zero, jac=True, method="L-BFGS-B", callback=search.watch, options=options
        )
    return _straightened(B, svd, search.found) if search.best < 1 else None


def whole_dual(B: Measurement, svd: CompactSVD) -> Float[Array, " m"]:
    """The shortest y with ℬ*(y) = U Vᵀ on the whole space, if there is one.

    There is where ℬ is injective: y = (ℬℬ*)⁺ ℬ(U Vᵀ), for then ℬ(ℬ*(y) − U Vᵀ) = 0. Cost: m
    products with ℬℬ* and an eigenvalue problem of order m; m² memory.
    """
    K, c = (np.asarray(x) for x in _normal_matrix(B, svd))
    Q, w = range_of(K)
    y = Q @ ((Q.T @ c) / w)
    return np.asarray(y + Q @ ((Q.T @ (c - K @ y)) / w))  # with what rounding left


def range_of(K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors and eigenvalues of ℬℬ*, without those that are rounding of the largest."""
    w, Q = np.linalg.eigh(0.5 * (K + K.T))
    keep = w > 1e-13 * w[-1]
    return Q[:, keep], w[keep]


@compiled
def _normal_matrix(B: Measurement, svd: CompactSVD) -> tuple[Array, Array]:
    """ℬℬ* and ℬ(U Vᵀ)."""
    return mapped(B.normal, xp.eye(B.m)), B.forward(FactorPair(svd.U, svd.V))


class _Search:
    """φ as SciPy wants it: of (y − y₀)/length, divided by its start; the first step is one."""

    def __init__(self, B: Measurement, svd: CompactSVD, y: Float[Array, " m"], seed: int):
        self.B, self.svd, self.origin, self.found = B, svd, y, y
        d = min(B.shape)
        n = B.cone.size(d)
        # Spaces are four times as wide as the block.
        block = n if n < 64 else min(n // 6, 64)
        self.X = np.random.default_rng(seed).standard_normal((d, block))
        self.length, self.scale, self.best, self.distance = 1.0, 1.0, np.inf, 0.0

    def start(self) -> None:
        """Settle the block, then the units: 2 φ/‖∇φ‖ is a step that would bring φ to zero."""
        zero = np.zeros(self.origin.shape[0])
        self(zero)
        value, slope = self(zero)
        size = float(np.linalg.norm(slope))
        if size > 0:
            self.length, self.scale = 2 * value / size, 1.0 / (2 * value)

    def __call__(self, t: np.ndarray) -> tuple[float, np.ndarray]:
        """φ and its gradient, from the leading part of W."""
        y = self.origin + self.length * np.asarray(t)
        value, slope, top, self.X = _look(self.B, self.svd, y, self.X)
        value, slope, top = float(value), np.asarray(slope), float(top)
        if top < self.best:
            self.best, self.found = top, y
        size = np.linalg.norm(slope)
        if size > 0:
            self.distance = value / float(size * np.linalg.norm(self.origin))
        return self.scale * value, self.scale * self.length * slope

    def watch(self, intermediate_result: Any) -> None:
        """Stop when one is found, or none is within five lengths of y."""
        del intermediate_result
        if self.best <= _ENOUGH or self.distance > 5.0:
            raise StopIteration


@compiled
def _look(B: Measurement, svd: CompactSVD, y: Array, X: Array) -> tuple[Array, Array, Array, Array]:
    """φ, ∇φ, ‖W‖ from below, and the block to go on from."""
    pairs = leading(B, B.adjoint(y).formed(), svd, X, 4 * X.shape[1])
    excess = xp.maximum(pairs.s - _AIM, 0.0)
    slope = B.forward(FactorPair(pairs.U * excess[None, :], pairs.V))
    frame = FactorPair(svd.U, svd.V)
    inside, _ = shortest(B, frame, _seen(B, frame, slope), tol=1e-3, maxiter=100)
    value = 0.5 * xp.vdot(excess, excess)
    near = pairs.U if B.shape[0] <= B.shape[1] else pairs.V
    return value, slope - inside, pairs.s[0], near[:, : X.shape[1]]


def _seen(B: Measurement, frame: FactorPair, y: Array) -> FactorPair:
    """(ℬ*(y) V, ℬ*(y)ᵀ U)."""
    S = B.adjoint(y)
    return FactorPair(S.right(frame.R), S.left(frame.L))


@compiled
def _straightened(B: Measurement, svd: CompactSVD, y: Array) -> Array:
    """Y with what was lost of ℬ*(y) = U Vᵀ on T put back."""
    frame = FactorPair(svd.U, svd.V)
    lost = tree_map(xp.subtract, frame, _seen(B, frame, y))
    # Below that the loss is rounding, and no longer in the range of the singular matrix to invert.
    return y + shortest(B, frame, lost, tol=0.0, atol=1e-12, maxiter=300)[0]
