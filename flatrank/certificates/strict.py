"""A dual point below what is allowed off the tangent space, where the shortest one is not.

Of positive semidefinite X: every y with ℬ*(y) = V Vᵀ on T = {V Pᵀ + P Vᵀ} proves the interpolant
optimal as soon as no eigenvalue of its part W off T exceeds 1, and unique where all are below 1.
Among those y,

    minimise φ(y) = ½ Σᵢ (λᵢ(W) − τ)₊²,   τ < 1,   ∇φ = P ℬ(Σᵢ (λᵢ − τ)₊ vᵢvᵢᵀ),

P the projection of ℝᵐ onto the null space of y ↦ P_T ℬ*(y). φ is convex and smooth, and ‖ℬ*(y)‖_F
about as long in all directions where ℬ is random, so that L-BFGS needs a dozen steps. φ(y)/‖∇φ(y)‖
bounds from below how far the nearest zero of φ is: where that grows without end there is none, as
there must be none where another matrix fits as well.

Known as dual certificates (Candès and Recht 2009; Fuchs 2004): made there to be analysed, here to
be found.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import OptimizeResult, minimize

from flatrank.certificates.dual import shortest
from flatrank.certificates.eigenvalues import top_eigenpairs
from flatrank.factors import CompactSVD, FactorPair
from flatrank.measurements import Measurement

# τ, and the λ_max(W) that is good enough.
_AIM, _ENOUGH = 0.95, 0.985
# Looks at W at most, and the distance to a zero of φ, in lengths of y, at which hope is given up.
_LOOKS, _FAR = 25, 5.0
# Block Lanczos: columns at most, spaces as many times as wide, and products a look.
_BLOCK, _BLOCKS, _PRODUCTS = 64, 4, 3
# Accuracy of P along the way, and of P_T ℬ*(y) = U Vᵀ in the end.
_LOOSE, _RIGHT = 1e-3, 1e-12


def strict_dual(
    B: Measurement, svd: CompactSVD, y: Float[Array, " m"], *, seed: int = 0
) -> Float[Array, " m"] | None:
    """A dual point with the tangent part of y and λ_max(W) below 1, if one is found.

    Parameters
    ----------
    B : Measurement
        ℬ, of positive semidefinite matrices.
    svd : CompactSVD
        U = V of the point; zero columns do no harm.
    y : array of shape (m,)
        A dual point with ℬ*(y) = V Vᵀ on T, such as `least_squares_dual`.
    seed : int
        Of the random start of block Lanczos.

    Returns
    -------
    array of shape (m,), or None
        Not proved to be what it should: the certificate bounds the norm of what it has.

    Notes
    -----
    Cost: at most 25 looks at W, each four products with a block of at most 64 columns (a sixth
    of n), one with ℬ and a dozen curvature products.
    """
    search = _Search(B, svd, y, seed)
    search.start()
    if search.best <= _ENOUGH:
        return y
    if math.isfinite(search.best):
        options = {"maxcor": 20, "maxfun": _LOOKS, "maxiter": _LOOKS, "gtol": 0.0, "ftol": 0.0}
        zero = np.zeros(y.shape[0])
        minimize(search, zero, jac=True, method="L-BFGS-B", callback=search.watch, options=options)
    return _straightened(B, svd, search.found) if search.best < 1 else None


class _Search:
    """φ as SciPy wants it: of (y − y₀)/length and divided by its start, the first step being one.

    The host keeps y; what it costs to look at W is compiled.
    """

    def __init__(self, B: Measurement, svd: CompactSVD, y: Float[Array, " m"], seed: int):
        self.B, self.svd, self.origin, self.found = B, svd, y, y
        n = B.cone.size(B.shape[0])
        self.block = n if n < 64 else min(n // 6, _BLOCK)
        draw = np.random.default_rng(seed).standard_normal((B.shape[0], self.block))
        self.X, self.length, self.scale = jax.device_put(draw), 1.0, 1.0
        self.best, self.distance = np.inf, 0.0

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
        y = self.origin + self.length * jax.device_put(t)
        value, slope, top, self.X = _look(self.B, self.svd, y, self.X)
        value, slope, top = float(value), np.asarray(slope), float(top)
        if top < self.best:
            self.best, self.found = top, y
        size = np.linalg.norm(slope)
        if size > 0:
            self.distance = value / float(size * np.linalg.norm(self.origin))
        return self.scale * value, self.scale * self.length * slope

    def watch(self, intermediate_result: OptimizeResult) -> None:
        """Stop when one is found, or none is near."""
        del intermediate_result
        if self.best <= _ENOUGH or self.distance > _FAR:
            raise StopIteration


@eqx.filter_jit
def _look(B: Measurement, svd: CompactSVD, y: Array, X: Array) -> tuple[Array, Array, Array, Array]:
    """φ, ∇φ, λ_max(W) from below, and the block to go on from."""
    size = _BLOCKS * X.shape[1]
    pairs = top_eigenpairs(B.adjoint(y), B.cone, svd.V, X, jnp.asarray(_PRODUCTS), size)
    excess = jnp.maximum(pairs.s - _AIM, 0.0)
    slope = B.forward(FactorPair(pairs.U * excess[None, :], pairs.V))
    frame = FactorPair(svd.U, svd.V)
    inside = shortest(B, frame, _seen(B, frame, slope), tol=_LOOSE, maxiter=100)
    value = 0.5 * jnp.vdot(excess, excess)
    return value, slope - inside, pairs.s[0], pairs.V[:, : X.shape[1]]


def _seen(B: Measurement, frame: FactorPair, y: Array) -> FactorPair:
    """(ℬ*(y) V, ℬ*(y)ᵀ U)."""
    S = B.adjoint(y)
    return FactorPair(S.right(frame.R), S.left(frame.L))


@eqx.filter_jit
def _straightened(B: Measurement, svd: CompactSVD, y: Array) -> Array:
    """Y with what was lost of ℬ*(y) = V Vᵀ on T put back."""
    frame = FactorPair(svd.U, svd.V)
    lost = jax.tree.map(jnp.subtract, frame, _seen(B, frame, y))
    # Below that the loss is rounding, and no longer in the range of the singular matrix to invert.
    return y + shortest(B, frame, lost, tol=0.0, atol=_RIGHT, maxiter=300)
