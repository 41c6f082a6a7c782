"""One sweep of the Gibbs sampler, in units in which the data have mean 0 and variance 1.

    b_p = <l_i, r_j> + ε_p/√τ_p,   τ_p = α γ_i δ_j,   l_i ~ N(μ_L, Λ_L⁻¹),   r_j ~ N(μ_R, Λ_R⁻¹)

The means carry the effects of rows and columns: <l_i, μ_R> differs from row to row, <μ_L, r_j> from
column to column. With `Noise.COMMON` all γ and δ are 1. With features of rows or columns the means
are regressions on them (`regression.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.random import Generator, Philox, SeedSequence

import flatrank.kernels as kernels
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.gibbs.priors import Common, draw_common, draw_precisions, draw_shape
from flatrank.gibbs.regression import Features, Regression, centred
from flatrank.kernels import Compressed
from flatrank.measurements import SampledEntries

#: Numbers of the Gram matrices that are held at once.
GRAMS = 1 << 19
#: Size of what is added to the factors a chain starts from; of products about its square.
SMALL = 0.1
#: Entries of mean 0 that shrink the effects a chain starts from.
RIDGE = 5.0
#: Shape of the Gamma laws of γ and δ at the start.
SHAPE = 10.0
#: Precision α up to which rows are drawn in single precision. Data have variance 1: normal
#: equations of noisier data are so well conditioned that it is far finer than one draw to the next.
NOISY = 100.0


class Noise(Enum):
    """What is assumed of the noise."""

    COMMON = "common"  # one precision
    BY_LINE = "rows and columns"  # a precision of each row and of each column, multiplied


@dataclass(frozen=True)
class State:
    """Where a chain stands.

    Parameters
    ----------
    L, R
        Factors, shapes (d1, k) and (d2, k).
    alpha
        Precision α that all entries share.
    row_noise, col_noise
        γ (d1,) and δ (d2,).
    row_shape, col_shape
        Shapes of the Gamma laws of γ and δ: the larger, the more alike they are.
    rows, cols
        Laws of the rows of L and of R.
    """

    L: Float[np.ndarray, "d1 k"]
    R: Float[np.ndarray, "d2 k"]
    alpha: float
    row_noise: Float[np.ndarray, " d1"]
    col_noise: Float[np.ndarray, " d2"]
    row_shape: float
    col_shape: float
    rows: Common
    cols: Common

    @property
    def width(self) -> int:
        """k."""
        return self.L.shape[1]


def row_blocks(C: Compressed, k: int, grams: int = GRAMS) -> list[tuple[slice, slice, Compressed]]:
    """Rows, entries and pattern of blocks of rows whose Gram matrices are so many numbers."""
    size, indptr, blocks = max(1, grams // k**2), np.asarray(C.indptr), []
    for first in range(0, C.n, size):
        ends = indptr[first : min(first + size, C.n) + 1]
        part = slice(int(ends[0]), int(ends[-1]))
        block = Compressed(ends - ends[0], C.indices[part], C.width)
        blocks.append((slice(first, first + ends.size - 1), part, block))
    return blocks


class Side:
    """The entries of one orientation, in blocks of rows whose Gram matrices fit into a cache."""

    def __init__(
        self,
        C: Compressed,
        b: Float[np.ndarray, " m"],
        F: Float[np.ndarray, "n p"] | None = None,
    ):
        self.C, self.b = C, np.ascontiguousarray(b, np.float64)
        self.data = {np.float64: self.b, np.float32: self.b.astype(np.float32)}
        self.counts = np.diff(np.asarray(C.indptr)).astype(np.float64)
        self.regression = None if F is None else Regression(F, self.counts > 0)
        self.grams = GRAMS
        self._blocks: dict[int, list[tuple[slice, slice, Compressed]]] = {}

    def blocks(self, k: int) -> list[tuple[slice, slice, Compressed]]:
        """Rows, entries and pattern of each block."""
        if k not in self._blocks:
            self._blocks[k] = row_blocks(self.C, k, self.grams)
        return self._blocks[k]

    def draw(
        self,
        X: Float[np.ndarray, "n k"],
        Y: Float[np.ndarray, "width k"],
        row_precision: Float[np.ndarray, " n"],
        col_noise: Float[np.ndarray, " width"] | None,
        rng: Generator,
        dtype: type = np.float64,
    ) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, " n"], Common]:
        """All rows of a factor, given the other; their sums of squares, weighted by `col_noise`."""
        if self.regression is None:
            common, M = draw_common(X, rng), None
        else:
            common, M = self.regression.draw(X, rng)
        s = np.ones(Y.shape[0]) if col_noise is None else np.sqrt(col_noise)
        b, squares = kernels.scaled_data(self.C, self.data[dtype], s)
        scaled = np.asarray(Y * s[:, None], dtype)
        Z, c = rng.standard_normal(X.shape, dtype), common.Lam @ common.mu
        drawn, sums = np.empty_like(Z), np.empty(X.shape[0])
        for rows, part, block in self.blocks(X.shape[1]):
            G, h = kernels.row_grams(block, scaled, b[part])
            if M is not None:  # what is drawn is x − m, given the residuals of m
                h, squares[rows] = centred(G, h, squares[rows], M[rows].astype(dtype))
            drawn[rows], misfit = kernels.gaussian_rows(
                G, h, row_precision[rows], common.Lam, c, Z[rows]
            )
            sums[rows] = np.maximum(squares[rows] + misfit, 0.0)
        if M is not None:
            drawn += M.astype(dtype)
        if dtype is np.float32 and not np.all(np.isfinite(sums)):
            return self.draw(X, Y, row_precision, col_noise, rng)
        return drawn, sums, common


class Sampler:
    """The conditionals of everything, for one set of entries, and features of both sides or none.

    The shapes of features are (d1, p) and (d2, q).
    """

    def __init__(
        self,
        A: SampledEntries,
        b: Float[np.ndarray, " m"],
        law: Noise,
        features: Features = (None, None),
    ):
        b = np.asarray(b, np.float64)
        self.by_row = Side(A.by_row, b, features[0])
        self.by_col = Side(A.by_col, b[np.asarray(A.order)], features[1])
        self.m, self.law = A.m, law

    def near(self, start: State | FactorPair | None, k: int, rng: Generator) -> State:
        """A first state of width k: a little off a state, or off factors, or off the effects.

        Columns that `start` has not are small; of more than k those of least size are left out.
        The noise of factors comes from their residual.
        """
        d1, d2 = self.by_row.C.n, self.by_col.C.n
        L, R = (SMALL * rng.standard_normal((d, k)) for d in (d1, d2))
        start = self.effects() if start is None else start
        size = np.sum(start.L**2, axis=0) * np.sum(start.R**2, axis=0)
        had = np.sort(np.argsort(-size, kind="stable")[:k])
        L[:, : had.size] += start.L[:, had]
        R[:, : had.size] += start.R[:, had]
        if isinstance(start, State):
            return replace(start, L=L, R=R)
        fit = kernels.sampled_product(self.by_row.C, L, R)
        alpha = (1 + self.m / 2) / (1 + float(np.sum((fit - self.by_row.b) ** 2)) / 2)
        common = Common(np.zeros(k), np.eye(k))
        return State(L, R, alpha, np.ones(d1), np.ones(d2), SHAPE, SHAPE, common, common)

    def effects(self) -> FactorPair:
        """The pair of u 1ᵀ + 1 vᵀ, effects of rows and columns, each shrunk by RIDGE entries."""
        u, v = np.zeros(self.by_row.C.n), np.zeros(self.by_col.C.n)
        for _ in range(2):
            for side, own, other in ((self.by_row, u, v), (self.by_col, v, u)):
                rest = side.b - other[side.C.indices]
                sums = kernels.sparse_tall(side.C, rest, np.ones((other.size, 1)))[:, 0]
                own[:] = sums / (side.counts + RIDGE)
        return FactorPair(
            np.column_stack([u, np.ones_like(u)]), np.column_stack([np.ones_like(v), v])
        )

    def noise(self, state: State) -> float:
        """Standard deviation of the noise where rows and columns are as noisy as on average."""
        by_row = np.dot(self.by_row.counts, 1 / state.row_noise) / self.m
        by_col = np.dot(self.by_col.counts, 1 / state.col_noise) / self.m
        return float(np.sqrt(by_row * by_col / state.alpha))

    def sweep(self, state: State, rng: Generator) -> State:
        """Everything once: L and γ, R and δ, then α and the shapes."""
        apart = self.law is Noise.BY_LINE
        gamma, delta, alpha = state.row_noise, state.col_noise, state.alpha
        dtype = enough_for(alpha)
        L, sums, rows = self.by_row.draw(
            state.L, state.R, alpha * gamma, delta if apart else None, rng, dtype
        )
        row_shape, col_shape = state.row_shape, state.col_shape
        if apart:
            gamma = draw_precisions(self.by_row.counts, alpha * sums, row_shape, rng)
            row_shape = draw_shape(gamma, rng)
        R, sums, cols = self.by_col.draw(
            state.R, L, alpha * delta, gamma if apart else None, rng, dtype
        )
        if apart:
            delta = draw_precisions(self.by_col.counts, alpha * sums, col_shape, rng)
            col_shape = draw_shape(delta, rng)
        alpha = float(rng.standard_gamma(1 + self.m / 2) / (1 + np.sum(delta * sums) / 2))
        return State(L, R, alpha, gamma, delta, row_shape, col_shape, rows, cols)


def enough_for(alpha: float) -> type:
    """The precision in which rows are drawn at a precision α of the data."""
    return np.float32 if alpha <= NOISY else np.float64


def generator(seed: int, *stream: int) -> Generator:
    """Random numbers counted, not chained: one stream for each chain, whoever runs it."""
    return Generator(Philox(SeedSequence([seed, *stream])))
