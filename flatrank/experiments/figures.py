"""Figures of several sweeps: the paper's 3 and 4, and the collapse of shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flatrank.experiments.draws import Ensemble, Family
from flatrank.experiments.grids import checked_numbers
from flatrank.experiments.sweeps import Sweep, phase_transition

#: The panels (a) to (d) of the paper's figure 3; figure 4 has the first three.
PANELS: tuple[Family, ...] = ("sensing", "bilinear", "completion", "quadratic")


def figure_3(**options: Any) -> tuple[Sweep, ...]:
    """The four panels of the paper's figure 3; options as of `phase_transition`, but `sizes`."""
    return tuple(phase_transition(family, **options) for family in PANELS)


def figure_4(**options: Any) -> tuple[Sweep, ...]:
    """The three panels of the paper's figure 4, of the cells of `figure_3`."""
    return tuple(phase_transition(family, **options) for family in PANELS[:3])


def collapse(
    shapes: Sequence[tuple[int, int, int]] | None = None,
    sizes: Sequence[float] | None = None,
    **options: Any,
) -> tuple[Sweep, ...]:
    """Gaussian measurements of matrices of several shapes and ranks, over m/(r(d1 + d2)).

    Parameters
    ----------
    shapes : sequence of (d1, d2, r), optional
        By default three square ones, two of 1 : 2 and one of 1 : 4.
    sizes : sequence of float, optional
        m/(r(d1 + d2)); 1, 1.2, …, 3.4 by default.
    **options
        As of `phase_transition`: draws, seed, folder, monitor.

    Returns
    -------
    tuple of Sweep
        One for each shape.
    """
    usual = [(20, 20, 1), (20, 20, 2), (40, 40, 2), (15, 30, 2), (24, 48, 3), (12, 48, 1)]
    usual_sizes = [1 + 0.2 * n for n in range(13)]
    ratios = checked_numbers("sizes", usual_sizes if sizes is None else sizes)
    return tuple(
        phase_transition(
            Ensemble("sensing", r, d2 / d1),
            dims=(d1,),
            sizes=[round(ratio * r * (d1 + d2)) for ratio in ratios],
            **options,
        )
        for d1, d2, r in (usual if shapes is None else shapes)
    )
