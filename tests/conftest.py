"""Strict numerics for every test: shapes checked, broadcasting explicit, no chance.

FLATRANK_CHECK_SHAPES=0 turns the shape checks off, for timing or for a readable traceback.
"""

import os

import jax
from hypothesis import settings
from jaxtyping import install_import_hook

CHECKED = [
    f"flatrank.{room}"
    for room in (
        "kernels",
        "measurements",
        "factors",
        "flatness",
        "problems",
        "certificates",
        "solvers",
        "selection",
    )
]

# Before the first import of flatrank: beartype then holds every annotated function and class to
# the shapes it declares. Functions without annotations (compiled kernels) are left alone.
if os.environ.get("FLATRANK_CHECK_SHAPES", "1") != "0":
    install_import_hook(CHECKED, "beartype.beartype")

# A silent (m,) + (m, 1) is the commonest wrong answer that looks right. 64 bits stay off: the
# library scopes them itself, and the tests must see it do so.
jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile("tests", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("tests")
