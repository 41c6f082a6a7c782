"""Strict numerics for every test: shapes checked where asked, no chance.

FLATRANK_CHECK_SHAPES=1 has calls checked for the shapes they declare, as `make test` does where
single functions are tested.
"""

import os
from collections import Counter
from dataclasses import is_dataclass
from functools import wraps
from importlib.metadata import distributions
from inspect import isclass
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from hypothesis import settings

PACKAGE = Path(__file__).parents[1] / "flatrank"
ROOMS = (
    "measurements",
    "factors",
    "flatness",
    "theory",
    "problems",
    "certificates",
    "solvers",
    "selection",
    "experiments",
)
# These take what users bring and answer for it with their own messages, which tests must reach.
FRONT_DOORS = {
    "flatrank.problems.arguments",
    "flatrank.problems.completion",
    "flatrank.problems.implicit",
    "flatrank.problems.quadratic",
    "flatrank.problems.pairs",
    "flatrank.problems.sensing",
    "flatrank.factors.given",
    "flatrank.measurements.checks",
    "flatrank.measurements.diffraction",
    "flatrank.measurements.linear_map",
    "flatrank.measurements.gaussian",
    "flatrank.measurements.transform",
    "flatrank.problems.robust",
    "flatrank.theory.depth",
    "flatrank.theory.isometry_search",
    "flatrank.certificates.certify",
    "flatrank.solvers.solution",
    "flatrank.solvers.solve",
    "flatrank.selection.path",
    "flatrank.experiments.sweeps",
}


def modules(room: str) -> set[str]:
    files = (PACKAGE / room).rglob("*.py")
    return {".".join(f.relative_to(PACKAGE.parent).with_suffix("").parts) for f in files}


# A solve calls the same functions on arrays of the same shapes a hundred thousand times. Of the
# calls in one test that differ in neither types nor shapes, so many are checked.
CHECKED_AT_MOST = 3
calls = Counter()


def kind(x):
    """What a check of x looks at, but for what lies within the modules of flatrank."""
    if isinstance(x, np.ndarray | np.generic):
        return type(x), x.shape, x.dtype.num
    if isinstance(x, tuple | list):
        return type(x), *map(kind, x)
    if type(x).__module__.startswith("jax"):
        return type(x), getattr(x, "shape", None), getattr(x, "dtype", None)
    if isinstance(x, dict):
        return *x, *map(kind, x.values())
    return x if isinstance(x, str) else type(x)


def sparing(jaxtyped):
    """`jaxtyped`, with which the hook decorates, where calls are counted."""

    def decorator(*, typechecker):
        check = jaxtyped(typechecker=typechecker)

        def decorated(found):
            if not isclass(found):
                return spared(found, check)
            if is_dataclass(found) and "__init__" in vars(found):
                found.__init__ = spared(found.__init__, check)
            return found

        return decorated

    return decorator


def spared(function, check):
    checked = None

    @wraps(function)
    def call(*args, **options):
        nonlocal checked
        this = id(function.__code__), kind(args), kind(options) if options else None
        calls[this] += 1
        if calls[this] > CHECKED_AT_MOST:
            return function(*args, **options)
        checked = checked or check(function)
        return checked(*args, **options)

    return call


@pytest.fixture(autouse=True)
def _count_calls_anew():
    calls.clear()


# Before the first import of flatrank: beartype then holds every annotated function and class to
# the shapes it declares (an int may stand for a float). Functions without annotations, such as
# compiled kernels, are left alone.
if os.environ.get("FLATRANK_CHECK_SHAPES", "0") != "0":
    jaxtyping.jaxtyped = sparing(jaxtyping.jaxtyped)
    jaxtyping.install_import_hook(
        sorted(set().union(*map(modules, ROOMS)) - FRONT_DOORS),
        "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
    )

# Where a test computes with JAX, most of its time is compiling. The older way to compile takes half
# of it; XLA is about to drop that, and ends the process at a flag it does not know.
FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
if any(jaxlib.version.startswith("0.10.") for jaxlib in distributions(name="jaxlib")):
    FLAGS += " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
os.environ.setdefault("XLA_FLAGS", FLAGS)

settings.register_profile("tests", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("tests")


FAMILIES = ("dense", "rank one", "regenerated", "masked transform", "user's map")


@pytest.fixture(scope="session")
def measure():
    """measure(name, shape, m, seed) makes a measurement of any of FAMILIES."""
    return made


def made(name, shape, m, seed=0):
    import flatrank as fr

    (d1, d2), rng = shape, np.random.default_rng(seed)
    if name == "dense":
        return fr.sensing(rng.standard_normal((m, d1, d2)), np.zeros(m)).measurement
    if name == "rank one":
        a, c = rng.standard_normal((m, d1)), rng.standard_normal((m, d2))
        return fr.bilinear(a, c, np.zeros(m)).measurement
    if name == "regenerated":
        return fr.measurements.gaussian(shape, m, seed=seed)
    if name == "masked transform":
        return fr.measurements.masked_transform(shape, m, seed=seed)
    left, right = rng.standard_normal((m, d1)), rng.standard_normal((m, d2))
    corner = np.zeros(shape)
    corner[0, 0] = 1.0
    return fr.measurements.linear_map(
        lambda X: np.sum((left @ X) * right, axis=1) + X[0, 0],
        lambda y: left.T @ (y[:, None] * right) + np.sum(y) * corner,
        shape,
    )
