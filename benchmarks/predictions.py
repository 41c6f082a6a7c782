"""The sections about predictions: ratings, clicks, intervals, imputed tables."""

from __future__ import annotations

from collections import defaultdict
from statistics import mean

from benchmarks.cells import (
    Row,
    certified_count,
    grid,
    grouped,
    label,
    load_of,
    notes,
    seconds,
    small,
    spread,
)


def imputing(rows: list[Row]) -> str:
    text = ("## Tables with gaps\n\nA fifth of the entries hidden at random, five times; every "
            "imputer with its own defaults. *Error* is the root mean square over the hidden "
            "entries in standard deviations of the table (± standard deviation between the five). "
            "*Seconds* is the median for one table, everything chosen.")  # fmt: skip
    head = ["imputer", "error", "seconds", "load"]
    for title, group in grouped([r for r in rows if "failed" not in r], "title"):
        lines = [
            [label(r), f"{r['relative']:.4f} ± {r['deviation']:.4f}", seconds(r["seconds"]),
             load_of(r)]
            for r in sorted(group, key=lambda r: r["relative"])
        ]  # fmt: skip
        text += f"\n\n### {title}\n\n" + grid(head, lines)
    return text + notes(rows)


def ratings(rows: list[Row]) -> str:
    text = ("## Ratings: RMSE on a tenth held out\n\nMean over the splits (± standard deviation "
            "between them). flatrank chooses everything within the training part; *in 90 %* is "
            "how many test entries lie in its intervals of that level, and in brackets the least "
            "and the most of the groups by how many entries their row or column has. Peers get "
            "the best of their grid *on the test part*. Seconds are for everything a solver does "
            "for one split, its whole path or grid; splits run on another machine count for the "
            "error alone.")  # fmt: skip
    head = ["solver", "RMSE", "in 90 %", "defaults", "splits", "seconds", "rank", "certified",
            "load"]  # fmt: skip
    for title, group in grouped([r for r in rows if "failed" not in r], "title"):
        lines = []
        for _, runs in grouped(group, "solver"):
            scores = [r.get("best", r)["rmse"] for r in runs]
            plain = [r["default"]["rmse"] for r in runs if "default" in r]
            lines.append((mean(scores), [
                label(runs[0]), spread(scores), covered(runs), spread(plain), str(len(runs)),
                seconds(mean(r["seconds"] for r in runs if "elsewhere" not in r["conditions"])),
                ", ".join(str(r["rank"]) for r in runs if "rank" in r),
                certified_count(runs), load_of(runs[0]),
            ]))  # fmt: skip
        own = [r["offsets_rmse"] for r in group if r["solver"] == "flatrank-ratings"]
        if own:
            lines.append(
                (
                    mean(own),
                    ["offsets alone (ours)", spread(own), "", "", str(len(own)), "", "", "", ""],
                )
            )
        text += f"\n\n### {title}\n\n" + grid(head, [row for _, row in sorted(lines)])
    return text + notes(rows)


def implicit(rows: list[Row]) -> str:
    text = ("## Clicks: sweeps of alternating least squares over all cells\n\n64 factors, 15 "
            "sweeps of both sides with three conjugate gradient steps a row, single precision, the "
            "same λ and α for everybody; a fifth of the cells with a click kept out. *Sweep* is "
            "the median of those after the first, *all* the fifteen together. NDCG and precision "
            "are of the ten best unseen, means over 5000 users at most. *Gap* is how far the "
            "factors are proved to be from the optimum at any rank, in *proof* seconds after the "
            "fit.")  # fmt: skip
    head = [
        "solver",
        "sweep",
        "all",
        "objective",
        "NDCG@10",
        "precision@10",
        "gap",
        "proof",
        "load",
    ]
    return text + "".join(
        f"\n\n### {title}, {group[0]['clicks']} clicks\n\n"
        + grid(head, [
            [label(r), small(r["seconds"]), seconds(r["all_seconds"]), f"{r['objective']:.6g}",
             f"{r['ndcg']:.4f}", f"{r['precision']:.4f}",
             f"{r['relative_gap']:.3f}" if "relative_gap" in r else "",
             seconds(r.get("proof_seconds")), load_of(r)]
            for r in sorted(group, key=lambda r: r["seconds"])
        ])
        for title, group in grouped([r for r in rows if "failed" not in r], "title")
    ) + notes(rows)  # fmt: skip


def covered(runs: list[Row]) -> str:
    """Mean share of the test entries inside their intervals, as a percentage; least of a group."""
    shares = [r["coverage"] for r in runs if "coverage" in r]
    if not shares:
        return ""
    by_group = by_known(runs)
    ends = f" ({100 * min(by_group.values()):.1f}-{100 * max(by_group.values()):.1f})"
    return f"{100 * mean(shares):.1f}" + (ends if by_group else "")


def by_known(runs: list[Row]) -> dict[int, float]:
    """Coverage of the splits together, by the least number of entries in the row or column."""
    inside: dict[int, float] = defaultdict(float)
    number: dict[int, int] = defaultdict(int)
    for r in runs:
        for least, n, share in r.get("groups", []):
            inside[least] += n * share
            number[least] += n
    return {least: inside[least] / n for least, n in sorted(number.items())}


def coverage(rows: list[Row]) -> str:
    text = ("## Error bars where the truth is known\n\nTables of 200 × 150 of rank 3 with effects "
            "of rows and columns; *noise* over the spread of the entries; a third of them seen "
            "uniformly, by a power law, or with two corners of 40 % × 40 % unseen. On each draw of "
            "the cell: `fr.posterior`; `fr.complete`, a tenth held out; `fr.debiased` of the "
            "solution at a fifth of λ_max, which refuses where nothing stands out of the noise. "
            "*In 90 %* is how many unseen entries, with noise, lie in their intervals, the least "
            "and the most of one draw beside it; *width* that of the intervals over those of one "
            "who knows the matrix; *truth in 90 %* how many entries of the matrix itself lie in "
            "theirs; *error* of the predictions, over the spread of the entries.")  # fmt: skip
    head = ["mask, noise", "kind", "draws", "in 90 %", "of one draw", "width", "truth in 90 %",
            "error", "seconds", "load"]  # fmt: skip
    kinds = ("posterior", "conformal", "debiased")
    measured = [({"kind": kinds[0]} | r) for r in rows if "failed" not in r]
    return f"{text}\n\n" + grid(head, [
        [r["title"], r["kind"], answered(r), f"{100 * r['coverage']:.1f}",
         f"{100 * r['least']:.1f}-{100 * r['most']:.1f}", f"{r['width']:.2f}",
         f"{100 * r['true']:.1f}" if "true" in r else "", f"{r['error']:.3f}",
         seconds(r["seconds"]), load_of(r)]
        for r in sorted(measured, key=lambda r: (r["instance"], kinds.index(r["kind"])))
    ])  # fmt: skip


def answered(r: Row) -> str:
    """How many draws; of how many, where there were intervals for some of them only."""
    tries, found = r["tries"], r.get("answered", r["tries"])
    return str(tries) if found == tries else f"{found} of {tries}"
