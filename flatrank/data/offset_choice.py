"""Which offsets to use, decided on a validation part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatrank.data.entries import InputError
from flatrank.data.offsets import Design, Kind, Offsets

#: Simplest first; between kinds that validation cannot tell apart the earlier one wins.
KINDS: tuple[Kind, ...] = ("none", "mean", "row", "col", "both")


@dataclass(frozen=True)
class OffsetTrial:
    """One candidate: its kind and ridges, and its root-mean-square error on the validation part."""

    kind: Kind
    ridge: tuple[float, float]
    rmse: float


def choose_offsets(
    rows: ArrayLike,
    cols: ArrayLike,
    values: ArrayLike,
    shape: tuple[int, int],
    train_idx: ArrayLike,
    val_idx: ArrayLike,
) -> tuple[Offsets, tuple[OffsetTrial, ...]]:
    """Fit every candidate to the training part and keep the best on the validation part.

    Within a kind the ridges with the smallest validation error win. Between kinds the simplest
    one wins whose mean squared error exceeds the best by at most one standard error of the
    (paired) difference.

    Parameters
    ----------
    rows, cols, values, shape
        (m,) positions and values in a d1 × d2 matrix.
    train_idx, val_idx
        Indices into the entries, as `split` returns them.

    Returns
    -------
    offsets, trials
        The choice, fitted to the training part alone (`Offsets.refit` fits it to more; rows and
        columns unseen in training have effect 0), and all candidates in the order tried.

    Raises
    ------
    InputError
        If a part is empty.

    Notes
    -----
    One fit per candidate, 17 of them ("both" tries all pairs of ridges), each started from its
    neighbour, on entries laid out once, to the third digit of the error at best.
    """
    train, validation = np.asarray(train_idx), np.asarray(val_idx)
    if train.size == 0 or validation.size == 0:
        raise InputError(
            "Choosing offsets needs training and validation entries, "
            f"got {train.size} and {validation.size}."
        )
    i, j, v = np.asarray(rows), np.asarray(cols), np.asarray(values, dtype=np.float64)
    design = Design(i[train], j[train], v[train], shape)
    held = (i[validation], j[validation], v[validation])
    trials: list[OffsetTrial] = []
    best: dict[Kind, tuple[Offsets, NDArray[np.float64]]] = {}
    for kind in KINDS:
        offsets: Offsets | None = None
        for ridge in _ridges(kind):
            if kind == "none":
                offsets = Offsets.none(shape)
            else:
                offsets = design.solve(ridge, offsets, rtol=1e-5)
            squares = (held[2] - offsets.at(held[0], held[1])) ** 2
            trials.append(OffsetTrial(kind, ridge, float(np.sqrt(squares.mean()))))
            if kind not in best or squares.mean() < best[kind][1].mean():
                best[kind] = (offsets, squares)
    chosen = best[_simplest(best)][0]
    if chosen.kind != "none":
        chosen = design.solve(chosen.ridge, chosen)
    return chosen, tuple(trials)


def _ridges(kind: Kind) -> list[tuple[float, float]]:
    weights = (1.0, 4.0, 16.0)
    rows = weights if kind in ("row", "both") else (np.inf,)
    cols = weights if kind in ("col", "both") else (np.inf,)
    # Back and forth along the columns, so that each fit starts from a neighbour.
    return [
        (row, col) for n, row in enumerate(rows) for col in (cols if n % 2 == 0 else cols[::-1])
    ]


def _simplest(best: dict[Kind, tuple[Offsets, NDArray[np.float64]]]) -> Kind:
    winner = min(best, key=lambda kind: float(best[kind][1].mean()))
    for kind in best:
        excess = best[kind][1] - best[winner][1]
        error = float(excess.std()) / np.sqrt(excess.size)
        if float(excess.mean()) <= error:
            return kind
    return winner
