"""The compiled loops, called on arrays where they lie.

One is compiled for each loop, number of columns and element type when first asked for.
"""

from __future__ import annotations

import ctypes
from array import array
from functools import cache
from types import ModuleType

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
_BYTE = ctypes.c_char


N, X, Y, P, Q, OUT = (PLACES[word] for word in ("N", "X", "Y", "P", "Q", "OUT"))


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
    return loop_of(Variant(name, rest, bits, rows, wide))


@cache
def loop_of(variant: Variant, room: ModuleType = loops) -> Native:
    """A compiled loop of one of the rooms that write them."""

    def write(builder, job, first, last):
        getattr(room, variant.loop)(Rows(builder, variant, job, (first, last)))

    return compiled("_".join(map(str, variant)), write, 3)


def job(**words: int) -> list[int]:
    """The words of a job; those not given are 0."""
    return [words.get(name, 0) for name in PLACES]


def address(x: np.ndarray) -> int:
    """Where the numbers of an array begin, without the dict that NumPy would make for it."""
    try:
        return ctypes.addressof(_BYTE.from_buffer(x))  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):  # read-only, or empty
        return x.ctypes.data


def pattern_words(C: Compressed) -> array[int]:
    """The words of a job that a pattern decides, kept with it and with the arrays they point to."""
    if "_words" not in C.__dict__:
        pointers, indices = np.ascontiguousarray(C.indptr), np.ascontiguousarray(C.indices)
        where = {"POINTERS": address(pointers), "INDICES": address(indices)}
        words = job(N=C.n, M=C.m, WIDTH=C.width, LONG=int(pointers.dtype.itemsize == 8), **where)
        C.__dict__["_words"] = array("q", words), pointers, indices
    return C.__dict__["_words"][0]


class Ready:
    """A kernel on a pattern, for factors of k columns of a type: only where they lie is missing.

    Two thirds of the time of a short call went into what is made here once.
    """

    def __init__(self, kernel: str, C: Compressed, k: int, dtype: np.dtype):
        name, bits = LOOPS.get(kernel, kernel), 8 * dtype.itemsize
        dense = name in ("inverses", "block_product")  # rows hold blocks and no entries
        inputs, outputs = (parsed(text) for text in SIGNATURES[kernel])
        lengths = {"n": C.n, "m": C.m, "k": k}
        self.dtype, self.rows = dtype, rows_of(name, k, bits)
        self.cost = COST.get(name, 1) * k * (C.n * k if dense else C.m)
        self.takes = [PLACES[word] for word, _ in inputs]
        self.gives = [(PLACES[word], tuple(lengths[a] for a in axes)) for word, axes in outputs]
        self.results = sum(word != "WORK" for word, _ in outputs)
        self.words = pattern_words(C)[:]
        self.words[PLACES["K"]] = self.words[PLACES["STRIDE"]] = k
        if dense:
            self.words[PLACES["POINTERS"]] = 0
        # Where two sides are gathered, they are copied side by side for that.
        self.paired = name == "curvature_product"
        if self.paired:
            self.words[PLACES["STRIDE"]] = 2 * k
            self.beside, self.copying = (C.width, 2 * k), rows_of("side_by_side", k, bits)
            self.copy = array("q", job(N=C.width, K=k))

    def __call__(self, reals: list[np.ndarray]) -> list[np.ndarray]:
        """The results; the reals are contiguous and of one type, with the shapes expected."""
        words, outs = self.words[:], []
        for place, x in zip(self.takes, reals, strict=True):
            words[place] = address(x)
        for place, shape in self.gives:
            outs.append(np.empty(shape, self.dtype))
            words[place] = address(outs[-1])
        if self.paired:
            copy, beside = self.copy[:], np.empty(self.beside, self.dtype)
            copy[X], copy[P], copy[OUT] = words[Y], words[Q], address(beside)
            share(copy, beside.size // 2, self.copying)
            words[Y] = copy[OUT]
        share(words, self.cost, self.rows)
        return outs[: self.results]


def execute_flat(loop: str, given: dict[str, np.ndarray], like: np.ndarray, **more: int) -> None:
    """Run a loop over vectors of the length and type of `like`; all are contiguous."""
    rows = loop_of(Variant(loop, 1, 8 * like.dtype.itemsize, 1, False))
    more |= {"N": -(-like.size // HARDWARE.piece), "M": like.size}
    execute(rows, HARDWARE.number_cost * like.size, given, **more)


def execute(
    rows: Native,
    cost: int,
    given: dict[str, np.ndarray],
    C: Compressed | None = None,
    /,
    **more: int,
) -> None:
    """Run a loop on contiguous arrays, over the rows of a pattern if there is one."""
    words = array("q", job()) if C is None else pattern_words(C)[:]
    for name, word in more.items():
        words[PLACES[name]] = word
    for name, x in given.items():
        words[PLACES[name]] = address(x)
    share(words, cost, rows)


def share(words: array[int], cost: int, rows: Native) -> None:
    """Run all rows of a job, with the help of threads where that pays."""
    at = words.buffer_info()[0]
    if cost < HARDWARE.sharing or not team().share(at, rows.address, cost):
        rows.call(at, 0, words[N])


def facts() -> dict[str, object]:
    """What `support.describe` says of the compiled path."""
    return {
        "threads": threads(),
        "llvmlite": llvmlite.__version__,
        "processor": llvmlite.binding.get_host_cpu_name(),
        "vector_bytes": vector_bytes(),
        "cache": cache_folder(),
    }
