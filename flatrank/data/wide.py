"""Wide tables: one line a row, numbers with blanks among them, names and dates beside."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flatrank.data.columns import ABSENT, kind_of, number
from flatrank.data.entries import InputError
from flatrank.data.files import File, Source, open_file
from flatrank.data.markers import Markers
from flatrank.data.packages import load_polars
from flatrank.data.tables import read_frame
from flatrank.data.text import opening_of, separator_of, split_line

if TYPE_CHECKING:
    import polars as pl

#: Written for a gap.
GAPS = ABSENT | {"nan"}


@dataclass
class WideTable:
    """A wide table as it was read.

    Parameters
    ----------
    source : str
        What messages call it.
    frame : polars.DataFrame
        All of it: text where it came as text.
    columns : list of str
        Those with numbers, which are filled.
    values : array of shape (rows, len(columns))
        Their numbers, NaN in the gaps.
    separator : str
        Between the fields of a text; empty for parquet.
    comma : bool
        Whether decimals are behind a comma.
    """

    source: str
    frame: pl.DataFrame
    columns: list[str]
    values: np.ndarray
    separator: str
    comma: bool

    @property
    def aside(self) -> list[str]:
        """Columns left as they are."""
        return [name for name in self.frame.columns if name not in self.columns]

    def filled(
        self,
        X: np.ndarray,
        ends: tuple[np.ndarray, np.ndarray] | None = None,
        *,
        numbers: bool = False,
    ) -> pl.DataFrame:
        """The table with its gaps filled, what was there unchanged.

        Parameters
        ----------
        X
            All numbers, of the shape of `values`.
        ends
            Lower and upper ends of intervals: columns NAME_low and NAME_high follow each column
            that had gaps, and where nothing was missing both are the number itself.
        numbers
            Columns of numbers, also where they came as text.
        """
        polars, out = load_polars(), []
        places = {name: n for n, name in enumerate(self.columns)}
        gaps = np.isnan(self.values)
        for name in self.frame.columns:
            n = places.get(name)
            if n is None or not (gaps[:, n].any() or numbers):
                out.append(self.frame[name])
                continue
            parts = {name: X}
            if ends is not None and gaps[:, n].any():
                parts |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
            for title, all_numbers in parts.items():
                if self.separator and not numbers:
                    at = np.flatnonzero(gaps[:, n])
                    texts = [self._text(x) for x in all_numbers[at, n]]
                    column = self.frame[name].scatter(at, texts).alias(title)
                else:
                    column = polars.Series(title, all_numbers[:, n])
                out.append(column)
        return polars.DataFrame(out)

    def write(self, X: np.ndarray, path: Path) -> None:
        """Write the table with other numbers, (d1, d2), in all their digits; NaN as blanks.

        Parquet where it came as parquet, and else text with its separator and its decimal commas.
        """
        polars, out = load_polars(), []
        places = {name: n for n, name in enumerate(self.columns)}
        for name in self.frame.columns:
            if name not in places:
                out.append(self.frame[name])
                continue
            column = polars.Series(name, X[:, places[name]], nan_to_null=True)
            if self.comma:
                column = column.cast(polars.String).str.replace(".", ",", literal=True)
            out.append(column)
        frame = polars.DataFrame(out)
        if self.separator:
            frame.write_csv(path, separator=self.separator)
        else:
            frame.write_parquet(path)

    def _text(self, x: float) -> str:
        text = f"{x:.6g}"
        return text.replace(".", ",") if self.comma else text


def read_wide(source: Source, keep: Sequence[str] = (), missing: Any = None) -> WideTable:
    """Read a wide table from csv, tsv, other separated text, gzip of these, or parquet.

    A column is filled where every field that is there is a number; other columns, and those whose
    name says that they count or date the lines (id, index, year, time) and that have no gaps, are
    left aside. Blanks, NA, NaN and their like are gaps.

    Parameters
    ----------
    source
        A path, or "-" for standard input (text with a header).
    keep
        Names of further columns to leave aside.
    missing
        Values that stand for gaps, one or several, numbers or texts, besides blanks and "NA".

    Raises
    ------
    InputError
        If the source cannot be used: no header, no column of numbers, an unknown name.
    """
    return wide_of(open_file(source), keep, Markers.of(missing))


def wide_of(file: File, keep: Sequence[str], missing: Markers) -> WideTable:
    """A wide table from a file that was opened; as `read_wide`."""
    frame, separator = frame_of(file)
    unknown = [name for name in keep if name not in frame.columns]
    if unknown:
        raise InputError(
            f"{file.name}: no column {unknown[0]!r}; the columns are "
            f"{', '.join(map(repr, frame.columns[:8]))}."
        )
    parsed = {name: column_numbers(frame[name], separator, missing) for name in frame.columns}
    for name, found in parsed.items():
        if found is None and name not in keep and separator:
            _refuse_nearly(file.name, name, frame[name].to_list(), missing)
    columns = [
        name
        for name, found in parsed.items()
        if found is not None and name not in keep and not (_beside(name) and _whole(found[0]))
    ]
    if not columns:
        raise InputError(
            f"{file.name}: has no column of numbers to fill; its columns are "
            f"{', '.join(map(repr, frame.columns[:8]))}."
        )
    both = [found for name in columns if (found := parsed[name]) is not None]
    values = np.column_stack([numbers for numbers, _ in both])
    empty = [name for name, x in zip(columns, values.T, strict=True) if np.isnan(x).all()]
    columns = [name for name in columns if name not in empty]
    values = values[:, ~np.isnan(values).all(axis=0)]
    if not columns:
        raise InputError(f"{file.name}: not one number is there to fill others from.")
    return WideTable(file.name, frame, columns, values, separator, any(c for _, c in both))


def frame_of(file: File) -> tuple[pl.DataFrame, str]:
    """A table with names, and what separates its fields: text as text; nothing for parquet.

    Raises
    ------
    InputError
        If it is neither text with a header nor parquet, or damaged.
    """
    if file.format == "parquet":
        return read_frame(file), ""
    if file.format == "text":
        return _read_text(file)
    raise InputError(
        f"{file.name}: a wide table is csv, tsv or parquet; for entries in an npz or "
        "MatrixMarket file use flatrank complete."
    )


def _read_text(file: File) -> tuple[pl.DataFrame, str]:
    polars, name = load_polars(), file.name
    text = file.text()
    lines = text[: 1 << 20].splitlines()[:2000]
    start, noted, _ = opening_of(name, lines)
    body = [line for line in lines[start:] if line.strip()][:200]
    separator, _ = separator_of(file, body, 2, noted)
    names = split_line(body[0], separator) or []
    twice = next((title for title in names if names.count(title) > 1), None)
    if twice is not None:
        raise InputError(f"{name}: two columns are called {twice!r}; give each its own name.")
    if separator in ("::", " "):
        raise InputError(
            f"{name}: a wide table needs commas, tabs, semicolons or bars between its fields."
        )
    try:
        frame = polars.read_csv(
            io.BytesIO("\n".join(text.splitlines()[start:]).encode()), separator=separator,
            infer_schema=False,
        )  # fmt: skip
    except polars.exceptions.PolarsError as refused:
        raise InputError(
            f"{name}: does not read as a table: {str(refused).splitlines()[0]}"
        ) from refused
    if all(map(number, frame.columns)):
        raise InputError(
            f"{name}: its first line holds numbers, not names; give every column a name in a "
            "first line."
        )
    return frame, separator


def column_numbers(column: Any, separator: str, missing: Markers) -> tuple[np.ndarray, bool] | None:
    """The numbers of a column, NaN for gaps, and whether decimals have commas; None if no numbers.

    Without a single field it is a column of gaps.
    """
    if not separator:
        numeric = column.dtype.is_numeric() or str(column.dtype) == "Null"
        if not numeric:
            return None
        out = column.cast(load_polars().Float64).to_numpy()
        return np.where(missing.among(out), np.nan, out), False
    fields, gaps = [(field or "").strip() for field in column.to_list()], GAPS | missing.texts
    seen = [field.lower() not in gaps for field in fields]
    there = [field for field, is_there in zip(fields, seen, strict=True) if is_there]
    comma = separator != "," and any("," in field for field in there)
    there = [field.replace(",", ".", 1) for field in there] if comma else there
    try:
        found = np.array([float(field) for field in there])
    except ValueError:
        return None
    if not np.all(np.isfinite(found)):
        return None
    out = np.full(len(fields), np.nan)
    out[seen] = np.where(missing.among(found), np.nan, found)
    return out, comma


def _refuse_nearly(source: str, name: str, fields: list[str | None], missing: Markers) -> None:
    """Refuse a column of numbers to people, such as "1,000" or "12 %", that would be left aside."""
    gaps = GAPS | missing.texts
    there = [field.strip() for field in fields if field and field.strip().lower() not in gaps]
    number_like = all(re.fullmatch(r"[+-]?[\d.]*\d(,[\d.,]+|\s?%)?", field) for field in there)
    if number_like and any("," in field or "%" in field for field in there):  # else it is a date
        raise InputError(
            f"{source}: column {name!r} holds numbers written like {max(there, key=len)!r}: write "
            "decimals with a point, and leave out thousands separators and percent signs; or leave "
            f"the column as it is with --keep {name!r}."
        )


def _beside(name: str) -> bool:
    """Whether a name says that its column counts, dates or names the lines."""
    return kind_of(name)[0] in ("aside", "row")


def _whole(x: np.ndarray) -> bool:
    """Whether there are no gaps, and only whole numbers."""
    return bool(np.all(np.isfinite(x)) and np.all(x % 1 == 0))
