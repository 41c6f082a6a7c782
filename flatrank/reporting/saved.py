"""A finished run read back from its folder: predictions by name, offsets and scales included."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError, safe_open

from flatrank.data import InputError, Offsets, Scales, Units
from flatrank.gibbs import load_posterior
from flatrank.problems import read_texts
from flatrank.reporting.runs import MODEL, POSTERIOR
from flatrank.selection.average import CAUTION, Average
from flatrank.selection.conformal import Calibration, IntervalKind, checked_kind
from flatrank.solvers.loading import read_solution
from flatrank.solvers.solution import Solution

if TYPE_CHECKING:
    from flatrank.measurements.entries import SampledEntries

#: Among more names than this, similar ones are looked for by their first letter only.
_MANY = 20_000
#: Lower and upper ends.
Ends = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Run:
    """A run read back from its folder: predictions by the names of rows and columns.

    Parameters
    ----------
    solution : Solution
        Of what is left of the values after scales and offsets; its entries are no predictions.
    offsets : Offsets
        What is added back.
    row_labels, col_labels : arrays of str
        Names of rows and columns, (d1,) and (d2,).
    record : dict
        `run.json`.
    scales : Scales
        What is multiplied back.
    average : Average or None
        What predictions are means over; None where the flat solution itself predicts.
    held : (numbers, scores) or None
        Held-out entries and how far off their predictions were, for conformal intervals; None where
        nothing was held out, and in old runs.
    """

    solution: Solution
    offsets: Offsets
    row_labels: NDArray[np.str_]
    col_labels: NDArray[np.str_]
    record: dict[str, Any]
    scales: Scales = field(default_factory=Scales.none)
    average: Average | None = None
    held: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None

    @cached_property
    def calibration(self) -> Calibration | None:
        """Of conformal intervals; None where there is nothing to calibrate them on."""
        if self.held is None:
            return None
        return Calibration.of(self.solution.problem.measurement, *self.held)

    @cached_property
    def row_codes(self) -> dict[str, int]:
        """Index of each row by name."""
        return {label: code for code, label in enumerate(self.row_labels.tolist())}

    @cached_property
    def col_codes(self) -> dict[str, int]:
        """Index of each column by name."""
        return {label: code for code, label in enumerate(self.col_labels.tolist())}

    @property
    def tol(self) -> float:
        """The relative gap that the run was asked to prove."""
        return float(self.record.get("options", {}).get("tol", 1e-6))

    def seen(self, row: int) -> NDArray[np.int32]:
        """Columns in which a row, by code, has an entry; ascending."""
        measurement = cast("SampledEntries", self.solution.problem.measurement)
        rows, cols = measurement.places()
        return cols[rows == row]

    def predict(self, pairs: Iterable[tuple[Any, Any]]) -> NDArray[np.float64]:
        """Values for pairs of names, in the unit of the input; `determined` says which data fix.

        Parameters
        ----------
        pairs : iterable of (row, column)
            Names as in the input, as text or as numbers; anything else raises `InputError`. An
            unknown row or column leaves the offsets alone, as `flatrank predict` does.

        Returns
        -------
        ndarray
            One value for each pair.
        """
        return self.at(*self.places(pairs))

    def interval(
        self,
        pairs: Iterable[tuple[Any, Any]],
        level: float = 0.9,
        kind: IntervalKind = "posterior",
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Intervals that hold a new observation of each pair with probability `level`.

        Parameters
        ----------
        pairs : iterable of (row, column)
            As for `predict`; an unknown row or column has no interval, NaN.
        level : float
            In (0, 1).
        kind : "posterior" or "conformal"
            What they rest on, as for `CompletedTable.interval`.

        Returns
        -------
        low, high : ndarray
            One number for each pair.

        Raises
        ------
        InputError
            If the run has no posterior, or no or too few held-out entries, or the level is not
            between 0 and 1.
        """
        return self.interval_at(*self.places(pairs), level, kind)

    def recommend(
        self, label: Any, top: int = 10, *, by: Literal["mean", "low"] = "mean"
    ) -> list[tuple[str, float]]:
        """The best columns that the row of this name has no entry in, best first, with values.

        Parameters
        ----------
        label
            Name of the row.
        top : int
            How many.
        by : "mean" or "low"
            Order by the prediction, or by what it exceeds with probability 0.9: a cautious list.

        Raises
        ------
        InputError
            If there is no such row; if `by` is "low" and the run has no posterior.
        """
        name = _name(label)
        row = self.row_codes.get(name)
        if row is None:
            raise InputError(f"The run has no row {name!r}{_similar(name, self.row_labels)}.")
        unseen = np.setdiff1d(np.arange(self.col_labels.size), self.seen(row))
        places = np.full(unseen.size, row), unseen
        values = self.at(*places) if by == "mean" else self.interval_at(*places, CAUTION)[0]
        best = np.argsort(-values, kind="stable")[: max(top, 0)]
        names = self.col_labels[unseen[best]].tolist()
        return list(zip(names, values[best].tolist(), strict=True))

    def places(
        self, pairs: Iterable[tuple[Any, Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Codes (n,) of the rows and columns that pairs name, −1 if unknown; see `predict`."""
        found: list[tuple[int, int]] = []
        for pair in pairs:
            if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:
                raise InputError(
                    f"predict takes (row, column) pairs of names, such as [('ann', 'film 3')]; "
                    f"got {pair!r} among them."
                )
            row, col = (_name(label) for label in pair)
            found.append((self.row_codes.get(row, -1), self.col_codes.get(col, -1)))
        both = np.array(found, dtype=np.int64).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    def at(self, rows: ArrayLike, cols: ArrayLike) -> NDArray[np.float64]:
        """Values at (n,) codes, in the unit of the input.

        The offsets alone are left by −1, an unknown row or column, and where nothing ties the place
        to the data, as between two unconnected blocks of a table that is fitted exactly.
        """
        i, j, known = _coded(rows, cols)
        x = np.zeros(i.shape)
        if self.average is not None:
            values = Units(self.offsets, self.scales).restore(i, j, x)
            values[known] = self.average.predict(i[known], j[known])
            return values
        x[known] = np.nan_to_num(np.asarray(self.solution.entries(i[known], j[known])))
        return Units(self.offsets, self.scales).restore(i, j, x)

    def interval_at(
        self,
        rows: ArrayLike,
        cols: ArrayLike,
        level: float,
        kind: IntervalKind = "posterior",
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Intervals at (n,) codes, in the unit of the input; NaN at −1.

        Raises
        ------
        InputError
            As `interval`.
        """
        i, j, known = _coded(rows, cols)
        low, high = np.full(i.shape, np.nan), np.full(i.shape, np.nan)
        interval = {"conformal": self._conformal, "posterior": self._of_posterior}[
            checked_kind(kind)
        ]
        low[known], high[known] = interval(i[known], j[known], level)
        return low, high

    def _conformal(self, i: np.ndarray, j: np.ndarray, level: float) -> Ends:
        if self.calibration is None:
            raise InputError(
                "The run keeps no errors of held-out entries, and so has no conformal intervals: "
                "it was made with --holdout 0, ended early, or before there were any. Make it "
                "again with --holdout 0.1."
            )
        try:
            half = self.calibration.multiples(i, j, level)
        except ValueError as refused:
            raise InputError(f"{refused}.") from refused
        half *= self.scales.at(i, j) if self.average is None else self.average.spread(i, j)
        x = self.at(i, j)
        return x - half, x + half

    def _of_posterior(self, i: np.ndarray, j: np.ndarray, level: float) -> Ends:
        if self.average is None:
            raise InputError(
                "The run has no posterior, and so no intervals: it was made with --predict flat or "
                "--lam 0, or before there were any. Make it again without these."
            )
        if not 0 < level < 1:
            raise InputError(f"The level of an interval lies between 0 and 1; got {level}.")
        return self.average.interval(i, j, level)

    def vectors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Vectors of rows and of columns whose inner products are values of the flat solution.

        Offsets and scales are in them: value = s_i s_j (mean + u_i + v_j + <l_i, r_j>) is the inner
        product of s_i (l_i, mean + u_i, 1) and s_j (r_j, 1, v_j). Predictions of a posterior are
        means of such products and no product themselves.

        Returns
        -------
        rows, cols : ndarray
            (d1, k) and (d2, k), two columns wider where there are offsets.
        """
        L, R = (np.asarray(x) for x in (self.solution.factors.L, self.solution.factors.R))
        (d1, d2), offsets = self.solution.problem.shape, self.offsets
        u, v = offsets.mean + offsets.row, offsets.col
        if np.any(u) or np.any(v):
            L, R = np.column_stack([L, u, np.ones(d1)]), np.column_stack([R, np.ones(d2), v])
        if self.scales.side == "rows":
            L = self.scales.of[:, None] * L
        elif self.scales.side == "columns":
            R = self.scales.of[:, None] * R
        return L, R

    def determined(self, rows: ArrayLike, cols: ArrayLike) -> NDArray[np.bool_]:
        """Whether data determine the values at (n,) codes; unknown rows and columns never are."""
        i, j, known = _coded(rows, cols)
        marks = np.zeros(i.size, dtype=bool)
        marks[known] = self.solution.determined(i[known], j[known])
        return marks


def load_run(folder: str | Path) -> Run:
    """Read what `save_run`, or `Solution.save`, wrote.

    Parameters
    ----------
    folder : str or Path
        The run folder.

    Returns
    -------
    Run
        Without names in the folder rows and columns are called "0", "1", ...

    Raises
    ------
    InputError
        If the folder does not hold a run, or a file in it is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a run folder; expected one that `flatrank complete` wrote."
        )
    try:
        record, solution = read_solution(folder)
    except ValueError as refused:
        raise InputError(f"{refused}.") from refused
    try:
        with safe_open(folder / MODEL, framework="numpy") as file:
            shape = solution.problem.shape
            rows, cols = _read_labels(file, "row", shape[0]), _read_labels(file, "col", shape[1])
            offsets = _read_offsets(file, record, shape)
            scales = _read_scales(file, record, shape)
            held = _read_held(file, solution)
        found = load_posterior(folder / POSTERIOR) if record.get("posterior") else None
        average = None if found is None else Average(found, Units(offsets, scales))
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as damaged:
        raise InputError(f"{folder} holds a damaged run: {damaged}.") from damaged
    return Run(solution, offsets, rows, cols, record, scales, average, held)


def _coded(rows: ArrayLike, cols: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes as integers, and where both are known."""
    i, j = np.asarray(rows, dtype=np.int64), np.asarray(cols, dtype=np.int64)
    return i, j, np.flatnonzero((i >= 0) & (j >= 0))


def _read_labels(file: Any, side: str, d: int) -> NDArray[np.str_]:
    if f"{side}_labels" not in file.keys():  # noqa: SIM118 - not a mapping
        return np.arange(d).astype(str)
    names = (f"{side}_labels", f"{side}_ends")
    labels = read_texts({name: file.get_tensor(name) for name in names}, side)
    if len(labels) != d:
        raise ValueError(f"the labels of the {side}s do not fit the factors")
    return np.array(labels, dtype=str)


def _read_offsets(file: Any, record: dict[str, Any], shape: tuple[int, int]) -> Offsets:
    about = record.get("offsets")
    if about is None:
        return Offsets.none(shape)
    row, col = file.get_tensor("offset_row"), file.get_tensor("offset_col")
    if (row.size, col.size) != tuple(shape):
        raise ValueError("the offsets do not fit the factors")
    ridge = tuple(math.inf if x is None else float(x) for x in about["ridge"])
    return Offsets(float(about["mean"]), row, col, (ridge[0], ridge[1]), about["kind"])


def _read_scales(file: Any, record: dict[str, Any], shape: tuple[int, int]) -> Scales:
    side = (record.get("scales") or {}).get("side", "none")
    if side == "none":
        return Scales.none()
    scales = Scales(side, file.get_tensor("scale"))
    if scales.of.size != shape[side == "columns"]:
        raise ValueError("the scales do not fit the factors")
    return scales


def _read_held(file: Any, solution: Solution) -> tuple[np.ndarray, np.ndarray] | None:
    if "scores" not in file.keys():  # noqa: SIM118 - not a mapping
        return None
    held, scores = file.get_tensor("held"), file.get_tensor("scores")
    if held.shape != scores.shape or np.any((held < 0) | (held >= solution.problem.m)):
        raise ValueError("the held-out entries do not fit the data")
    return held, scores


def _name(label: Any) -> str:
    """A name as the input wrote it; whole numbers without a point."""
    if isinstance(label, (float, np.floating)) and float(label).is_integer():
        label = int(label)
    return str(label).strip()


def _similar(label: str, labels: NDArray[np.str_]) -> str:
    among = labels.tolist()
    if len(among) > _MANY:
        among = [other for other in among if other[:1] == label[:1]][:_MANY]
    near = difflib.get_close_matches(label, among, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {', '.join(near)}"
    near = among[:3]
    return f"; its rows are named like {', '.join(near)}" if near else ""
