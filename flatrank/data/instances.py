"""Test instances with a known answer: a low-rank matrix, seen at random places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatrank.data.entries import InputError

Spectrum = Literal["gaussian", "log", "linear"]


@dataclass(frozen=True)
class Instance:
    """Entries of M = U Vᵀ at random places, together with M itself as factors."""

    #: (m,) positions, in row-major order, no position twice.
    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    #: (m,), M at these positions plus noise.
    values: NDArray[np.float64]
    #: (n1, n2); the factors are (n1, r) and (n2, r).
    shape: tuple[int, int]
    U: NDArray[np.float64]
    V: NDArray[np.float64]

    @property
    def m(self) -> int:
        """Number of observed entries."""
        return int(self.values.size)

    @property
    def oversampling(self) -> float:
        """ρ = m / (r (n1 + n2 - r)); nothing can recover M below 1."""
        r = self.U.shape[1]
        return self.m / (r * (sum(self.shape) - r))

    @property
    def fewest_per_line(self) -> int:
        """The smallest number of entries that any row or column has."""
        return _fewest(self.rows, self.cols, self.shape)

    def truth(self, rows: ArrayLike, cols: ArrayLike) -> NDArray[np.float64]:
        """Entries of M = U Vᵀ at the positions asked for; O(r) flops each, O(r) chunked memory."""
        return _sampled(self.U, self.V, np.asarray(rows), np.asarray(cols))

    def relative_error(self, L: ArrayLike, R: ArrayLike) -> float:
        """‖L Rᵀ - U Vᵀ‖_F / ‖U Vᵀ‖_F over the whole matrix, exact to rounding.

        With [L, U] = Q₁ T₁ and [R, V] = Q₂ T₂ the difference is Q₁ (T₁ J T₂ᵀ) Q₂ᵀ, J = diag(I,
        -I), so its norm is that of a small core. Expanding ‖·‖² into Grams instead would lose
        everything below 1e-8.

        For L and R of shapes (n1, k) and (n2, k), k ≥ 0; about 1e-15 when L Rᵀ = M.
        O((n1 + n2)(k + r)²) flops, O((n1 + n2)(k + r)) memory.

        Raises
        ------
        InputError
            If L or R does not fit the instance.
        """
        left, right = _tall(L, "L", self.shape[0]), _tall(R, "R", self.shape[1])
        k = left.shape[1]
        if right.shape[1] != k:
            raise InputError(
                f"L and R must have the same number of columns, got {k} and {right.shape[1]}."
            )
        T1: Any = np.linalg.qr(np.hstack([left, self.U]), mode="r")
        T2: Any = np.linalg.qr(np.hstack([right, self.V]), mode="r")
        truth = T1[:, k:] @ T2[:, k:].T
        difference = T1[:, :k] @ T2[:, :k].T - truth
        return float(np.linalg.norm(difference) / np.linalg.norm(truth))


def random_instance(  # noqa: PLR0913 - the recipes have that many knobs
    n1: int,
    n2: int,
    r: int,
    *,
    oversampling: float | None = None,
    m: int | None = None,
    seed: int,
    kappa: float | None = None,
    spectrum: Spectrum = "gaussian",
    noise: float = 0.0,
    min_per_line: int = 0,
    max_tries: int = 1000,
) -> Instance:
    """Draw a rank-r matrix and m of its entries, uniformly without repetition.

    Parameters
    ----------
    n1, n2, r
        Size and rank, 1 ≤ r ≤ min(n1, n2).
    oversampling, m
        Exactly one: m entries, or m = ⌊oversampling · r (n1 + n2 - r)⌋.
    seed
        Seed of the NumPy generator; the same seed gives the same instance.
    kappa
        Condition number of M, ≥ 1, for the last two spectra; given with the default one it means
        `"log"`.
    spectrum
        `"gaussian"`: U, V standard normal. `"log"`, `"linear"`: orthonormal bases of Gaussian
        matrices times singular values spaced logarithmically or linearly from `kappa` down to 1,
        the square root on either side.
    noise
        Standard deviation of independent Gaussian noise on the values, in their units.
    min_per_line
        Redraw the positions until every row and column has this many.
    max_tries
        Draws after which the one with the best-filled poorest row or column is used;
        `Instance.fewest_per_line` tells.

    Raises
    ------
    InputError
        If the sizes, the number of entries or the spectrum make no sense.

    Notes
    -----
    O(m log m) time, O(m + (n1 + n2) r) memory: positions are drawn as 64-bit linear
    indices, repeats are found by sorting and replaced by further draws.
    """
    if min(n1, n2) < 1 or max(n1, n2) >= 2**31:
        raise InputError(f"n1 and n2 must be between 1 and 2**31 - 1, got {n1} and {n2}.")
    if not 1 <= r <= min(n1, n2):
        raise InputError(f"r must be between 1 and min(n1, n2) = {min(n1, n2)}, got {r}.")
    count = _count(n1, n2, r, oversampling, m)
    if count < min_per_line * max(n1, n2):
        raise InputError(
            f"{count} entries cannot give each of {max(n1, n2)} rows or columns {min_per_line}; "
            "raise m or oversampling, or lower min_per_line."
        )
    if not 0.0 <= noise < np.inf:
        raise InputError(f"noise must be a finite standard deviation >= 0, got {noise}.")
    rng = np.random.default_rng(seed)
    U, V = _factors(rng, (n1, n2), r, kappa, spectrum)
    rows, cols = _positions(rng, (n1, n2), count, (min_per_line, max_tries))
    values = _sampled(U, V, rows, cols)
    if noise:
        values += noise * rng.standard_normal(count)
    return Instance(rows, cols, values, (n1, n2), U, V)


def _count(n1: int, n2: int, r: int, oversampling: float | None, m: int | None) -> int:
    if (oversampling is None) == (m is None):
        raise InputError("Give exactly one of oversampling and m.")
    count = m if m is not None else int(np.floor((oversampling or 0.0) * r * (n1 + n2 - r)))
    if not 1 <= count <= n1 * n2:
        raise InputError(
            f"The number of entries must be between 1 and n1 * n2 = {n1 * n2}, got {count}."
        )
    return count


def _factors(
    rng: np.random.Generator,
    shape: tuple[int, int],
    r: int,
    kappa: float | None,
    spectrum: Spectrum,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    U, V = rng.standard_normal((shape[0], r)), rng.standard_normal((shape[1], r))
    if spectrum == "gaussian" and kappa is None:
        return U, V
    if spectrum not in ("gaussian", "log", "linear"):
        raise InputError(f'spectrum must be "gaussian", "log" or "linear", got {spectrum!r}.')
    if kappa is None or not 1.0 <= kappa < np.inf:
        raise InputError(f"spectrum {spectrum!r} needs a finite kappa >= 1, got {kappa}.")
    spacing = np.linspace if spectrum == "linear" else np.geomspace
    root = np.sqrt(spacing(kappa, 1.0, r))
    return np.linalg.qr(U)[0] * root, np.linalg.qr(V)[0] * root


def _positions(
    rng: np.random.Generator, shape: tuple[int, int], m: int, wanted: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The first mask with enough entries in every row and column, or the best of so many tries."""
    (least, tries), most = wanted, -1
    best = np.empty(0, np.int32), np.empty(0, np.int32)
    while most < least and tries > 0:
        linear = _distinct(rng, shape[0] * shape[1], m)
        rows, cols = (x.astype(np.int32) for x in np.divmod(linear, shape[1]))
        fewest, tries = _fewest(rows, cols, shape) if least > 0 else 0, tries - 1
        if fewest > most:
            best, most = (rows, cols), fewest
    return best


def _distinct(rng: np.random.Generator, population: int, m: int) -> NDArray[np.int64]:
    """A uniformly random m-subset of range(population), sorted; O(m log m) time, O(m) memory."""
    if 2 * m > population:  # the complement is smaller, and an array over the population is O(m)
        taken = np.ones(population, dtype=bool)
        taken[_distinct(rng, population, population - m)] = False
        return np.flatnonzero(taken)
    chosen = np.empty(0, dtype=np.int64)
    while chosen.size < m:
        # A fresh draw is new with probability 1 - chosen/population: ask for a little more.
        missing = (m - chosen.size) * population / (population - chosen.size)
        repeats = missing * missing / (2.0 * population)
        fresh = rng.integers(population, size=int(missing + 1.05 * repeats) + 16, dtype=np.int64)
        chosen = np.concatenate([chosen, fresh])
        del fresh
        chosen.sort()
        chosen = chosen[np.append(True, chosen[1:] != chosen[:-1])]
    if chosen.size > m:
        # Given its size the set is uniform, so dropping a uniform subset of it leaves it uniform.
        chosen = np.delete(chosen, rng.choice(chosen.size, chosen.size - m, replace=False))
    return chosen


def _sampled(
    U: NDArray[np.float64], V: NDArray[np.float64], rows: NDArray[Any], cols: NDArray[Any]
) -> NDArray[np.float64]:
    values, chunk = np.empty(rows.size), 1 << 20
    for start in range(0, rows.size, chunk):
        part = slice(start, start + chunk)
        values[part] = np.einsum("ij,ij->i", U[rows[part]], V[cols[part]])
    return values


def _fewest(rows: NDArray[np.int32], cols: NDArray[np.int32], shape: tuple[int, int]) -> int:
    row_counts = np.bincount(rows, minlength=shape[0])
    col_counts = np.bincount(cols, minlength=shape[1])
    return int(min(row_counts.min(), col_counts.min()))


def _tall(factor: ArrayLike, name: str, rows: int) -> NDArray[np.float64]:
    array = np.asarray(factor, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != rows:
        raise InputError(f"{name} must have shape ({rows}, k), got {array.shape}.")
    return array
