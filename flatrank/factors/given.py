"""Factors as people give them, made into the pair that the library computes with."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import Array, is_array
from flatrank.arrays.shapes import Inexact
from flatrank.factors.cone import Cone
from flatrank.factors.pair import ComplexPair, FactorPair


@runtime_checkable
class Factored(Protocol):
    """What has factors, such as a solution."""

    @property
    def factors(self) -> FactorPair:
        """L and R."""
        ...


Factors = FactorPair | Factored | tuple[ArrayLike, ArrayLike] | ArrayLike
"""L and R of X = L Rᵀ: a pair, what has one, or two arrays; of X = U U* also U alone."""


def given_pair(
    factors: Factors, shape: tuple[int, int] | None = None, cone: Cone = Cone.WHOLE
) -> FactorPair:
    """The pair of X given by the user, in double precision.

    Parameters
    ----------
    factors : FactorPair, Solution, (L, R) or U
        (d1, k) and (d2, k), in any array type. Where X is a Hermitian n × n matrix also complex
        (n, k) ones with X = L R*. Where X is positive semidefinite also U alone, k ≠ n.
    shape : (int, int), optional
        (d1, d2), where it is known.
    cone : Cone
        What X may be; of a Hermitian one the real over the imaginary parts are returned.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or complex where X is real.
    """
    given = _unwrapped(factors)
    hermitian = cone is Cone.HERMITIAN
    if isinstance(given, ComplexPair) and not hermitian:
        raise ValueError(
            "these factors hold the real over the imaginary parts of complex ones, X = L R*; "
            "expected factors of a real X"
        )
    L, R = (_real(x, shape, hermitian) for x in _both(given, shape, cone))
    _check(L, R, shape, hermitian)
    return FactorPair(L, R)


def given_cone(factors: Factors) -> Cone:
    """What X is said to be by the type of its factors: Hermitian where they are complex."""
    given = _unwrapped(factors)
    marked = isinstance(given, ComplexPair)
    complex_ones = any(np.iscomplexobj(x) for x in _both(given, None, Cone.WHOLE))
    return Cone.HERMITIAN if marked or complex_ones else Cone.WHOLE


def given_form(factors: Factors, shape: tuple[int, int], cone: Cone) -> FactorPair:
    """`given_pair` in the form of the cone: L = U E, R = U for all but `WHOLE`.

    Raises
    ------
    ValueError
        As in `given_pair`, and if L is not R with some columns turned round, E = diag(±1); E = I
        where X is positive semidefinite.
    """
    pair = given_pair(factors, shape, cone)
    if cone is Cone.WHOLE:
        return pair
    L, R = pair.L, pair.R
    if L.shape != R.shape:
        raise ValueError(f"{cone.value} is square; got factors of {L.shape} and {R.shape}")
    signs = np.ones(pair.rank) if cone.positive else np.sign(np.sum(L * R, axis=0))
    off = np.hypot(np.linalg.norm(L - R * signs[None, :]), np.linalg.norm(R - L * signs[None, :]))
    size = np.hypot(np.linalg.norm(L), np.linalg.norm(R))
    if off > 1e-8 * size:
        form, give = ("L = U E and R = U, E = diag(±1)", "(U * sign(w), U)")
        if cone.positive:
            form, give = "L = R = U", "(U, U)"
        raise ValueError(
            f"factors of {cone.value} must be {form}; these are {off / size:.1e} of their size "
            f"away from that. From w, Q = numpy.linalg.eigh(X) make U = Q * abs(w)**0.5 and give "
            f"{give}"
        )
    return pair


def given_complex(factors: Factors) -> tuple[Inexact[Array, "n1 k"], Inexact[Array, "n2 k"]]:
    """L and R with X = L R*, complex where X is, checked as by `given_pair`."""
    given = _unwrapped(factors)
    L, R = (_numbers(x) for x in _both(given, None, Cone.WHOLE))
    _check(L, R, None, False)
    wide = np.result_type(L, R, np.float64)
    L, R = L.astype(wide), R.astype(wide)
    if isinstance(given, ComplexPair):
        L, R = Cone.HERMITIAN.lift(L), Cone.HERMITIAN.lift(R)
    return L, R


def _unwrapped(factors: Any) -> Any:
    return factors.factors if isinstance(factors, Factored) else factors


def _both(given: Any, shape: tuple[int, int] | None, cone: Cone) -> tuple[Any, Any]:
    """Left and right factor, whatever way they are given."""
    if isinstance(given, FactorPair):
        return given.L, given.R
    if isinstance(given, (tuple, list)) and len(given) == 2:
        return given[0], given[1]
    got = np.shape(given) if is_array(given) else None
    if cone.positive and shape is not None and got is not None:
        n = cone.size(shape[1])
        if len(got) == 2 and got[1] != n:
            return given, given
    said = type(given).__name__ if got is None else f"one array of shape {got}"
    raise ValueError(
        f"factors must be a FactorPair or (L, R) with X = L R^T; got {said}. Of a matrix X "
        "they are U * s and V from U, s, Vt = numpy.linalg.svd(X, full_matrices=False), V = Vt.T; "
        "of X = U U* they are (U, U)"
    )


def _numbers(given: Any) -> np.ndarray:
    x = np.asarray(given)
    if x.dtype.kind not in "fiubc":
        raise ValueError(f"factors must be arrays of numbers; got {x.dtype}")
    return x


def _real(given: Any, shape: tuple[int, int] | None, hermitian: bool) -> np.ndarray:
    """In double precision; complex rows, where X is complex, as the real over the imaginary."""
    x = _numbers(given)
    if hermitian and shape is not None and x.ndim == 2 and x.shape[0] == shape[0] // 2:
        return np.concatenate([np.real(x), np.imag(x)]).astype(np.float64)
    if x.dtype.kind == "c":
        lowered = "has real factors, the real over the imaginary parts, or complex ones of n rows"
        holds = lowered if hermitian else "is real and has real factors"
        raise ValueError(
            f"X {holds}; got {x.dtype} of shape {x.shape}. Give x.real where the imaginary part "
            "is rounding"
        )
    return x.astype(np.float64, copy=False)


def _check(L: np.ndarray, R: np.ndarray, shape: tuple[int, int] | None, hermitian: bool) -> None:
    """Refuse what is no pair of this shape, or not finite."""
    fits = L.ndim == R.ndim == 2 and L.shape[1] == R.shape[1]
    if not fits or (shape is not None and (L.shape[0], R.shape[0]) != shape):
        d1, d2 = ("d1", "d2") if shape is None else shape
        also = f", or complex ones of {int(d1) // 2} rows," if hermitian and shape else ""
        raise ValueError(
            f"factors must be L ({d1}, k) and R ({d2}, k){also}; got {L.shape} and {R.shape}"
        )
    if not (np.all(np.isfinite(L)) and np.all(np.isfinite(R))):
        raise ValueError("factors hold NaN or infinite numbers; expected finite ones")
