"""`flatrank separate`: a matrix in, its part of low rank and its sparse part out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flatrank.cli.fitting import Files, Fit, time_words
from flatrank.cli.folders import MODEL, RECORD
from flatrank.cli.options import check_fit, refuse
from flatrank.cli.terminal import Progress, Rows, certificate_words
from flatrank.data import InputError
from flatrank.data.whole import Table, Whole, read_whole

if TYPE_CHECKING:
    from flatrank.solvers import Solution

#: Columns of a table whose typical sizes lie so far apart are probably of different units.
APART = 100.0
#: Share of the total size of the outliers: small ones are noise, and many.
MOST = 0.9


@dataclass(frozen=True)
class Separation(Fit):
    """What was asked of `separate`.

    Parameters
    ----------
    keep, missing
        Columns to leave aside, and values that stand for gaps.
    form
        `sparsity` and `radius`, one of them at most.
    fit
        `tol`, `max_seconds` and `seed`.
    """

    keep: list[str]
    missing: list[str]
    form: dict[str, float | None]
    fit: dict[str, Any]
    name = "separate"
    best = "the parts in {out} are the best found until then."

    def __post_init__(self) -> None:
        """Refuse what no matrix could make sense of."""
        for name, value in self.form.items():
            if value is not None and not 0 < value < np.inf:
                refuse(name, "a positive number", value)
        if None not in self.form.values():
            raise InputError("--sparsity and --radius are two forms of the problem: give one.")
        check_fit(self.fit)
        super().__post_init__()

    def is_ours(self, name: str) -> bool:
        """Whether it is one of the parts."""
        return name.split(".")[0] in ("low_rank", "sparse")

    def read(self) -> Whole:
        """The matrix."""
        return read_whole(self.source, self.keep, self.missing)

    def solve(self, given: Whole, progress: Progress) -> Solution:
        """Both parts."""
        from flatrank.problems import robust_pca
        from flatrank.solvers import solve

        Y = given.values
        try:
            problem = robust_pca(Y, mask=~np.isnan(Y), **self.form)
            return solve(
                problem, progress=lambda step: progress({"stage": "separate"} | step), **self.fit
            )
        except ValueError as refused:
            raise InputError(f"{given.source}: {refused}.") from refused

    def record(self, given: Whole, solution: Solution) -> dict[str, Any]:
        """The outliers, and what was asked."""
        Y, S = given.values, np.asarray(solution.extra["sparse"])
        i, j = (int(x) for x in np.unravel_index(int(np.argmax(np.abs(S))), S.shape))
        seen, outliers = int(np.count_nonzero(~np.isnan(Y))), int(np.count_nonzero(S))
        sizes = np.cumsum(np.sort(np.abs(S[S != 0]))[::-1])
        largest = {"at": given.place(i, j), "value": float(Y[i, j]), "excess": float(S[i, j])}
        # As many of the largest hold so much of what all of them add up to.
        most = int(np.count_nonzero(sizes < MOST * sizes[-1:])) + 1
        return {
            "input": given.source,
            "size": given.described(),
            "observed": seen,
            "gaps": Y.size - seen,
            "outliers": {
                "count": outliers,
                "share": outliers / seen,
                "most": {"share": MOST, "count": most},
                "largest": largest if outliers else None,
            },
            "columns_apart": _apart(given),
            "options": self.form | self.fit | {"keep": self.keep, "missing": self.missing},
        }

    def files(self, given: Whole, solution: Solution) -> Files:
        """Both parts in the form of the input."""
        # Of an entry that was not seen there is no telling whether it would be an outlier.
        sparse = np.where(np.isnan(given.values), np.nan, np.asarray(solution.extra["sparse"]))
        return given.files("low_rank", solution.matrix()) | given.files("sparse", sparse)

    def rows(self, record: dict[str, Any], given: Whole, solution: Solution) -> Rows:
        """The table on the screen."""
        from flatrank.reporting.words import status_sentence

        del given
        found, seen = record["outliers"], record["observed"]
        gaps = f", {record['gaps']} of them gaps" if record["gaps"] else ""
        outliers = f"{found['count']} of {seen} numbers ({100 * found['share']:.2g} %)"
        if found["largest"]:
            outliers += f"; {found['most']['count']} of them hold {100 * MOST:.0f} % of their size"
            outliers += "; largest {excess:+.4g} in {value:.4g}, {at}".format(**found["largest"])
        notes = []
        if (record["columns_apart"] or 0.0) > APART:
            said = f"typical numbers of columns lie {record['columns_apart']:.3g} times apart: "
            said += "outliers of columns of small numbers pass unseen. Bring columns to one unit "
            notes.append(("note", said + "first"))
        parts = sorted({name.split("/")[0] for name in record["files"]} - {MODEL, RECORD})
        return [
            ("input", f"{record['input']}: {record['size']}{gaps}"),
            ("status", status_sentence(solution.status)),
            ("low rank", f"rank {record['rank']}"),
            ("outliers", outliers),
            ("certificate", certificate_words(record["certificate"])),
            ("proved", _proved(record)),
            *notes,
            ("time", time_words(record)),
            ("written", ", ".join(str(self.out / name) for name in parts)),
        ]


def _apart(whole: Whole) -> float | None:
    """How many times larger the numbers of one column of a table are than those of another."""
    if not isinstance(whole, Table):
        return None
    sizes = np.nanmedian(np.abs(whole.values), axis=0)
    return float(sizes.max() / sizes[sizes > 0].min()) if (sizes > 0).any() else None


def _proved(record: dict[str, Any]) -> str:
    """What the certificate establishes, in one sentence."""
    proof, weight = record["certificate"], record["sparsity"]
    if proof is None or proof["dual_bound"] is None or proof["relative_gap"] is None:
        return "nothing"
    if weight is None:
        what = f"nuclear norm among parts whose rest adds up to at most {record['radius']:.4g}"
    else:
        what = f"nuclear norm plus {weight:.4g} times the sum of the outliers' sizes"
    return (
        f"no two parts have a {what} that is smaller by more than "
        f"{max(proof['relative_gap'], 0.0):.1e} of it; that they are the parts the numbers were "
        "made of is not for a proof to say"
    )
