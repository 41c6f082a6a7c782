"""The compiled loops, called on arrays where they lie.

One is compiled for each kernel, rank and element type when first asked for, and kept on disk by
numba, which finds it again by its bytecode and the values it closes over: so these are numbers and
strings only. `stamp` stands for the sources of this room, which numba, looking at this file alone,
would not see change.
"""

# Numba intrinsics are called without the typing context that their definitions name.
# pyright: reportCallIssue=false

from __future__ import annotations

import hashlib
import threading
from functools import cache
from math import gcd
from pathlib import Path
from typing import Any, no_type_check

import llvmlite.binding
import numba
import numpy as np
from numba import cfunc
from numba.core import types
from numba.extending import intrinsic

from flatrank.kernels import addresses, loops, registers, wide
from flatrank.kernels.addresses import CFunction, kept
from flatrank.kernels.jobs import JOB_WORDS, PLACES
from flatrank.kernels.pattern import Compressed
from flatrank.kernels.registers import Lanes
from flatrank.kernels.signatures import BLOCK, NARROW, SIGNATURES, Variant, parsed
from flatrank.kernels.team import WORTH_WAKING, run, team

SOURCES = "addresses execution jobs loops registers signatures tables team vectors wide words"
# Multiply-adds for each entry and column, where not 1. (Gram matrices have k for each; 8 stands for
# that, it only decides whether to share the work. The pivots of an inverse wait for one another.)
COST = {"residual_gradient": 2, "curvature_product": 3, "row_grams": 8, "inverses": 32}
LINE = 64  # bytes of a cache line
LARGE = 32 * 2**20  # bytes of a matrix that caches do not hold
USES = 4  # times each row must be used for a copy of it to pay
LOCK = threading.RLock()


class Own(threading.local):
    """The job of a thread's own calls, and its address."""

    def __init__(self):
        self.job = np.zeros(JOB_WORDS, np.int64)
        self.address = self.job.ctypes.data


OWN = Own()


@cache
def stamp() -> int:
    """A number that changes with the sources compiled, and with the width of the registers."""
    text = b"".join(Path(__file__).with_name(f"{s}.py").read_bytes() for s in SOURCES.split())
    digest = hashlib.sha256(text + bytes([registers.VECTOR_BYTES])).digest()
    return int.from_bytes(digest[:7], "little")


def shapes(variant):
    """Types of the zeros that tell a loop what it is compiled for."""
    sizes = [variant.k]
    if variant.wide:
        sizes.append(BLOCK)
    elif variant.pairs:
        sizes.append(2 * variant.k)
    return types.Tuple([Lanes(n, variant.bits, rows) for n in sizes for rows in (1, variant.rows)])


@intrinsic(prefer_literal=True)
def loop(typing_context, name, variant):
    """The address of a loop for a variant; both are literal, and no name means the variant's."""
    what = Variant.read(variant.literal_value)
    room = wide if what.wide else loops
    dispatcher = getattr(room, name.literal_value or what.loop)
    function = CFunction(typing_context, dispatcher, 3, [shapes(what)])
    return types.int64(name, variant), lambda context, builder, *_: function.address(
        context, builder
    )


@no_type_check
def some_rows(name, variant, stamp):
    """Rows first to last − 1 of a job, as a C function."""

    @cfunc(types.void(types.int64, types.int64, types.int64), **kept(shapes))
    def rows(job, first, last):
        if stamp:
            run(loop(name, variant), job, first, last)

    return rows


def group_rows(kernel: str, k: int, bits: int) -> int:
    """How many entries to treat at once: as many as the registers hold, and at least two."""
    pieces = len(registers.Lanes(k, bits, 1).starts)
    tables = 2 if "Q:" in SIGNATURES[kernel][0] and k <= NARROW else 1
    # Two registers are left for sums on their way.
    fits = (4 * tables + tables + 1) * pieces <= registers.count() - 2
    return 4 if fits else 2


@cache
def rows_of(kernel: str, k: int, bits: int, name: str = "") -> Any:
    """The compiled loop for factors of k columns, compiled or found on disk on first use."""
    wide_ = k > NARROW
    rest = BLOCK + k % BLOCK if wide_ else k
    rows = group_rows(kernel, BLOCK if wide_ else k, bits)
    what = str(Variant(kernel, rest, bits, rows, int(wide_)))
    with LOCK:
        return some_rows(name, what, stamp())


def stride(width: int, k: int, size: int, m: int) -> int | None:
    """How far apart, in numbers, the rows of a copy of the gathered side should lie.

    A row that straddles cache lines costs a wait for each. When the matrix is too large for the
    caches and its rows are used several times over, it pays to copy them to where they fill as few
    lines as they can. None where it does not.
    """
    row = k * size
    if width * row < LARGE or m < USES * width:
        return None
    apart = 1 << (row - 1).bit_length() if row < LINE else -(-row // LINE) * LINE
    lines = 1 + (row - gcd(row, LINE)) / LINE  # on average, over all places a row may begin at
    return apart // size if lines >= 1.25 * max(1, apart // LINE) else None


@cache
def _layout(kernel: str) -> tuple[list[int], list[tuple[int, list[str]]]]:
    takes = [PLACES[name] for name, _ in parsed(SIGNATURES[kernel][0])]
    return takes, [(PLACES[name], letters) for name, letters in parsed(SIGNATURES[kernel][1])]


def _pattern_words(C: Compressed) -> list[int]:
    """The words of a job that a pattern decides, kept with it."""
    words = C.__dict__.get("_words")
    if words is None:
        words = [0] * JOB_WORDS
        words[PLACES["N"]], words[PLACES["M"]], words[PLACES["WIDTH"]] = C.n, C.m, C.width
        words[PLACES["FILLED"]] = int(C.indptr[-1])
        words[PLACES["LONG"]] = int(C.indptr.dtype.itemsize == 8)
        words[PLACES["POINTERS"]] = C.indptr.ctypes.data
        words[PLACES["INDICES"]] = C.indices.ctypes.data
        C.__dict__["_words"] = words
    return words


def execute(kernel: str, C: Compressed, reals: list[np.ndarray], k: int) -> list[np.ndarray]:
    """The results of a kernel; the reals are contiguous and of one type."""
    words, dtype = _pattern_words(C).copy(), reals[0].dtype
    lengths = {"n": C.n, "m": C.m, "w": C.width, "k": k, "s": 2 * k}
    bits, at = 8 * dtype.itemsize, PLACES
    if kernel == "residual_gradient":
        apart = stride(C.width, k, dtype.itemsize, C.m)
        kernel, lengths["s"] = (f"padded_{kernel}", apart) if apart else (kernel, k)
    takes, gives = _layout(kernel)
    words[at["K"]] = words[at["STRIDE"]] = k
    for place, x in zip(takes, reals, strict=True):
        words[place] = x.ctypes.data
    outs = [np.empty([lengths[a] for a in letters], dtype) for _, letters in gives]
    for (place, _), out in zip(gives, outs, strict=True):
        words[place] = out.ctypes.data
    what = Variant(kernel, k, bits, 0, 0)
    cost = COST.get(what.loop, 1) * k * (C.n * k if what.dense else words[at["FILLED"]])
    if what.copies:  # the gathered side, or both of them side by side, where rows lie well
        copy = [0] * JOB_WORDS
        copy[at["N"]], copy[at["K"]], copy[at["STRIDE"]] = C.width, k, lengths["s"]
        copy[at["X"]], copy[at["P"]] = words[at["Y"]], words[at["Q"]]
        copy[at["OUT"]] = words[at["WORK"]]
        _share(copy, k * C.width, rows_of(kernel, k, bits, "side_by_side"))
        words[at["Y"]], words[at["STRIDE"]] = words[at["WORK"]], lengths["s"]
    if what.dense:
        words[at["POINTERS"]] = 0
    _share(words, cost, rows_of(kernel, k, bits))
    return outs if not words[at["WORK"]] else outs[:-1]


def _share(words: list[int], cost: int, rows: Any) -> None:
    """Run all rows of a job, with the help of threads where that pays."""
    threads = 1
    if cost >= WORTH_WAKING:
        helpers = team(stamp())
        threads = min(1 + cost // WORTH_WAKING, helpers.threads)
    if threads < 2 or not helpers.share(words, rows.address, threads):
        OWN.job[:] = words
        rows.ctypes(OWN.address, 0, words[0])


def facts() -> dict[str, object]:
    """What only this module knows for `support.describe`."""
    return {
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "processor": llvmlite.binding.get_host_cpu_name(),
        "vector_bytes": registers.VECTOR_BYTES,
        "cache": addresses.cache_folder(shapes),
    }
