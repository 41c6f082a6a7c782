"""The law every measurement obeys, as a function users can call on their own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from flatrank.arrays import (
    Array,
    compiled,
    is_inexact,
    mapped,
    scope,
    to_numpy,
    tree_map,
    unit_vectors,
    xp,
)
from flatrank.factors import FactorPair
from flatrank.measurements.base import Adjoint, Measurement
from flatrank.measurements.compose import Whitened

# Numbers of 𝒜 as a dense matrix up to which it is written out.
_DENSE = 1_000_000
# Relative differences that are rounding, in 64 bits and in 32.
_ROUNDING, _ROUNDING32 = 1e-9, 1e-3


def check_measurement(measurement: Measurement, *, rank: int = 3, seed: int = 0) -> None:
    """Check that all parts of a measurement belong together.

    On random pairs: ⟨𝒜(L Rᵀ), y⟩ = ⟨L, 𝒜*(y) R⟩ = ⟨R, 𝒜*(y)ᵀ L⟩; 𝒜 and 𝒜* are linear; the gradient
    is (𝒜*(c) R, 𝒜*(c)ᵀ L); the curvature is the derivative of the gradient, prepared or not;
    𝒜𝒜* and its inverse are what they say; 𝒜, 𝒜* and both Grams agree with the dense matrix of 𝒜
    (where m d1 d2 is above 10⁶, one entry of one Gram); float32 changes nothing.

    Parameters
    ----------
    measurement : Measurement
        The one to check. A `Whitened` one has no Grams of its own; the rest is checked.
    rank : int
        Number of columns of the random factors.
    seed : int
        Of the random factors.

    Raises
    ------
    AssertionError
        Naming the law that fails and by how much.

    Notes
    -----
    Cost: a few dozen products with 𝒜 and 𝒜*, and d1 d2 with one column.
    """
    rng = np.random.default_rng(seed)
    (d1, d2), m = measurement.shape, measurement.m
    pair, step = (_drawn(rng, d1, d2, rank) for _ in range(2))
    y, b = rng.standard_normal(m), rng.standard_normal(m)
    with scope():
        _check_products(measurement, pair, step, y, b)
        _check_derivatives(measurement, pair, step, b)
        _check_normal(measurement, pair, y)
        _check_dense(measurement, pair, y)
        _check_types(measurement, pair, y)


def _drawn(rng: np.random.Generator, d1: int, d2: int, k: int) -> FactorPair:
    return FactorPair(*(rng.standard_normal((d, k)) for d in (d1, d2)))


class _Products(NamedTuple):
    """𝒜(L Rᵀ), 𝒜*(y) R and 𝒜*(y)ᵀ L."""

    forward: Any
    right: Any
    left: Any


@compiled
def _products(A: Measurement, pair: FactorPair, y: Array) -> _Products:
    S = A.adjoint(y)
    return _Products(A.forward(pair), S.right(pair.R), S.left(pair.L))


def _at(A: Measurement, pair: FactorPair, y: Array) -> _Products:
    return to_numpy(_products(A, pair, y))


def _check_products(
    A: Measurement, pair: FactorPair, step: FactorPair, y: np.ndarray, b: np.ndarray
) -> None:
    """Adjointness and linearity."""
    out = _at(A, pair, y)
    if out.forward.shape != (A.m,):
        raise AssertionError(
            f"law broken: length; forward returns {out.forward.shape}, expected (m,) = {(A.m,)}"
        )
    _agree("adjoint from the right", out.forward @ y, np.vdot(pair.L, out.right))
    _agree("adjoint from the left", out.forward @ y, np.vdot(pair.R, out.left))
    moved = _at(A, FactorPair(pair.L - 2.0 * step.L, pair.R), y - 2.0 * b)
    other = _at(A, FactorPair(step.L, pair.R), b)
    _agree("linearity", moved.forward, out.forward - 2.0 * other.forward)
    _agree("linearity of the adjoint", moved.right, out.right - 2.0 * other.right)


@compiled
def _derivatives(A: Measurement, pair: FactorPair, step: FactorPair, b: Array) -> dict[str, Any]:
    gradient, loss = A.gradient(pair, b)
    S = A.adjoint(A.forward(pair) - b)
    return {
        "loss": loss,
        "gradient": gradient,
        "tangent": A.tangent(pair, step),
        "Gauss-Newton part": A.curvature(pair, step),
        "curvature": A.curvature(pair, step, S),
        "prepared curvature": A.curvature_at(pair, S)(step),
    }


@compiled
def _couplings(A: Measurement, pair: FactorPair, step: FactorPair, b: Array) -> FactorPair | None:
    """The curvature from its blocks and the couplings between them, where it has any."""
    blocks = A.curvature_blocks(pair)
    if blocks is None:
        return None
    H = A.curvature_at(pair, A.adjoint(A.forward(pair) - b))
    own = (xp.einsum("iab,ib->ia", X, Z) for X, Z in zip(blocks, (step.L, step.R), strict=True))
    others = H.right_to_left(step.R), H.left_to_right(step.L)
    return FactorPair(*(x + z for x, z in zip(own, others, strict=True)))


def _check_derivatives(A: Measurement, pair: FactorPair, step: FactorPair, b: np.ndarray) -> None:
    """Gradient and curvature from forward and adjoint alone."""
    out = _derivatives(A, pair, step, b)
    couplings = _couplings(A, pair, step, b)
    c = _at(A, pair, b).forward - b
    mixed = FactorPair(pair.L, step.R), FactorPair(step.L, pair.R)
    t = _at(A, mixed[0], b).forward + _at(A, mixed[1], b).forward
    S, T, S_step = _at(A, pair, c), _at(A, pair, t), _at(A, step, c)
    _agree("loss", out["loss"], 0.5 * c @ c)
    _agree("tangent", out["tangent"], t)
    full = T.right + S_step.right, T.left + S_step.left
    if couplings is not None:
        _agree("curvature from its parts", couplings.L, full[0])
        _agree("curvature from its parts", couplings.R, full[1])
    expected = {
        "gradient": (S.right, S.left),
        "Gauss-Newton part": (T.right, T.left),
        "curvature": full,
        "prepared curvature": full,
    }
    for law, (left, right) in expected.items():
        _agree(f"{law} in L", out[law].L, left)
        _agree(f"{law} in R", out[law].R, right)


@compiled
def _normal(A: Measurement, y: Array) -> tuple[Array, ...]:
    S, eye = A.adjoint(y), np.eye(A.shape[1])
    ones1, ones2 = (np.ones(d) for d in A.shape)
    return S.right(eye), S.size(ones1, ones2), xp.vdot(y, A.normal(y))


@compiled
def _fitted(A: Measurement, N: Adjoint) -> Array:
    eye = np.eye(A.shape[1])
    return A.forward(FactorPair(N.right(eye), eye))


def _check_normal(A: Measurement, pair: FactorPair, y: np.ndarray) -> None:
    """𝒜𝒜* is the square of 𝒜*, and a matrix made to have given measurements has them."""
    data = _at(A, pair, y).forward
    S, size, square = _normal(A, y)
    N, _ = A.right_inverse(data, 1e-12 * float(np.linalg.norm(data)))
    fitted = _fitted(A, N)
    _agree("size of the adjoint", size, np.linalg.norm(S))
    _agree("normal map", square, np.linalg.norm(S) ** 2)
    _agree("right inverse", fitted, data)


@compiled
def _columns(A: Measurement, count: int) -> Array:
    """𝒜(e_p e_qᵀ), numbered row by row, a row each."""
    d1, d2 = A.shape

    def column(place: Array) -> Array:
        e, f = unit_vectors(place // d2, d1), unit_vectors(place % d2, d2)
        return A.forward(FactorPair(e[:, None], f[:, None]))

    return mapped(column, np.arange(count), like=A)


def _check_dense(A: Measurement, pair: FactorPair, y: np.ndarray) -> None:
    """Row (p, q) of M is 𝒜(e_p e_qᵀ): 𝒜(X) = Mᵀ vec X, 𝒜*(y) = M y, and M gives the Grams.

    Where M would be large, row p = 0 of Σ AᵢAᵢᵀ and of Σ AᵢᵀAᵢ is all that is looked at.
    """
    (d1, d2), m = A.shape, A.m
    grams = [] if isinstance(A, Whitened) else to_numpy(list(A.grams()))
    if m * d1 * d2 > _DENSE:
        first = to_numpy(_columns(A, d2))
        for gram in grams[:1]:
            corner = gram[0] if gram.ndim == 1 else gram[0, 0]
            _agree("Gram of rows", corner, np.sum(first**2))
        return
    M = to_numpy(_columns(A, d1 * d2)).reshape(d1, d2, m)
    L, R, out = pair.L, pair.R, _at(A, pair, y)
    _agree("dense matrix", out.forward, np.einsum("pk,pqi,qk->i", L, M, R, optimize=True))
    _agree("dense adjoint from the right", out.right, (M @ y) @ R)
    _agree("dense adjoint from the left", out.left, (M @ y).T @ L)
    expected = (np.einsum("pqi,rqi->pr", M, M), np.einsum("pqi,psi->qs", M, M))
    for side, gram, true in zip(("rows", "columns"), grams, expected, strict=False):
        _agree(f"Gram of {side}", gram if gram.ndim == 2 else np.diag(gram), true)
    written = A.written()
    if written is not None:
        _agree("written-out matrices", written, np.moveaxis(M, 2, 0))
    roots = A.gram_roots() if grams else None
    for side, W, true in zip(("rows", "columns"), roots or (), expected, strict=False):
        _agree(f"root of the Gram of {side}", W.T @ W, true)
    for gram, diagonal in zip(grams, A.gram_diagonals() if grams else (), strict=True):
        _agree("diagonal of a Gram", diagonal, gram if gram.ndim == 1 else np.diag(gram))


def _check_types(A: Measurement, pair: FactorPair, y: np.ndarray) -> None:
    """In half the bits it is the same map, and answers in them."""

    def cast(tree: Any) -> Any:
        def half(x: Any) -> Any:
            real = is_inexact(x) and not xp.iscomplexobj(x)
            return x.astype(np.float32) if real else x

        return tree_map(half, tree)

    wide, narrow = _at(A, pair, y), _at(*cast((A, pair, y)))
    for name, x, half in zip(wide._fields, wide, narrow, strict=True):
        if (x.dtype, half.dtype) != (np.float64, np.float32):
            raise AssertionError(
                f"law broken: dtype of {name}; float64 gave {x.dtype} and float32 gave "
                f"{half.dtype}, expected the type of the factors"
            )
        _agree(f"float32 of {name}", half, x, _ROUNDING32)


def _agree(law: str, left: Any, right: Any, tolerance: float = _ROUNDING) -> None:
    left, right = np.asarray(left), np.asarray(right)
    size = float(np.max(np.abs(right), initial=0.0)) + 1e-300
    error = float(np.max(np.abs(left - right), initial=0.0)) / size
    if not error <= tolerance:
        raise AssertionError(
            f"law broken: {law}; relative difference {error:.1e}, expected <= {tolerance:.0e}"
        )
