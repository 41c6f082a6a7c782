"""Commands of clicks, of vectors for other programs, of this machine: each hands over at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flatrank.cli.commands import (
    AsJson,
    Col,
    Force,
    Missing,
    Query,
    Quiet,
    Row,
    RunFolder,
    Seed,
    Tol,
    names_in,
)
from flatrank.cli.matrices import app


@app.command()
def implicit(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT", help="Clicks, plays or purchases, one a line; files as for complete."
        ),
    ],
    row: Row = None,
    col: Col = None,
    value: Annotated[
        str | None,
        typer.Option(help="Column with counts; a line is one click if not given."),
    ] = None,
    query: Query = None,
    missing: Missing = None,
    factors: Annotated[int, typer.Option(help="Columns of the factors at most.")] = 64,
    alpha: Annotated[float, typer.Option(help="What a click adds to the confidence 1.")] = 5.0,
    lam_ratio: Annotated[float, typer.Option(help="Weight of the norm, of the largest.")] = 0.1,
    sweeps: Annotated[int, typer.Option(help="Sweeps of alternating least squares.")] = 15,
    seed: Seed = 0,
    tol: Tol = 1e-4,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("run"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    force: Force = False,
) -> int:
    """Clicks in; factors that rank what was not clicked, and how far they are from the best."""
    from flatrank.cli.clicking import Clicks

    asked = Clicks(
        source,
        out,
        force,
        context.obj or "",
        reading={"row": row, "col": col, "count": value, "query": query,
                 "missing": names_in(missing)},
        fit={"factors": factors, "alpha": alpha, "lam_ratio": lam_ratio, "sweeps": sweeps,
             "tol": tol, "seed": seed},
    )  # fmt: skip
    return asked.run(quiet=quiet, json=as_json)


@app.command()
def export(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(help="Folder for rows.parquet and columns.parquet.")],
    force: Annotated[bool, typer.Option("--force", help="Replace files of these names.")] = False,
) -> int:
    """Vectors of rows and columns for an index: inner products are values of the flat solution."""
    from flatrank.cli.using import export_vectors

    return export_vectors(folder, out, force)


@app.command()
def bench(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as JSON, and nothing else.")
    ] = False,
    quiet: Quiet = False,
) -> int:
    """Time and error on this machine, of flatrank and of other ways that are installed."""
    from flatrank.cli.benching import bench as measured

    return measured(quiet=quiet, as_json=as_json)
