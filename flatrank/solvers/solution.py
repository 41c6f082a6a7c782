"""What a solve returns, and its form on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import Array
from flatrank.arrays.shapes import Float, Inexact
from flatrank.certificates import Certificate
from flatrank.factors import ComplexPair, Cone, FactorPair, compact_svd
from flatrank.flatness import Flatness
from flatrank.measurements import SampledEntries
from flatrank.problems import Problem, Separation, Tomography, checked_pairs, flatness_of
from flatrank.solvers.status import Status
from flatrank.solvers.writing import write_arrays, write_json


@dataclass(frozen=True)
class Counts:
    """Products with 𝒜, with 𝒜* from both sides, and steps of the solver."""

    forward: int = 0
    adjoint: int = 0
    steps: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Componentwise."""
        return Counts(
            self.forward + other.forward, self.adjoint + other.adjoint, self.steps + other.steps
        )


@dataclass(frozen=True, eq=False)
class Solution:
    """One type for every solver, every estimator and the file on disk.

    Parameters
    ----------
    factors : FactorPair
        L (d1, k) and R (d2, k), D-balanced, of X = L Rᵀ. k is the rank found. Of a Hermitian n × n
        X both are U of X = U U*, 2n real rows for n complex ones (a `ComplexPair`).
    y : array of shape (m,)
        The feasible dual point behind the certificate, in the order of the measurement.
    certificate : Certificate or None
    status : Status
    counts : Counts
    history : list of dict
        One record a step: numbers for people and plots.
    seconds : float
        Wall time of the solve.
    problem : Problem
        What was asked.
    seed : int
        Of every random choice.
    extra : dict of str to array
        Unknowns other than X, by name: `sparse` (d1, d2) for robust PCA.
    """

    factors: FactorPair
    y: Float[Array, " m"]
    certificate: Certificate | None
    status: Status
    counts: Counts
    history: list[dict[str, Any]]
    seconds: float
    problem: Problem
    seed: int = 0
    extra: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Mark what stands for complex numbers."""
        if self.problem.cone is Cone.HERMITIAN:
            marked = ComplexPair(self.factors.L, self.factors.R)
            object.__setattr__(self, "factors", marked)

    @cached_property
    def flatness(self) -> Flatness:
        """How flat, how balanced and how large the factors are; measured when first asked for."""
        return flatness_of(self.problem, self.factors)

    @property
    def rank(self) -> int:
        """Number of columns of the factors: the rank of X."""
        return self.factors.rank

    @property
    def U(self) -> Inexact[Array, "n k"]:
        """U of a symmetric X = U E U*, E = diag(±1): (d, k), complex for Hermitian problems.

        Raises
        ------
        ValueError
            If X need not be symmetric.
        """
        if self.problem.cone is Cone.WHOLE:
            raise ValueError("X need not be symmetric and has no factor U; use factors.L and .R")
        return self.problem.cone.lift(self.factors.R)

    @property
    def order(self) -> tuple[int, int]:
        """The shape of X: n × n where it is Hermitian, and the factors have 2n real rows."""
        d1, d2 = (self.problem.cone.size(d) for d in self.problem.shape)
        return d1, d2

    @property
    def unidentifiable(self) -> dict[str, Any]:
        """Rows and columns that `determined` rules out, and the number of connected components."""
        needed = self.rank if self.problem.lam == 0 else 1
        gaps, (d1, d2) = self.problem.unidentifiable, self.order
        # Both real rows of a complex one are seen, or neither.
        return {
            "rows": [i for i in gaps.rows(needed).tolist() if i < d1],
            "cols": [j for j in gaps.cols(needed).tolist() if j < d2],
            "components": gaps.components,
        }

    def entries(self, rows: ArrayLike, cols: ArrayLike) -> Inexact[Array, " n"]:
        """Entries of X = L Rᵀ; of U U* where X is a Hermitian n × n matrix, complex.

        NaN only where no measurement ties the place to any other: in a row or a column without an
        entry, and with λ = 0 between two components of the data. An observed entry is never NaN.
        Whether the data determine an entry is for `determined` to say.

        Parameters
        ----------
        rows : integer array of shape (n,)
            0-based.
        cols : integer array of shape (n,)
            0-based.

        Returns
        -------
        array of shape (n,)

        Raises
        ------
        ValueError
            If a place lies outside the matrix, is no whole number, or the lengths differ.
        """
        i, j = checked_pairs(rows, cols, self.order)
        blank = self.problem.unidentifiable.undetermined(i, j, 1, across=self.problem.lam == 0)
        hermitian = self.problem.cone is Cone.HERMITIAN
        both = (self.U, self.U.conj()) if hermitian else (self.factors.L, self.factors.R)
        L, R = (np.asarray(x) for x in both)
        values = np.empty(i.shape[0], dtype=np.result_type(L, np.float64))
        for a in range(0, i.shape[0], 1 << 20):
            part = slice(a, a + (1 << 20))
            values[part] = np.einsum("pk,pk->p", L[i[part]], R[j[part]])
        return np.where(blank, np.nan, values)

    def matrix(self, *, keep_observed: bool = False) -> Inexact[Array, "d1 d2"]:
        """X = L Rᵀ in full; complex where it is Hermitian.

        Parameters
        ----------
        keep_observed : bool
            Put the observed entries in their places, for completion: a table with its gaps filled.

        Returns
        -------
        array of shape (d1, d2)
            NaN where nothing ties an entry to the data, as in `entries`.

        Raises
        ------
        ValueError
            If `keep_observed` and the data are not entries of X.

        Notes
        -----
        8 d1 d2 bytes, 16 where X is complex, and 2 d1 d2 k flops.
        """
        d1, d2 = self.order
        hermitian = self.problem.cone is Cone.HERMITIAN
        L, R = (self.U, self.U.conj()) if hermitian else (self.factors.L, self.factors.R)
        X = np.array(np.asarray(L) @ np.asarray(R).T)
        gaps = self.problem.unidentifiable
        X[gaps.row_counts[:d1] == 0] = np.nan
        X[:, gaps.col_counts[:d2] == 0] = np.nan
        if self.problem.lam == 0 and gaps.components > 1:
            X[gaps.row_component[:d1, None] != gaps.col_component[:d2]] = np.nan
        if keep_observed:
            A = self.problem.measurement
            if not isinstance(A, SampledEntries):
                raise ValueError(f"keep_observed needs observed entries; got {type(A).__name__}")
            X[A.places()] = self.problem.b
        return X

    def svd(self) -> tuple[Array, Array, Array]:
        """Thin (U, s, Vh) of X, of rank r: shapes (d1, r), (r,), (r, d2); from the factors alone.

        As `numpy.linalg.svd(X, full_matrices=False)` gives them, without its zeros.
        """
        if self.problem.cone is Cone.HERMITIAN:
            U, s, _ = np.linalg.svd(np.asarray(self.U), full_matrices=False)
            return U, s**2, U.conj().T
        svd = compact_svd(self.factors)
        return svd.U, svd.s, svd.V.T

    def to_frame(self, *, keep_observed: bool = False) -> Any:
        """X as the kind of table that came in, with its names: pandas, polars or xarray.

        Parameters
        ----------
        keep_observed : bool
            As for `matrix`.

        Raises
        ------
        ValueError
            If no table with names came in.
        """
        if self.problem.labels is None:
            raise ValueError("no table with names came in; use matrix()")
        return self.problem.labels.table(self.matrix(keep_observed=keep_observed))

    def determined(self, rows: ArrayLike, cols: ArrayLike) -> np.ndarray:
        """Whether there are data enough to determine entries: by counting, which is no proof.

        λ = 0: row and column hold at least as many observed entries as the rank found, and lie in
        the same connected component of the data. With fewer, a row of the factors can be moved
        without changing any observed entry: the value given is one of many that fit at this rank.
        Data fitted with noise have a high rank, and may then determine next to nothing.
        λ > 0: row and column hold an entry each. Any entry is then the optimum's own value, but one
        of a row with few entries is shrunk towards zero.
        Measurements other than entries: row and column are touched by some measurement.

        Parameters
        ----------
        rows : integer array of shape (n,)
            0-based.
        cols : integer array of shape (n,)
            0-based.

        Returns
        -------
        bool array of shape (n,)
            True says that counting finds no reason against. That no other matrix will do is for
            `certificate.unique` to prove.

        Raises
        ------
        ValueError
            As for `entries`.
        """
        i, j = checked_pairs(rows, cols, self.order)
        exact = self.problem.lam == 0
        needed = self.rank if exact else 1
        return ~self.problem.unidentifiable.undetermined(i, j, needed, across=exact)

    def __repr__(self) -> str:
        """One line: what, how far, of which rank, how flat."""
        d1, d2 = self.order
        gap = f", gap {self.certificate.relative_gap:.1e}" if self.certificate else ""
        return (
            f"Solution({d1} x {d2} of rank {self.rank} from {self.problem.m} data, "
            f"{self.status.value}{gap}, {self.seconds:.3g} s)"
        )

    def _repr_html_(self) -> str:
        """What `str` says, as a table for notebooks."""
        rows = (line.split(maxsplit=1) for line in str(self).split("\n")[1:])
        cells = "".join(
            f"<tr><th style='text-align:left'>{name}</th>"
            f"<td style='text-align:left'>{escape(said)}</td></tr>"
            for name, said in rows
        )
        return f"<table><caption>{escape(repr(self))}</caption>{cells}</table>"

    def __str__(self) -> str:
        """One screen: status, rank, certificate, flatness, time."""
        d1, d2 = self.order
        settings = self.problem.settings().items()
        lines = [
            f"{d1} x {d2}, {self.problem.m} measurements, "
            + ", ".join(f"{name} {value:g}" for name, value in settings if value is not None),
            f"status   {self.status}",
            *self._meaning(),
            *([f"remark   {self.remark}"] if self.remark else []),
            f"rank     {self.rank}",
            f"proof    {self.certificate if self.certificate else 'none'}",
            f"flatness scaled trace {self.flatness.scaled_trace:.6g}, "
            f"excess {self.flatness.excess:.9g}",
            f"time     {self.seconds:.3g} s, {self.counts.forward} products with A, "
            f"{self.counts.adjoint} with its adjoint",
        ]
        return "\n".join(lines)

    def _meaning(self) -> list[str]:
        """What a closed gap does not say, where every matrix that fits is a flattest one."""
        if self.status is not Status.CERTIFIED or not self.problem.all_flattest:
            return []
        said = "meaning  every positive semidefinite matrix that fits is a flattest one; "
        if self.certificate is not None and self.certificate.unique:
            return [said + "this is proved to be the only one that fits"]
        return [
            said + "this is one of them, and not proved to be the only one: it need not be the "
            "matrix that was measured"
        ]

    @property
    def remark(self) -> str:
        """What the data ask to be done; empty where they ask nothing.

        Measurements of sizes that D cannot hold together, and noise fitted by λ = 0.

        The sign is an exact fit that needs at least as many degrees of freedom as there are data,
        while the data leave something of the matrix open.
        """
        p, needed = self.problem, self.problem.degrees(self.rank)
        if p.hidden:
            return (
                "nothing is proved: measurements differ in size by more than 1e13, and D leaves "
                "out directions that only the small ones see. Bring each, and its datum, to one "
                "size"
            )
        misses = self.status in (Status.INFEASIBLE, Status.LEAST_SQUARES)
        if p.lam > 0 or misses or isinstance(p, (Separation, Tomography)):
            return ""
        if needed < p.m or p.degrees(min(self.order)) <= p.m:
            return ""
        return (
            "the data look noisy, or are too few: to fit them exactly, as lam = 0 asks, takes rank "
            f"{self.rank}, and its {needed} degrees of freedom are no fewer than the {p.m} data. "
            "Noise is fitted too. Give a weight, lam_ratio in (0, 1), a share of lam_max, and "
            "choose it by the error on held-out data: flatrank.path solves for a grid of them, and "
            "`flatrank complete` does it all"
        )

    def record(self) -> dict[str, Any]:
        """Everything but the arrays, ready for JSON."""
        return {
            "status": self.status.name.lower(),
            "rank": self.rank,
            "remark": self.remark,
            **self.problem.settings(),
            "problem": self.problem.form(),
            "certificate": self.certificate.to_dict() if self.certificate else None,
            "flatness": self.flatness.to_dict(),
            "shape": list(self.problem.shape),
            "observed": self.problem.m,
            "unidentifiable": self.unidentifiable,
            "counts": vars(self.counts),
            "seconds": self.seconds,
            "seed": self.seed,
            "history": self.history,
            "versions": {name: version(name) for name in ("flatrank", "numpy", "llvmlite")},
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that make the solution and its problem whole again."""
        return {
            "L": np.ascontiguousarray(self.factors.L),
            "R": np.ascontiguousarray(self.factors.R),
            "y": np.ascontiguousarray(self.y),
            **{f"extra.{name}": np.ascontiguousarray(x) for name, x in self.extra.items()},
            **self.problem.arrays(),
        }

    def save(self, folder: str | Path) -> Path:
        """Write `model.safetensors` and `run.json` into `folder`, each under another name first.

        Raises
        ------
        OSError
            If the folder cannot be written.
        TypeError
            If the measurement is made from a user's functions or class: nothing is written.
        """
        folder, arrays, record = Path(folder), self.arrays(), self.record()
        folder.mkdir(parents=True, exist_ok=True)
        write_arrays(folder / "model.safetensors", arrays)
        write_json(folder / "run.json", record)
        return folder
