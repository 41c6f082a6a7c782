"""The law every measurement obeys, as a function users can call on their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from flatrank.arrays import Array, is_inexact, mapped, scope, to_numpy, tree_map, unit_vectors, xp
from flatrank.factors import FactorPair, real_form
from flatrank.measurements.base import CoupledCurvature, Measurement
from flatrank.measurements.compose import Whitened


def check_measurement(measurement: Measurement, *, rank: int = 3, seed: int = 0) -> None:
    """Check that all parts of a measurement belong together.

    On random pairs: ⟨𝒜(L Rᵀ), y⟩ = ⟨L, 𝒜*(y) R⟩ = ⟨R, 𝒜*(y)ᵀ L⟩; 𝒜 and 𝒜* are linear; tangent and
    curvature are the derivatives of ½‖𝒜(L Rᵀ) − b‖²; 𝒜𝒜* and its inverse are what they say; 𝒜, 𝒜*
    and both Grams agree with the dense matrix of 𝒜 (where m d1 d2 is above 10⁶, one entry of one
    Gram); float32 changes nothing.

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
    pair, step = (
        FactorPair(*(rng.standard_normal((d, rank)) for d in measurement.shape)) for _ in range(2)
    )
    y, b = rng.standard_normal((2, measurement.m))
    with scope():
        _check_products(measurement, pair, step, y, b)
        _check_derivatives(measurement, pair, step, b)
        _check_normal(measurement, pair, y)
        _check_dense(measurement, pair, y)
        _check_types(measurement, pair, y)


def _at(A: Measurement, pair: FactorPair, y: Array) -> tuple[np.ndarray, ...]:
    """𝒜(L Rᵀ), 𝒜*(y) R and 𝒜*(y)ᵀ L."""
    S = A.adjoint(y)
    return to_numpy((A.forward(pair), S.right(pair.R), S.left(pair.L)))


def _check_products(
    A: Measurement, pair: FactorPair, step: FactorPair, y: np.ndarray, b: np.ndarray
) -> None:
    """Adjointness and linearity."""
    forward, right, left = _at(A, pair, y)
    if forward.shape != (A.m,):
        raise AssertionError(
            f"law broken: length; forward returns {forward.shape}, expected (m,) = {(A.m,)}"
        )
    _agree("adjoint from the right", forward @ y, np.vdot(pair.L, right))
    _agree("adjoint from the left", forward @ y, np.vdot(pair.R, left))
    moved = _at(A, FactorPair(pair.L - 2.0 * step.L, pair.R), y - 2.0 * b)
    other = _at(A, FactorPair(step.L, pair.R), b)
    _agree("linearity", moved[0], forward - 2.0 * other[0])
    _agree("linearity of the adjoint", moved[1], right - 2.0 * other[1])


def _check_derivatives(A: Measurement, pair: FactorPair, step: FactorPair, b: np.ndarray) -> None:
    """Tangent and curvature from forward and adjoint alone."""
    c = _at(A, pair, b)[0] - b
    one, other = FactorPair(pair.L, step.R), FactorPair(step.L, pair.R)
    t = _at(A, one, b)[0] + _at(A, other, b)[0]
    (_, T_right, T_left), (_, S_right, S_left) = _at(A, pair, t), _at(A, step, c)
    H = A.curvature_at(pair, A.adjoint(c))
    found = {"Gauss-Newton part": A.curvature_at(pair)(step), "curvature": H(step)}
    if isinstance(H, CoupledCurvature):
        P, Q = (
            np.einsum("iab,ib->ia", X, Z)
            for X, Z in zip(to_numpy(H.blocks()), (step.L, step.R), strict=True)
        )
        parts = FactorPair(P + H.right_to_left(step.R), Q + H.left_to_right(step.L))
        found["curvature from its parts"] = parts
    _agree("tangent", A.tangent(pair, step), t)
    for law, out in found.items():
        share = 0.0 if law == "Gauss-Newton part" else 1.0
        _agree(f"{law} in L", out.L, T_right + share * S_right)
        _agree(f"{law} in R", out.R, T_left + share * S_left)


def _check_normal(A: Measurement, pair: FactorPair, y: np.ndarray) -> None:
    """𝒜𝒜* is the square of 𝒜*, and a matrix made to have given measurements has them."""
    data, S, eye = _at(A, pair, y)[0], A.adjoint(y), np.eye(A.shape[1])
    size = np.linalg.norm(to_numpy(S.right(eye)))
    _agree("adjoint as an array", S.formed().right(eye), S.right(eye))
    array = A.matrix(y)
    if array is not None:
        array = real_form(array) if np.iscomplexobj(array) else array
        _agree("adjoint as a matrix", array, S.right(eye))
    _agree("size of the adjoint", S.size(*(np.ones(d) for d in A.shape)), size)
    _agree("normal map", y @ to_numpy(A.normal(y)), size**2)
    w, _ = A.right_inverse(data, 1e-12 * float(np.linalg.norm(data)))
    _agree("right inverse", A.forward(FactorPair(A.adjoint(w).right(eye), eye)), data)


def _columns(A: Measurement, count: int) -> np.ndarray:
    """𝒜(e_p e_qᵀ), numbered row by row, a row each."""
    d1, d2 = A.shape

    def column(place: Array) -> Array:
        e, f = unit_vectors(place // d2, d1), unit_vectors(place % d2, d2)
        return A.forward(FactorPair(e[:, None], f[:, None]))

    return to_numpy(mapped(column, np.arange(count), like=A))


def _check_dense(A: Measurement, pair: FactorPair, y: np.ndarray) -> None:
    """Row (p, q) of M is 𝒜(e_p e_qᵀ): 𝒜(X) = Mᵀ vec X, 𝒜*(y) = M y, and M gives the Grams.

    Where M would be large, row p = 0 of Σ AᵢAᵢᵀ and of Σ AᵢᵀAᵢ is all that is looked at.
    """
    (d1, d2), m = A.shape, A.m
    grams = [] if isinstance(A, Whitened) else to_numpy(list(A.grams()))
    if m * d1 * d2 > 1_000_000:
        for gram in grams[:1]:
            _agree("Gram of rows", gram.flat[0], np.sum(_columns(A, d2) ** 2))
        return
    M = _columns(A, d1 * d2).reshape(d1, d2, m)
    forward, right, left = _at(A, pair, y)
    X = np.einsum("pk,pqi,qk->i", pair.L, M, pair.R, optimize=True)
    _agree("dense matrix", forward, X)
    _agree("dense adjoint from the right", right, (M @ y) @ pair.R)
    _agree("dense adjoint from the left", left, (M @ y).T @ pair.L)
    written = A.written()
    if written is not None:
        _agree("written-out matrices", written, np.moveaxis(M, 2, 0))
    if not grams:
        return
    expected = (np.einsum("pqi,rqi->pr", M, M), np.einsum("pqi,psi->qs", M, M))
    roots = A.gram_roots() or (None, None)
    for side, gram, diagonal, W, true in zip(
        ("rows", "columns"), grams, A.gram_diagonals(), roots, expected, strict=True
    ):
        _agree(f"Gram of {side}", gram if gram.ndim == 2 else np.diag(gram), true)
        _agree("diagonal of a Gram", diagonal, np.diag(true))
        if W is not None:
            _agree(f"root of the Gram of {side}", W.T @ W, true)


def _check_types(A: Measurement, pair: FactorPair, y: np.ndarray) -> None:
    """In half the bits it is the same map, and answers in them."""

    def half(x: Any) -> Any:
        real = is_inexact(x) and not xp.iscomplexobj(x)
        return x.astype(np.float32) if real else x

    found = zip(
        ("forward", "right", "left"),
        _at(A, pair, y),
        _at(*tree_map(half, (A, pair, y))),
        strict=True,
    )
    for name, wide, narrow in found:
        if (wide.dtype, narrow.dtype) != (np.float64, np.float32):
            raise AssertionError(
                f"law broken: dtype of {name}; float64 gave {wide.dtype} and float32 gave "
                f"{narrow.dtype}, expected the type of the factors"
            )
        _agree(f"float32 of {name}", narrow, wide, 1e-3)


def _agree(law: str, left: Any, right: Any, tolerance: float = 1e-9) -> None:
    """By default to rounding in 64 bits."""
    left, right = np.asarray(left), np.asarray(right)
    size = float(np.max(np.abs(right), initial=0.0)) + 1e-300
    error = float(np.max(np.abs(left - right), initial=0.0)) / size
    if not error <= tolerance:
        raise AssertionError(
            f"law broken: {law}; relative difference {error:.1e}, expected <= {tolerance:.0e}"
        )
