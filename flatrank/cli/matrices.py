"""Commands about matrices given whole, or through measurements: `separate` and `recover`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flatrank.cli.commands import (
    AsJson,
    Force,
    Keep,
    MaxSeconds,
    Missing,
    Quiet,
    Seed,
    Tol,
    app,
    names_in,
)


@app.command()
def separate(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="MATRIX",
            help="A wide table, one line a row (csv, tsv, parquet; - for standard input), an array "
            "(npy), or a folder of pictures of one size.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("separated"),
    sparsity: Annotated[
        float | None,
        typer.Option(metavar="W", help="Weight of the outliers; by default 1/sqrt(longer side)."),
    ] = None,
    radius: Annotated[
        float | None,
        typer.Option(metavar="R", help="What the sizes of the outliers add up to, if known."),
    ] = None,
    keep: Keep = None,
    missing: Missing = None,
    tol: Tol = 1e-4,
    max_seconds: MaxSeconds = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
    force: Force = False,
) -> int:
    """A matrix with gross errors in; its part of low rank and its outliers out, with proof."""
    from flatrank.cli.separating import Separation

    asked = Separation(
        source,
        out,
        force,
        context.obj or "",
        keep=names_in(keep),
        missing=names_in(missing),
        form={"sparsity": sparsity, "radius": radius},
        fit={"tol": tol, "max_seconds": max_seconds, "seed": seed},
    )
    return asked.run(quiet=quiet, json=as_json)


@app.command()
def recover(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="PROBLEM",
            help="Measurements, npz or safetensors, - for standard input: A (m, d1, d2) and b; a, "
            "c and b; x and y; or effects and frequencies. Or the folder of a saved solution.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("recovered"),
    family: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="sensing, bilinear, covariance, quadratic_network, phase_retrieval or tomography; "
            "by default the one whose arrays are there.",
        ),
    ] = None,
    lam: Annotated[
        float | None, typer.Option(metavar="X", help="Weight of the norm; 0 fits exactly.")
    ] = None,
    lam_ratio: Annotated[
        float | None,
        typer.Option(metavar="X", help="The weight as a share of the one at which X is zero."),
    ] = None,
    smoothing: Annotated[
        float | None, typer.Option(metavar="X", help="From 0 (flat) to 1 (norm-minimal).")
    ] = None,
    goal: Annotated[
        str,
        typer.Option(
            metavar="recover|flat",
            help="Whether a low-rank matrix that fits exactly will do, or the flattest is asked.",
        ),
    ] = "recover",
    rank: Annotated[int | None, typer.Option(metavar="K", help="Largest rank.")] = None,
    tol: Tol = 1e-6,
    max_seconds: MaxSeconds = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
    force: Force = False,
) -> int:
    """Stored measurements of a matrix in; its factors and singular values out, with proof."""
    from flatrank.cli.recovering import Recovery

    fit = {"goal": goal, "rank": rank, "tol": tol, "max_seconds": max_seconds, "seed": seed}
    numbers = {"lam": lam, "lam_ratio": lam_ratio, "smoothing": smoothing}
    asked = Recovery(source, out, force, context.obj or "", family, numbers, fit)
    return asked.run(quiet=quiet, json=as_json)
