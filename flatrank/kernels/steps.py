"""Passes over long vectors on all processors, on NumPy's arrays: conjugate gradients, gathering.

A product comes in pieces, one for each factor, that lie anywhere; the other vectors are whole.
"""

from __future__ import annotations

from importlib import import_module

import numpy as np

from flatrank.arrays import Array
from flatrank.kernels import support
from flatrank.kernels.hardware import HARDWARE


def worthwhile(x: object) -> bool:
    """Whether the passes here are for such vectors."""
    long = isinstance(x, np.ndarray) and x.size >= HARDWARE.long and x.dtype.char in "fd"
    return long and not support.obstacle()


def curvature_along(
    p: np.ndarray, pieces: list[np.ndarray], ridge: np.ndarray | None
) -> tuple[float, float]:
    """h + ridge ∘ p in place of h, ⟨p, h⟩ and ⟨p, p⟩."""
    bend = square = 0.0
    for part, h in _parts(p.size, pieces):
        n = -(-h.size // HARDWARE.piece)
        sums = np.empty((2, n), p.dtype)
        given = {"P": p[part], "Q": h, "SUM": sums[0], "WORK": sums[1]}
        if ridge is not None:
            given["V"] = ridge[part]
        _run("curvature_along", given, h)
        bend, square = bend + float(np.sum(sums[0])), square + float(np.sum(sums[1]))
    return bend, square


def stepped(
    state: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    a: float,
    pieces: list[np.ndarray],
    diagonal: np.ndarray | None,
) -> float:
    """Of (x, r, p, z): x + a p and r − a h in their place, z = diagonal ∘ r, and ⟨r, z⟩.

    Without a diagonal z stays, and 0 is the answer.
    """
    x, r, p, z = state
    total, factor = 0.0, np.full(1, a, p.dtype)
    for part, h in _parts(p.size, pieces):
        given = {"X": x[part], "P": p[part], "Y": r[part], "Q": h, "W": factor}
        sums = np.zeros(-(-h.size // HARDWARE.piece), p.dtype)
        if diagonal is not None:
            given |= {"V": diagonal[part], "OUT": z[part], "SUM": sums}
        _run("stepped", given, h)
        total += float(np.sum(sums))
    return total


def turned(p: np.ndarray, a: float, z: np.ndarray) -> None:
    """A p + z in place of p."""
    _run("turned", {"P": p, "Q": z, "W": np.full(1, a, p.dtype)}, p)


def gathered(x: Array, places: Array) -> Array:
    """x[places] of a vector, for places (int32) that are known to lie in it."""
    if not isinstance(x, np.ndarray):
        return x[places]
    out = np.empty(places.size, x.dtype)
    plain = places.dtype == np.int32 and x.flags.c_contiguous and places.flags.c_contiguous
    if not (plain and worthwhile(out)):
        return np.take(x, places, mode="wrap")  # no check of each place
    given = {"Y": x, "INDICES": places, "OUT": out}
    _run("gathered", given, out, STRIDE=1, WIDTH=x.size)
    return out


def _parts(size: int, pieces: list[np.ndarray]) -> list[tuple[slice, np.ndarray]]:
    """Where each piece belongs, flat."""
    ends = np.cumsum([h.size for h in pieces]).tolist()
    if ends[-1] != size:
        raise ValueError(f"pieces have {ends[-1]} numbers in all; expected {size}")
    return [
        (slice(first, last), h) for first, last, h in zip([0, *ends], ends, pieces, strict=False)
    ]


def _run(loop: str, given: dict[str, np.ndarray], like: np.ndarray, **words: int) -> None:
    import_module("flatrank.kernels.execution").execute_flat(loop, given, like, **words)
