"""The numerical loops that decide speed: products of a sparse pattern with tall factors.

X is (n, k), Y is (width, k), and the p-th entry of the pattern lies in row i and column j.
"""

from flatrank.kernels.pattern import Compressed as Compressed
from flatrank.kernels.reference import curvature_product as curvature_product
from flatrank.kernels.reference import residual_gradient as residual_gradient
from flatrank.kernels.reference import row_grams as row_grams
from flatrank.kernels.reference import sampled_product as sampled_product
from flatrank.kernels.reference import sparse_tall as sparse_tall


def path_in_use() -> str:
    """Which path the kernels take on this machine, with the reason."""
    return "reference: the compiled twins are not built yet"


def describe() -> dict:
    """Facts about the kernels for a report on the installation."""
    return {"path": "reference", "reason": "the compiled twins are not built yet"}
