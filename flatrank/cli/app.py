"""The commands and their options; each hands over to one function."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flatrank.cli.interrupts import INTERRUPTED
from flatrank.cli.streams import complain, prepare_streams, say


class _Interrupted(Exception):
    """Ctrl-C in a command; typer would answer KeyboardInterrupt itself, without a word."""


class _Commands(TyperGroup):
    """The commands, with Ctrl-C left to `run`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _Interrupted from None


app = typer.Typer(
    name="flatrank",
    cls=_Commands,
    help="Complete a matrix known at some of its entries, and prove the answer.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 certified or done; 3 finished without a certificate; 2 bad input; "
    "130 interrupted.",
)

# typer does not give its usage errors a public name; BadParameter is one of them.
_USAGE: type[Exception] = typer.BadParameter.__mro__[1]

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]


def run(arguments: list[str]) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : list of str
        Without the name of the program.

    Returns
    -------
    int
        The exit code; what went wrong was said in one line on standard error.

    Raises
    ------
    ValueError
        If it is not about the input: a mistake of the program keeps its traceback.
    """
    prepare_streams()
    command = typer.main.get_command(app)
    # Kept in the record: the command that makes the same run from nothing.
    line = shlex.join(["flatrank", *(word for word in arguments if word != "--resume")])
    twice = _given_twice(arguments)
    if twice is not None:
        complain(f"{twice} is given twice, and one of them would be dropped; give it once.")
        return 2
    try:
        code = command.main(
            arguments or ["--help"], prog_name="flatrank", standalone_mode=False, obj=line
        )
        return int(code or 0)
    except _USAGE as misused:
        context = getattr(misused, "ctx", None)
        where = context.command_path if context is not None else "flatrank"
        complain(f"{misused.format_message()} (see {where} --help)")  # pyright: ignore[reportAttributeAccessIssue]
        return 2
    except ValueError as refused:
        # Imported here: the room costs half a second, which --help should not take.
        from flatrank.data.entries import InputError

        if not isinstance(refused, InputError):
            raise
        complain(str(refused))
        return 2
    except OSError as refused:
        place = f"{refused.filename}: " if refused.filename else ""
        complain(f"{place}{refused.strerror or refused}.")
        return 2
    except MemoryError as short:
        complain(f"out of memory: {str(short) or 'the input is too large for this machine'}.")
        return 2
    except (_Interrupted, KeyboardInterrupt, typer.Abort):
        complain("interrupted.")
        return INTERRUPTED


def _given_twice(arguments: list[str]) -> str | None:
    """The first option that comes a second time."""
    seen: set[str] = set()
    for word in arguments:
        if word == "--":
            break
        option = word.partition("=")[0]
        if option.startswith("--") and option in seen:
            return option
        seen.add(option)
    return None


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
            help="Entries: csv, tsv, parquet, MatrixMarket or npz; - for standard input; "
            "movielens_latest_small_2016 or insteval for a set that is at hand.",
        ),
    ],
    row: Annotated[
        str | None, typer.Option(help="Column with the row ids; found by name if not given.")
    ] = None,
    col: Annotated[
        str | None, typer.Option(help="Column with the column ids; found by name if not given.")
    ] = None,
    value: Annotated[
        str | None, typer.Option(help="Column with the values; found by name if not given.")
    ] = None,
    lam: Annotated[
        str, typer.Option(metavar="auto|X", help="Weight of the norm; 0 fits exactly.")
    ] = "auto",
    rank: Annotated[str, typer.Option(metavar="auto|K", help="Largest rank.")] = "auto",
    smoothing: Annotated[
        float | None, typer.Option(help="From 0 (flat) to 1 (norm-minimal); chosen by default.")
    ] = None,
    holdout: Annotated[float, typer.Option(help="Share of the entries kept for testing.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    tol: Annotated[float, typer.Option(help="Relative gap to prove.")] = 1e-4,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("run"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print run.json, and nothing else.")
    ] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.html.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
    max_seconds: Annotated[float | None, typer.Option(help="Stop after so long.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what was interrupted.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the run that is in the folder.")
    ] = False,
    bad_rows: Annotated[
        str, typer.Option(metavar="error|skip", help="What to do with unusable lines.")
    ] = "error",
) -> int:
    """Entries in; completed model, certificate and report out."""
    from flatrank.cli import options

    fit = options.Fit(
        options.parse_lam(lam), options.parse_rank(rank), smoothing, holdout, seed, tol, max_seconds
    )
    job = options.Job(
        source,
        row,
        col,
        value,
        options.check_bad_rows(bad_rows),
        fit,
        out,
        report=not no_report,
        quiet=quiet or as_json,
        json=as_json,
        resume=resume,
        command=context.obj or "",
        force=force,
    )
    from flatrank.cli.completing import complete_entries

    return complete_entries(job)


@app.command()
def predict(
    folder: RunFolder,
    pairs: Annotated[
        str, typer.Argument(metavar="PAIRS", help="File with row and column ids; - for stdin.")
    ],
    row: Annotated[
        str | None, typer.Option(help="Column with the row ids; found by name if not given.")
    ] = None,
    col: Annotated[
        str | None, typer.Option(help="Column with the column ids; found by name if not given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write instead of stdout.")] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Add columns: known ids? value determined?")
    ] = False,
) -> int:
    """Values for listed pairs, as csv: row,col,value."""
    from flatrank.cli.using import predict_pairs

    return predict_pairs(folder, pairs, (row, col), out, verbose)


@app.command()
def recommend(
    folder: RunFolder,
    row: Annotated[str, typer.Option(metavar="ID", help="The row to recommend to.")],
    top: Annotated[int, typer.Option(metavar="N", help="How many.")] = 10,
) -> int:
    """The best columns that a row has not seen."""
    from flatrank.cli.using import recommend_columns

    return recommend_columns(folder, row, top)


@app.command()
def certify(folder: RunFolder) -> int:
    """Derive the certificate once more, from the files of a run."""
    from flatrank.cli.checking import certify_run

    return certify_run(folder)


@app.command()
def experiment(  # noqa: PLR0913 - one parameter an option
    name: Annotated[str, typer.Argument(metavar="NAME", help="phase-transition or theorem-sweep.")],
    family: Annotated[
        str, typer.Option(metavar="sensing|bilinear|completion|quadratic", help="What is measured.")
    ] = "sensing",
    dims: Annotated[
        str | None, typer.Option(metavar="D,D,...", help="Sizes d of the d x d matrices.")
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="M,M,...",
            help="Numbers of measurements; for completion probabilities of an entry.",
        ),
    ] = None,
    rank: Annotated[
        int | None, typer.Option(help="Rank of the truth; 2, for quadratic 3, when not given.")
    ] = None,
    draws: Annotated[int, typer.Option(help="Draws of the measurements in each cell.")] = 10,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    out: Annotated[
        Path, typer.Option(help="Folder for the results; finished cells in it are used again.")
    ] = Path("experiment"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the table as JSON, and nothing else.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> int:
    """A figure of the theory, every solution certified, as table and picture."""
    from flatrank.cli.experimenting import Asked, run_experiment

    return run_experiment(Asked(name, family, dims, sizes, rank, draws, seed, out, as_json, quiet))


@app.command()
def doctor() -> int:
    """Versions, devices, threads, and the kernels in use."""
    from flatrank.cli.doctor import examine

    return examine()
