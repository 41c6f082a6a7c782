"""The commands and their options; each hands over to one function."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flatrank.cli.intervals import Intervals, asked_for
from flatrank.cli.terminal import say

app = typer.Typer(
    name="flatrank",
    help="Complete a matrix known at some of its entries, and prove the answer.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 certified or done; 3 finished without a certificate; 2 bad input; "
    "130 interrupted.",
)

Row = Annotated[
    str | None, typer.Option(help="Column with the row ids; found by name if not given.")
]
Col = Annotated[
    str | None, typer.Option(help="Column with the column ids; found by name if not given.")
]
Value = Annotated[
    str | None, typer.Option(help="Column with the values; found by name if not given.")
]
BadRows = Annotated[str, typer.Option(metavar="error|skip", help="What to do with unusable lines.")]
Keep = Annotated[
    str | None, typer.Option(metavar="NAME,NAME,...", help="Columns to leave as they are.")
]
Seed = Annotated[int, typer.Option(help="Of every random choice.")]
Tol = Annotated[float, typer.Option(help="Relative gap to prove.")]
MaxSeconds = Annotated[float | None, typer.Option(help="Stop after so long.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print run.json, and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the run that is in the folder.")]
Missing = Annotated[
    str | None,
    typer.Option(metavar="X,X,...", help="Values that stand for missing ones, such as -999."),
]
Query = Annotated[
    str | None,
    typer.Option(metavar="SQL", help="What to read of a database: row, column, value."),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]


def names_in(text: str | None) -> list[str]:
    """Names, or values, with commas between them."""
    return [name.strip() for name in text.split(",")] if text else []


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        say(f"flatrank {version('flatrank')}\n")
        raise typer.Exit(0)


@app.callback()
def flatrank(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Complete a matrix known at some of its entries, and prove the answer."""


@app.command()
def complete(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="Entries: csv, tsv, parquet, MatrixMarket, npz or h5ad; - for standard input; a "
            "database, with --query; movielens_latest_small_2016 or insteval for a set at hand.",
        ),
    ],
    row: Row = None,
    col: Col = None,
    value: Value = None,
    lam: Annotated[
        str, typer.Option(metavar="auto|X", help="Weight of the norm; 0 fits exactly.")
    ] = "auto",
    rank: Annotated[str, typer.Option(metavar="auto|K", help="Largest rank.")] = "auto",
    smoothing: Annotated[
        float | None, typer.Option(help="From 0 (flat) to 1 (norm-minimal); by default a half.")
    ] = None,
    holdout: Annotated[float, typer.Option(help="Share of the entries kept for testing.")] = 0.1,
    seed: Seed = 0,
    tol: Tol = 1e-4,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("run"),
    as_json: AsJson = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.html.")] = False,
    quiet: Quiet = False,
    max_seconds: MaxSeconds = None,
    predict: Annotated[
        str,
        typer.Option(
            metavar="posterior|flat",
            help="Predict by the mean of the posterior, with intervals, or by the flat solution.",
        ),
    ] = "posterior",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what was interrupted.")
    ] = False,
    force: Force = False,
    query: Query = None,
    bad_rows: BadRows = "error",
    duplicates: Annotated[
        str,
        typer.Option(
            metavar="mean|last|sum|error", help="What a place gets that has several values."
        ),
    ] = "mean",
    missing: Missing = None,
    row_features: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="What is known of rows: ids, numbers, words; new ids too."
        ),
    ] = None,
    col_features: Annotated[
        str | None, typer.Option(metavar="FILE", help="What is known of columns.")
    ] = None,
) -> int:
    """Entries in; completed model, certificate and report out."""
    from flatrank.cli.completing import Job, complete_entries

    fit: dict[str, Any] = {
        "lam": lam, "rank": rank, "smoothing": smoothing, "holdout": holdout, "seed": seed,
        "tol": tol, "max_seconds": max_seconds, "predict": predict,
    }  # fmt: skip
    job = Job(
        source,
        {
            "query": query,
            "row": row,
            "col": col,
            "value": value,
            "bad_rows": bad_rows,
            "duplicates": duplicates,
            "missing": names_in(missing),
            "row_features": row_features,
            "col_features": col_features,
        },
        fit,
        out,
        report=not no_report,
        quiet=quiet or as_json,
        json=as_json,
        resume=resume,
        force=force,
        command=context.obj or "",
    )
    return complete_entries(job)


@app.command()
def predict(  # noqa: PLR0913 - one parameter an option
    folder: RunFolder,
    pairs: Annotated[
        str, typer.Argument(metavar="PAIRS", help="File with row and column ids; - for stdin.")
    ],
    row: Row = None,
    col: Col = None,
    out: Annotated[Path | None, typer.Option(help="File to write instead of stdout.")] = None,
    interval: Annotated[
        float | None,
        typer.Option(metavar="LEVEL", help="Add columns low, high: 0.9 for 90 % intervals."),
    ] = None,
    intervals: Intervals = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Add columns: known ids? value determined?")
    ] = False,
) -> int:
    """Values for listed pairs, as csv: row,col,value."""
    from flatrank.cli.using import predict_pairs

    return predict_pairs(folder, pairs, (row, col), out, asked_for(interval, intervals), verbose)


@app.command()
def recommend(
    folder: RunFolder,
    row: Annotated[str, typer.Option(metavar="ID", help="The row to recommend to.")],
    top: Annotated[int, typer.Option(metavar="N", help="How many.")] = 10,
    by: Annotated[
        str,
        typer.Option(
            metavar="mean|low", help="Order by the value, or by what it exceeds 9 times in 10."
        ),
    ] = "mean",
) -> int:
    """The best columns that a row has not seen."""
    from flatrank.cli.using import recommend_columns

    return recommend_columns(folder, row, top, by)


@app.command()
def impute(  # noqa: PLR0913 - one parameter an option
    source: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="A wide table, one line a row, with blanks in it: csv, tsv or parquet; - for "
            "standard input.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write, csv or parquet, instead of stdout.")
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(metavar="LEVEL", help="Add columns NAME_low, NAME_high: 0.9 for 90 %."),
    ] = None,
    intervals: Intervals = None,
    keep: Keep = None,
    missing: Missing = None,
    predict: Annotated[
        str,
        typer.Option(
            metavar="posterior|flat",
            help="Fill with the mean of the posterior, or with the flat solution.",
        ),
    ] = "posterior",
    average: Annotated[
        bool,
        typer.Option(
            "--average", help="Fill with a weighted mean of flatrank and simpler ways to fill."
        ),
    ] = False,
    seed: Seed = 0,
    max_seconds: MaxSeconds = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --out.")] = False,
) -> int:
    """A wide table with gaps in; the same table filled out, with error bars on request."""
    from flatrank.cli.imputing import impute_table

    fit = {"predict": predict, "seed": seed, "max_seconds": max_seconds, "average": average}
    asked, aside = asked_for(interval, intervals), (names_in(keep), names_in(missing))
    return impute_table(source, out, asked, aside, fit, quiet=quiet, force=force)


@app.command()
def evaluate(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Entries, as for complete, or a wide table with blanks, as for impute; - for "
            "standard input.",
        ),
    ],
    wide: Annotated[
        bool,
        typer.Option("--wide", help="It is a wide table, one line a row; found out if not given."),
    ] = False,
    row: Row = None,
    col: Col = None,
    value: Value = None,
    keep: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME,...", help="Columns of a wide table to leave aside."),
    ] = None,
    missing: Missing = None,
    query: Query = None,
    folds: Annotated[int, typer.Option(help="Parts of the entries, hidden in turn.")] = 5,
    fold: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column that says which part an entry is in."),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Entries, or a filled table, to predict instead."),
    ] = None,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json.")] = Path("evaluation"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print evaluation.json, and nothing else.")
    ] = False,
    quiet: Quiet = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the evaluation that is in the folder.")
    ] = False,
    bad_rows: BadRows = "error",
) -> int:
    """How well flatrank would do on a file, beside simpler ways."""
    from flatrank.cli.evaluating import Question, evaluate_file

    question = Question(
        source,
        {
            "query": query,
            "row": row,
            "col": col,
            "value": value,
            "bad_rows": bad_rows,
            "missing": names_in(missing),
        },
        wide=wide,
        keep=names_in(keep),
        folds=folds,
        fold=fold,
        test=test,
        seed=seed,
        out=out,
        json=as_json,
        quiet=quiet or as_json,
        force=force,
        command=context.obj or "",
    )
    return evaluate_file(question)


@app.command()
def certify(folder: RunFolder) -> int:
    """Derive the certificate once more, from the files of a run."""
    from flatrank.cli.using import certify_run

    return certify_run(folder)


_EXPERIMENTS = (
    "figure-3, figure-4, phase-transition, theorem-sweep, weak-recovery, collapse, noise, width, "
    "isometry, networks, networks-ranks or networks-depth."
)


@app.command()
def experiment(  # noqa: PLR0913 - one parameter an option
    name: Annotated[str, typer.Argument(metavar="NAME", help=_EXPERIMENTS)],
    family: Annotated[
        str | None,
        typer.Option(
            metavar="sensing|bilinear|completion|quadratic|covariance|robust",
            help="What is measured; sensing when not given. Of phase-transition and theorem-sweep.",
        ),
    ] = None,
    dims: Annotated[
        str | None, typer.Option(metavar="D,D,...", help="Sizes d of the d x d matrices.")
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="M,M,...",
            help="Numbers of measurements; for completion probabilities of an entry, for robust "
            "shares of errors, for collapse m/(r(d1 + d2)); widths; sizes of the noise; for "
            "networks steps of training.",
        ),
    ] = None,
    rank: Annotated[
        int | None, typer.Option(help="Rank of the truth; 2 by default, for quadratic and width 3.")
    ] = None,
    draws: Annotated[
        int | None, typer.Option(help="Draws in each cell; 10, of single curves 5, when not given.")
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path, typer.Option(help="Folder for the results; finished cells in it are used again.")
    ] = Path("experiment"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the table as JSON, and nothing else.")
    ] = False,
    quiet: Quiet = False,
) -> int:
    """A figure of the theory, every solution certified, as table and picture."""
    from flatrank.cli.experimenting import run_experiment

    asked = {"family": family, "rank": rank, "draws": draws, "seed": seed}
    return run_experiment(name, asked, (dims, sizes), out, as_json=as_json, quiet=quiet)


@app.command()
def doctor() -> int:
    """Versions, devices, threads, and the kernels in use."""
    from flatrank.cli.doctor import examine

    return examine()
