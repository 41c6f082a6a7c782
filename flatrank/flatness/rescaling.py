"""D1 and D2: the weights that turn the trace of the Hessian into a nuclear norm."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from scipy.linalg import get_lapack_funcs

from flatrank.arrays import Array, Module, reciprocal, to_numpy, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair, Weight
from flatrank.measurements import HELD, DenseMatrices, Measurement

_EPS = float(np.finfo(np.float64).eps)


class Rescaling(Module):
    """D1, D2 with D1² = (1/(m d2)) Σ AᵢAᵢᵀ and D2² = (1/(m d1)) Σ AᵢᵀAᵢ, smoothed.

    Each is held as its diagonal where it is diagonal, else as the symmetric root. Where D is
    singular no measurement sees the directions of its null space: the problem is the one
    restricted to the range, and D⁻¹ the pseudo-inverse. For Hermitian X it is the real form of the
    D of the complex matrices, whose order n is d1 = d2 here: a real problem written in complex
    numbers keeps its D.

    Parameters
    ----------
    D1, D2 : arrays of shape (d1,) or (d1, d1), and (d2,) or (d2, d2)
        Positive semidefinite; for entries 0 for a row or column that none touches.
    inverse : pair of arrays, optional
        D1⁻¹ and D2⁻¹; by default those of diagonal D1, D2.
    """

    D1: Weight
    D2: Weight
    inverse: tuple[Weight, Weight]
    """The pseudo-inverses D1⁻¹, D2⁻¹, in the form of D1, D2."""

    def __init__(self, D1: Weight, D2: Weight, inverse: tuple[Weight, Weight] | None = None):
        self.D1, self.D2 = D1, D2
        self.inverse = (reciprocal(D1), reciprocal(D2)) if inverse is None else inverse

    @classmethod
    def of(cls, measurement: Measurement, smoothing: float = 0.0) -> Rescaling:
        """D_θ² = (1−θ) D² + θ·mean(diag D²) on each side, θ = `smoothing`.

        θ = 0 is flat, θ = 1 norm-minimal (D a multiple of the identity, held as its diagonal).
        Cost: for dense Grams one eigenvalue decomposition a side, O(d³); where one is nearly
        singular, once more the work of the Grams (`Measurement.gram_roots`), and an SVD.
        """
        m = max(measurement.m, 1)
        rows, cols = measurement.grams()
        n1, n2 = measurement.orders
        roots = functools.cache(measurement.gram_roots)

        def side(square: Weight, n: int, place: int) -> tuple[Weight, Weight]:
            def root() -> np.ndarray | None:
                both = roots()
                return None if both is None else both[place] / math.sqrt(m * n)

            return _roots(square / (m * n), smoothing, root)

        one = side(rows, n2, 0)
        other = one if cols is rows and n1 == n2 else side(cols, n1, 1)
        return cls(one[0], other[0], (one[1], other[1]))

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.D1.shape[0], self.D2.shape[0]

    @property
    def unseen(self) -> tuple[int, int]:
        """How many directions of rows and of columns D leaves out: the ranks lacking in D1, D2."""
        one, other = map(_lacking, (self.D1, self.D2), self.inverse)
        return round(float(one)), round(float(other))

    def hides(self, measurement: Measurement) -> bool:
        """Whether some Aᵢ sees what D leaves out by more than rounding of its own size.

        So it is where measurements differ in size by more than D can hold. The problem on the range
        of D then says nothing of the whole one. Looked at where the Aᵢ are stored, or are no more
        than 2e7 numbers written out (host).
        """
        stored = isinstance(measurement, DenseMatrices)
        small = measurement.m * math.prod(measurement.shape) <= HELD
        if sum(self.unseen) == 0 or not (stored or small):
            return False
        A = measurement.written()
        if A is None:
            return False
        sizes = np.linalg.norm(A, axis=(1, 2))
        A = A[sizes > 0] / sizes[sizes > 0, None, None]
        sides = (self.D1, self.inverse[0], A), (self.D2, self.inverse[1], np.swapaxes(A, 1, 2))
        for D, inverse, S in sides:
            D, inverse = (np.diag(x) if x.ndim == 1 else x for x in to_numpy((D, inverse)))
            left_out = np.eye(len(D)) - inverse @ D
            if np.max(np.linalg.norm(left_out @ S, axis=(1, 2)), initial=0.0) > 1e-8:
                return True
        return False

    @property
    def rounding(self) -> float:
        """By how much, relatively, rounding may shift a value of the problem in X̃: ε κ(D1) κ(D2).

        The κ are those with the columns of D brought to one length (van der Sluis 1969), for the
        unit of a row or a column costs nothing.
        """
        return _EPS * math.prod(map(_even_kappa, (self.D1, self.D2), self.inverse))

    @property
    def extremes(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """(α1, α2), tight, with α1 I ≤ D1, D2 ≤ α2 I; α1 = 0 when one of them is singular."""
        top, bottom = (_largest(both) for both in ((self.D1, self.D2), self.inverse))
        lacking = _lacking(self.D1, self.inverse[0]) + _lacking(self.D2, self.inverse[1])
        return xp.where(lacking < 0.5, 1.0 / bottom, 0.0), top

    @property
    def kappa(self) -> Float[Array, ""]:
        """κ = α2/α1 (`extremes`); infinite when D1 or D2 is singular."""
        low, top = self.extremes
        return xp.where(low > 0, top / xp.where(low > 0, low, 1.0), np.inf)

    def apply(self, pair: FactorPair) -> FactorPair:
        """(D1 L, D2 R): the pair of D1 X D2."""
        return pair.scaled(self.D1, self.D2)

    def undo(self, pair: FactorPair) -> FactorPair:
        """(D1⁻¹ L, D2⁻¹ R)."""
        return pair.scaled(*self.inverse)


def _roots(
    square: Weight, smoothing: float, root: Callable[[], np.ndarray | None]
) -> tuple[Weight, Weight]:
    """D_θ and its pseudo-inverse from D², and from a root of D² where D² is not enough."""
    if square.ndim == 2:
        G = to_numpy(square)
        if smoothing < 1.0 and np.any(np.diag(np.diagonal(G)) != G):
            return _dense_roots(G, smoothing, root)
        square = xp.diagonal(square)
    square = (1.0 - smoothing) * square + smoothing * xp.mean(square)
    D = xp.sqrt(square)
    del square  # as long as each of the two that stay
    return D, reciprocal(D)


def _dense_roots(
    square: np.ndarray, smoothing: float, root: Callable[[], np.ndarray | None]
) -> tuple[np.ndarray, np.ndarray]:
    """The same for D² that is not diagonal (host).

    A root W, WᵀW = D², holds what squaring loses. Its columns are brought to one length by powers
    of two, which are exact, before its rank is read: singular values below 4 d ε of the largest are
    rounding of the Aᵢ, and what they belong to is left out of the problem. Where there is no W but
    from the eigenvalues of D² they are rounding below √(4 d ε).
    """
    d, ridge = square.shape[0], smoothing * float(np.mean(np.diagonal(square)))
    G = (1.0 - smoothing) * square + ridge * np.eye(d)
    w, V = np.linalg.eigh(G)
    if w[0] > 1e-6 * w[-1]:  # D² as it is: squared, they have ten digits left
        return _symmetric(np.sqrt(w), V)
    lengths = np.sqrt(np.diagonal(G))
    lengths = 2.0 ** np.round(np.log2(np.where(lengths > 0, lengths, 1.0)))
    W, floor = root(), 4 * d * _EPS
    if W is None:
        w, V = np.linalg.eigh(G / lengths / lengths[:, None])
        s, Vh = np.sqrt(np.maximum(w[::-1], 0.0)), V[:, ::-1].T
        floor = math.sqrt(floor)
    else:
        W = math.sqrt(1.0 - smoothing) * W
        W = W if ridge == 0 else np.vstack([W, math.sqrt(ridge) * np.eye(d)])
        _, s, Vh = np.linalg.svd(W / lengths, full_matrices=False)
    seen = s > floor * s[0]
    W = s[seen, None] * Vh[seen] * lengths
    # Columns of sizes further apart ask for Jacobi's method, which is accurate column by column.
    if lengths.max() <= 1e3 * lengths.min():
        _, s, Vh = np.linalg.svd(W, full_matrices=False)
        return _symmetric(s, Vh.T)
    W = np.vstack([W, np.zeros((d - len(W), d))])
    (jacobi,) = get_lapack_funcs(("gejsv",), (W,))
    s, _, V, work, _, _ = jacobi(W, joba=2, jobu=0, jobv=0, jobr=1, jobt=0, jobp=0)
    rank = int(seen.sum())
    return _symmetric(s[:rank] * (work[0] / work[1]), V[:, :rank])


def _symmetric(s: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """V diag(s) Vᵀ and its pseudo-inverse."""
    return (V * s) @ V.T, (V / s) @ V.T


def _even_kappa(D: Weight, inverse: Weight) -> float:
    """About κ(D S⁻¹), S the lengths of the columns of D: 1 where D is diagonal."""
    if D.ndim == 1:
        return 1.0
    one, other = to_numpy((D, inverse))
    lengths = np.linalg.norm(one, axis=0)
    seen = lengths > 0
    even = one[:, seen] / lengths[seen], lengths[seen, None] * other[seen]
    return max(1.0, float(np.linalg.norm(even[0]) * np.linalg.norm(even[1]) / seen.sum()))


def _lacking(D: Weight, inverse: Weight) -> Float[Array, ""]:
    """The dimension less the rank: less the trace of the projector D⁻¹ D, to rounding."""
    return D.shape[0] - xp.sum(D * inverse)


def _largest(both: tuple[Weight, Weight]) -> Float[Array, ""]:
    """The largest eigenvalue of two matrices."""
    return xp.max(xp.stack([xp.max(D if D.ndim == 1 else xp.linalg.eigvalsh(D)) for D in both]))
