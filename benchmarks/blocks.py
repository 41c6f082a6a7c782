"""The sections of the page: of each the title, and its rows as Markdown."""

from __future__ import annotations

from benchmarks.cells import (
    Row,
    grid,
    grouped,
    label,
    load_of,
    notes,
    number,
    seconds,
    small,
    yes,
)
from benchmarks.nets import sharpness
from benchmarks.predictions import coverage, implicit, imputing, ratings


def completion(rows: list[Row]) -> str:
    text = ("## Exact completion: time to relative error 1e-6 of the whole matrix\n\n"
            "Noiseless, Gaussian factors, entries uniform without repetition; the rank is given to "
            "everybody. Peers are timed up to their first iterate below the target, with the error "
            "computed off the clock; *own clock* is what an author's code reports itself, without "
            "its starting point. *Error* is that of the answer timed. cmfrec, softImpute and "
            "fancyimpute never get there: they are regularised, for noisy data.")  # fmt: skip
    head = ["solver", "seconds", "cold", "own clock", "error", "steps", "load"]
    return text + "".join(
        f"\n\n### {title}\n\n"
        + grid(head, [
            [label(r), seconds(r["seconds"]), seconds(r.get("cold_seconds")),
             seconds(r.get("own_seconds")), number(r["error"]), str(r.get("iterations", "")),
             load_of(r)]
            if "failed" not in r else [label(r), "not measured", "", "", "", "", ""]
            for r in sorted(group, key=lambda r: r.get("seconds") or float("inf"))
        ])
        for title, group in grouped(rows, "title")
    ) + notes(rows)  # fmt: skip


def certified(rows: list[Row]) -> str:
    text = ("## Certified, noiseless\n\nThe rank is found, not told; the proof is part "
            "of the time.")  # fmt: skip
    head = [
        "instance",
        "solver",
        "seconds",
        "cold",
        "status",
        "rank",
        "unique",
        "gap",
        "error",
        "load",
    ]
    return f"{text}\n\n" + grid(head, [
        [r["title"], label(r), seconds(r["seconds"]), seconds(r.get("cold_seconds")), r["status"],
         str(r["rank"]), yes(r["unique"]), number(r["relative_gap"]), number(r["error"]),
         load_of(r)]
        for r in rows if "failed" not in r
    ]) + notes(rows)  # fmt: skip


def hard(rows: list[Row]) -> str:
    text = ("## Near the limit of information, and ill-conditioned\n\nExact data, misfit brought "
            "to rounding. *Found*: instances with an error below 1e-3 over the whole matrix, as is "
            "usual in publications; *error* is the largest among these. *Seconds* is the median "
            "over all instances, found or not, warm; at most 20 s were allowed.")  # fmt: skip
    head = ["instance", "solver", "found", "right rank", "seconds", "slowest", "error", "load"]
    return f"{text}\n\n" + grid(head, [
        [r["title"], label(r), f"{r['found']} of {r['of']}", str(r["right_rank"]),
         seconds(r["seconds"]), seconds(r["slowest"]),
         number(r["error"]) if r["found"] else "", load_of(r)]
        for r in rows if "failed" not in r
    ])  # fmt: skip


def penalised(rows: list[Row]) -> str:
    text = ("## Penalised, to a proved gap\n\nmin ½‖𝒜(X) − b‖² + λ‖X‖_* on data of the shape of "
            "MovieLens 100k: integers 1 to 5 from a rank-10 model with noise, counts falling by a "
            "power. Asked for a relative duality gap of 1e-8, the proofs part of the time; "
            "BMGlobal for its published stop instead. "
            "*CPU* is the time of the process on all cores: read it where the machine was "
            "loaded.")  # fmt: skip
    head = ["instance", "solver", "seconds", "CPU", "status", "objective", "gap", "rank", "steps",
            "load"]  # fmt: skip
    return f"{text}\n\n" + grid(head, [
        [r["title"], label(r), seconds(r["seconds"]), seconds(r["cpu_seconds"]), r["status"],
         f"{r['objective']:.4f}", number(r["relative_gap"]), str(r["rank"]), str(r["steps"]),
         load_of(r)]
        for r in rows if "failed" not in r
    ]) + notes(rows)  # fmt: skip


def ordinary(rows: list[Row]) -> str:
    text = ("## Ordinary tables, penalised\n\nRandom tables of 5 to 300 rows and columns, of rank "
            "0 to full, noise of 0 to 1 standard deviation, λ from 1e-4 to 1 of the largest, θ of "
            "0, ½ and 1, seen uniformly, by a power law, in blocks or whole, some with repeated "
            "rows or constant columns. Each is solved once, at the default tolerance of 1e-6; the "
            "rows are classes of the number of cells. *Gap* is the largest.")  # fmt: skip
    head = ["cells", "solver", "certified", "gap", "median", "slowest", "ratio", "load"]
    return f"{text}\n\n" + grid(head, [
        [r["title"], label(r), f"{r['certified']} of {r['tries']}", number(r["relative_gap"]),
         small(r["seconds"]), small(r["slowest"]), f"{r['slowest'] / r['seconds']:.0f}",
         load_of(r)]
        for r in sorted(rows, key=lambda r: int(r["instance"].split("-")[1])) if "failed" not in r
    ])  # fmt: skip


def scale(rows: list[Row]) -> str:
    text = ("## Scale\n\nOne process, one solve, compilation included. *Found* is when the misfit "
            "of the answer was reached; proofs come after it. *Peak* is the whole process: "
            "interpreter, libraries and the instance too.")  # fmt: skip
    head = ["instance", "solver", "seconds", "found", "peak GB", "status", "rank", "gap", "error",
            "load"]  # fmt: skip
    return f"{text}\n\n" + grid(head, [
        [r["title"], label(r), seconds(r["seconds"]), seconds(r.get("found_seconds")),
         f"{r['peak_bytes'] / 1e9:.2f}", r["status"],
         str(r["rank"]), number(r["relative_gap"]), number(r["error"]), load_of(r)]
        for r in rows if "failed" not in r
    ])  # fmt: skip


def cli(rows: list[Row]) -> str:
    text = ("## From the command line\n\nFile in, certified completion and report out, start of "
            "the interpreter included. *Cold* is the first run after installing: nothing is "
            "compiled yet. RMSE is on the tenth that the command itself holds out.")  # fmt: skip
    head = ["set", "seconds", "cold", "status", "rank", "gap", "RMSE", "offsets", "peak GB", "load"]
    return f"{text}\n\n" + grid(head, [
        [r["title"], seconds(r["seconds"]), seconds(r["cold_seconds"]), r["status"],
         str(r["rank"]), number(r["relative_gap"]), f"{r['error']:.4f}", f"{r['baseline']:.4f}",
         f"{r['peak_bytes'] / 1e9:.2f}", load_of(r)]
        for r in rows if "failed" not in r
    ])  # fmt: skip


def kernels(rows: list[Row]) -> str:
    text = ("## One gradient\n\nResidual and both sides, nanoseconds an entry; *error* is against "
            "SciPy in float64.")  # fmt: skip
    head = ["instance", "compiled", "XLA alone", "SciPy", "× XLA", "× SciPy", "error", "load"]
    lines = []
    for r in rows:
        if "failed" in r:
            continue
        ours, xla, scipy = (r[name]["ns_per_entry"] for name in ("compiled", "xla", "scipy"))
        lines.append([r["title"], f"{ours:.1f}", f"{xla:.0f}", f"{scipy:.0f}",
                      f"{xla / ours:.0f}", f"{scipy / ours:.0f}",
                      number(r["compiled"]["error"]), load_of(r)])  # fmt: skip
    return f"{text}\n\n" + grid(head, lines)


def sweeps(rows: list[Row]) -> str:
    text = ("## One sweep of the posterior's sampler\n\nNoise of rows and columns. *Needed*: its "
            "Gram matrices, Cholesky factors and draws alone. *Two*: two chains on two cores, a "
            "sweep of each counted half.")  # fmt: skip
    head = ["table", "one core", "needed", "ratio", "two", "speedup", "peak GB", "load"]
    return f"{text}\n\n" + grid(head, [
        [r["title"], small(r["seconds"]), small(r["needed_seconds"]),
         f"{r['seconds'] / r['needed_seconds']:.2f}", small(r["two_seconds"]),
         f"{r['speedup']:.2f}", f"{r['peak_bytes'] / 1e9:.2f}", load_of(r)]
        for r in rows if "failed" not in r
    ])  # fmt: skip


def figures(rows: list[Row]) -> str:
    text = ("## Instances of the figures\n\nFlat solutions of 20 draws a cell, to a relative gap "
            "of at most 1e-6, computed for everybody in the same way; neither the truth nor its "
            "rank is told. *Seconds* and *CPU* are for one instance, on the wall and of all "
            "processors: flatrank takes the draws together, cvxpy one after another. cvxpy is "
            "given the rescaled measurements, and the loosest tolerance that closes the gap; "
            "*own clock* is SCS alone. × says how many times as long as flatrank.")  # fmt: skip
    head = ["instance", "solver", "seconds", "×", "CPU", "× CPU", "own clock", "× own", "closed",
            "gap", "recovered", "load"]  # fmt: skip
    lines = []
    for title, group in grouped([r for r in rows if "failed" not in r], "title"):
        ours = next((r for r in group if r["label"].startswith("flatrank")), None)
        lines += [
            [
                title, label(r), small(r["seconds"]), times(r, ours, "seconds", "seconds"),
                small(r["cpu_seconds"]), times(r, ours, "cpu_seconds", "cpu_seconds"),
                small(r.get("own_seconds")), times(r, ours, "own_seconds", "seconds"),
                f"{r['certified']} of {r['of']}", number(r["relative_gap"]),
                f"{r['recovered']} of {r['of']}", load_of(r),
            ]
            for r in group
        ]  # fmt: skip
    return f"{text}\n\n" + grid(head, lines) + notes(rows)


def robust(rows: list[Row]) -> str:
    text = ("## Robust PCA\n\nGaussian factors over n, ±1 added to a share of the entries; and "
            "300 frames of a film, a frame a row. *Cold* is the first call, compilation included; "
            "flatrank's proof is part of its time. *Error* is that of the matrix of low rank; × "
            "says how many times as long as flatrank warm, where the street asks for a gap of "
            "1e-3.")  # fmt: skip
    head = ["instance", "solver", "seconds", "cold", "×", "error", "objective", "gap", "rank",
            "steps", "load"]  # fmt: skip
    lines = []
    for title, group in grouped([r for r in rows if "failed" not in r], "title"):
        ours = [r for r in group if r["label"].startswith("flatrank")]
        lines += [
            [title, label(r), seconds(r["seconds"]), seconds(r.get("cold_seconds")),
             "" if r in ours or not ours else f"{r['seconds'] / ours[-1]['seconds']:.1f}",
             number(r["error"]) if r["error"] is not None else "", f"{r['objective']:.2f}",
             number(r["relative_gap"]) if "relative_gap" in r else "none", str(r["rank"]),
             str(r["iterations"]), load_of(r)]
            for r in group
        ]  # fmt: skip
    return f"{text}\n\n" + grid(head, lines) + notes(rows)


def tomography(rows: list[Row]) -> str:
    text = ("## Tomography\n\nRank not told. *Cold* is the first solve of a process, compilation "
            "included; *seconds* the median of the others: each other ion state once, the same "
            "mean values of all 65 536 Pauli strings again. *Fidelity*, the least, is with the "
            "states published with the ion data, made by another criterion, and with the truth for "
            "qubits.")  # fmt: skip
    head = ["instance", "seconds", "cold", "certified", "unique", "rank", "fidelity", "error",
            "gap", "load"]  # fmt: skip
    return f"{text}\n\n" + grid(head, [
        [r["title"], seconds(r["seconds"]), seconds(r["cold_seconds"]),
         f"{r['certified']} of {r['of']}", f"{r['unique']} of {r['of']}",
         "-".join(str(k) for k in sorted({r["ranks"][0], r["ranks"][-1]})),
         f"{r['fidelity']:.4f}", "" if r["instance"] == "ions" else number(r["error"]),
         number(r["relative_gap"]), load_of(r)]
        for r in rows if "failed" not in r
    ])  # fmt: skip


def phase(rows: list[Row]) -> str:
    text = ("## Phase retrieval\n\nComplex signals, only the sizes seen. *Unique* is what claims "
            "recovery: the gap closes for anything that fits. *Cold* is the first call, "
            "compilation included; *CPU* of the warm one, on all cores.")  # fmt: skip
    head = ["instance", "seconds", "cold", "CPU", "status", "unique", "rank", "error", "gap",
            "load"]  # fmt: skip
    return f"{text}\n\n" + grid(head, [
        [r["title"], seconds(r["seconds"]), seconds(r["cold_seconds"]), seconds(r["cpu_seconds"]),
         r["status"], yes(r["unique"]), str(r["rank"]), number(r["error"]),
         number(r["relative_gap"]), load_of(r)]
        for r in rows if "failed" not in r
    ])  # fmt: skip


def balanced(rows: list[Row]) -> str:
    text = ("## Balanced pairs\n\nA matrix seen everywhere, ‖M‖ = 1, from random starts U P, V P. "
            "*Reached*: ‖X − M‖² exceeds the least there is (Eckart and Young) by at most 1e-12 "
            "‖M‖²; *far above* it: by more than 1e-3 ‖M‖². *Excess* is the worst, *seconds* and "
            "*steps* are medians of a start, warm.")  # fmt: skip
    head = ["instance", "solver", "reached", "far above", "excess", "seconds", "steps", "load"]
    return f"{text}\n\n" + grid(head, [
        [r["title"], label(r), f"{r['reached']} of {r['of']}", str(r["stuck"]),
         number(max(r["error"], 0.0)), small(r["seconds"]), f"{r['iterations']:.0f}", load_of(r)]
        for r in sorted(rows, key=lambda r: int(r["instance"].lstrip("k"))) if "failed" not in r
    ]) + notes(rows)  # fmt: skip


def manifolds(rows: list[Row]) -> str:
    text = ("## Solvers for a given rank\n\nExact completion again, the find step alone, as in "
            "the first table. Time and steps to a relative error of the whole matrix of 1e-6 and "
            "of 1e-12, warm; *cold* is the first call to 1e-6, compilation included.")  # fmt: skip
    head = ["instance", "solver", "to 1e-6", "steps", "to 1e-12", "steps", "cold", "load"]
    return f"{text}\n\n" + grid(head, [
        [r["title"], label(r), seconds(r["seconds"]), str(r["iterations"]),
         seconds(r["until"] and r["until"]["seconds"]),
         str(r["until"]["iterations"]) if r["until"] else "not reached",
         seconds(r["cold_seconds"]), load_of(r)]
        for r in sorted(rows, key=lambda r: r.get("seconds") or float("inf")) if "failed" not in r
    ])  # fmt: skip


def times(row: Row, ours: Row | None, key: str, other: str) -> str:
    """How many times ours; nothing for ours itself."""
    if ours is None or row is ours or key not in row:
        return ""
    return f"{row[key] / ours[other]:.0f}"


BLOCKS = {
    "completion": completion,
    "manifolds": manifolds,
    "certified": certified,
    "hard": hard,
    "penalised": penalised,
    "ordinary": ordinary,
    "kernels": kernels,
    "sweeps": sweeps,
    "figures": figures,
    "robust": robust,
    "tomography": tomography,
    "phase": phase,
    "balanced": balanced,
    "cli": cli,
    "ratings": ratings,
    "implicit": implicit,
    "coverage": coverage,
    "imputing": imputing,
    "sharpness": sharpness,
    "scale": scale,
}
