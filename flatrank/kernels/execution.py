"""The compiled loops, called on arrays where they lie.

One is compiled for each loop, number of columns and element type when first asked for.
"""

from __future__ import annotations

from array import array
from functools import cache
from typing import NamedTuple

import llvmlite
import llvmlite.binding
import numpy as np

from flatrank.arrays import threads
from flatrank.kernels import loops
from flatrank.kernels.hardware import HARDWARE
from flatrank.kernels.native import Native, cache_folder, compiled
from flatrank.kernels.pattern import Compressed
from flatrank.kernels.rows import PLACES, Rows, Variant
from flatrank.kernels.signatures import LOOPS, SIGNATURES, parsed
from flatrank.kernels.team import team
from flatrank.kernels.vectors import Shape, register_count, vector_bytes

# Multiply-adds for each entry and column, where not 1. (Gram matrices have k for each; 8 stands for
# that, it only decides whether to share the work. The pivots of an inverse wait for one another.)
COST = {
    "tangent_product": 2,
    "sparse_tall_pair": 2,
    "residual_gradient": 2,
    "curvature_product": 3,
    "row_grams": 8,
    "inverses": 32,
}


def group_rows(name: str, k: int, bits: int) -> int:
    """How many entries to treat at once: as many as the registers hold, and at least two."""
    pieces = len(Shape(k, bits).starts)
    tables = 2 if name == "curvature_product" and k <= HARDWARE.narrow else 1
    # Two registers are left for sums on their way.
    fits = (4 * tables + tables + 1) * pieces <= register_count() - 2
    return 4 if fits else 2


@cache
def rows_of(name: str, k: int, bits: int) -> Native:
    """The compiled loop for factors of k columns, compiled or found on disk on first use."""
    wide, block = k > HARDWARE.narrow, HARDWARE.block
    rest = block + k % block if wide else k
    rows = group_rows(name, block if wide else k, bits)
    return _compiled(Variant(name, rest, bits, rows, wide))


@cache
def _compiled(variant: Variant) -> Native:
    def write(builder, job, first, last):
        getattr(loops, variant.loop)(Rows(builder, variant, job, (first, last)))

    return compiled("_".join(map(str, variant)), write, 3)


class Plan(NamedTuple):
    """What the kernel, the number of columns and their type decide about a call."""

    takes: list[int]  # words of the arguments
    gives: list[tuple[int, list[str]]]  # words and axes of the results, and of scratch behind them
    results: int
    cost: int  # multiply-adds for each entry, or for each row of a block
    rows: Native  # the loop
    paired: bool  # whether two sides are gathered, and copied side by side for that
    dense: bool  # whether rows hold blocks and no entries


@cache
def plan(kernel: str, k: int, bits: int) -> Plan:
    """The plan of a kernel for k columns of so many bits, compiled on first use."""
    inputs, outputs = (
        [(PLACES[name], axes) for name, axes in parsed(s)] for s in SIGNATURES[kernel]
    )
    name = LOOPS.get(kernel, kernel)
    return Plan(
        takes=[place for place, _ in inputs],
        gives=outputs,
        results=sum(place != PLACES["WORK"] for place, _ in outputs),
        cost=COST.get(name, 1) * k,
        rows=rows_of(name, k, bits),
        paired=name == "curvature_product",
        dense=name in ("inverses", "block_product"),
    )


def job(**words: int) -> list[int]:
    """The words of a job; those not given are 0."""
    return [words.get(name, 0) for name in PLACES]


def address(x: np.ndarray) -> int:
    """Where the numbers of an array begin."""
    return x.__array_interface__["data"][0]


def pattern_words(C: Compressed) -> list[int]:
    """The words of a job that a pattern decides, kept with it and with the arrays they point to."""
    if "_words" not in C.__dict__:
        pointers, indices = np.ascontiguousarray(C.indptr), np.ascontiguousarray(C.indices)
        where = {"POINTERS": address(pointers), "INDICES": address(indices)}
        words = job(N=C.n, M=C.m, WIDTH=C.width, LONG=int(pointers.dtype.itemsize == 8), **where)
        C.__dict__["_words"] = words, pointers, indices
    return C.__dict__["_words"][0]


def execute(plan: Plan, C: Compressed, reals: list[np.ndarray], k: int) -> list[np.ndarray]:
    """The results of a kernel; the reals are contiguous and of one type."""
    words, dtype = pattern_words(C).copy(), reals[0].dtype
    lengths, outs = {"n": C.n, "m": C.m, "k": k}, []
    Y, STRIDE = PLACES["Y"], PLACES["STRIDE"]
    words[PLACES["K"]] = words[STRIDE] = k
    for place, x in zip(plan.takes, reals, strict=True):
        words[place] = address(x)
    for place, axes in plan.gives:
        outs.append(np.empty([lengths[a] for a in axes], dtype))
        words[place] = address(outs[-1])
    if plan.paired:
        beside = np.empty((C.width, 2 * k), dtype)
        sides = {"X": words[Y], "P": words[PLACES["Q"]], "OUT": address(beside)}
        copy = job(N=C.width, K=k, **sides)
        share(copy, k * C.width, rows_of("side_by_side", k, 8 * dtype.itemsize))
        words[Y], words[STRIDE] = address(beside), 2 * k
    if plan.dense:
        words[PLACES["POINTERS"]] = 0
    share(words, plan.cost * (C.n * k if plan.dense else C.m), plan.rows)
    return outs[: plan.results]


def execute_flat(loop: str, given: dict[str, np.ndarray], like: np.ndarray, **more: int) -> None:
    """Run a loop over vectors of the length and type of `like`; all are contiguous."""
    where = {name: address(x) for name, x in given.items()} | more
    words = job(N=-(-like.size // HARDWARE.piece), M=like.size, **where)
    rows = _compiled(Variant(loop, 1, 8 * like.dtype.itemsize, 1, False))
    share(words, HARDWARE.number_cost * like.size, rows)


def share(words: list[int], cost: int, rows: Native) -> None:
    """Run all rows of a job, with the help of threads where that pays."""
    job = array("q", words)
    at = job.buffer_info()[0]
    if cost < HARDWARE.sharing or not team().share(at, rows.address, cost):
        rows.call(at, 0, words[PLACES["N"]])


def facts() -> dict[str, object]:
    """What `support.describe` says of the compiled path."""
    return {
        "threads": threads(),
        "llvmlite": llvmlite.__version__,
        "processor": llvmlite.binding.get_host_cpu_name(),
        "vector_bytes": vector_bytes(),
        "cache": cache_folder(),
    }
