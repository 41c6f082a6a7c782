"""What each kernel takes and gives.

n rows, m entries, w columns of the pattern; k columns of the factors. The names are words of a job
(`rows.py`); the pattern itself, pointers (n + 1,) and indices (m,), belongs to every kernel.
"""

from __future__ import annotations

from functools import cache

from flatrank.kernels.hardware import HARDWARE

SIGNATURES = {
    "sampled_product": ("X: n k, Y: w k", "OUT: m"),
    "sparse_tall": ("V: m, Y: w k", "OUT: n k"),
    "tangent_product": ("X: n k, Y: w k, P: n k, Q: w k", "OUT: m"),
    "sparse_tall_pair": ("V: m, Y: w k, W: m, Q: w k", "OUT: n k"),
    "residual_gradient": ("X: n k, Y: w k, V: m", "OUT: n k, SUM: n"),
    "curvature_product": ("X: n k, Y: w k, P: n k, Q: w k", "OUT: n k"),
    "newton_product": ("X: n k, Y: w k, P: n k, Q: w k, V: m", "OUT: n k"),
    "coupling_product": ("X: n k, Y: w k, Q: w k", "OUT: n k"),
    "newton_coupling": ("X: n k, Y: w k, Q: w k, V: m", "OUT: n k"),
    "row_grams": ("Y: w k, V: m", "SUM: n k k, OUT: n k"),
    "weighted_row_grams": ("Y: w k, V: m, W: m", "SUM: n k k, OUT: n k"),
    "inverses": ("X: n k k", "OUT: n k k, WORK: n k"),
    "block_product": ("X: n k k, P: n k", "OUT: n k"),
}
# The loop behind each, where it has another name.
LOOPS = {
    "newton_product": "curvature_product",
    "coupling_product": "curvature_product",
    "newton_coupling": "curvature_product",
    "weighted_row_grams": "row_grams",
}
# A pivot of a block of unit diagonal, in units of rounding, that is rounding.
PIVOT = 100.0


def padded_width(k: int) -> int:
    """Columns to give factors of rank k: a multiple of four."""
    return -(-k // 4) * 4


def call_width(k: int) -> int:
    """Columns that a call is run with: k, and beyond 16 the next multiple of four."""
    return k if k <= HARDWARE.narrow else padded_width(k)


@cache
def parsed(text: str) -> list[tuple[str, list[str]]]:
    """Split "X: n k, V: m" into [("X", ["n", "k"]), ("V", ["m"])]."""
    pairs = (part.split(":") for part in text.split(","))
    return [(name.strip(), axes.split()) for name, axes in pairs]
