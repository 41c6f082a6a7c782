"""Compiling the handlers, making them known to XLA, and calling them from a traced program."""

from __future__ import annotations

import ctypes
import hashlib
import threading
from functools import cache
from math import gcd
from pathlib import Path

import jax
import llvmlite.binding
import numba

from flatrank.kernels import addresses, handlers, pool, registers
from flatrank.kernels.signatures import BLOCK, NARROW, SIGNATURES, Variant, parsed

SOURCES = "addresses ffi frames handlers jobs loops pool registers signatures tables vectors wide"
# Multiply-adds for each entry and column, where not 1; 0 is for one thread only. (Gram matrices
# have k for each; 8 stands for that, it only decides whether to share the work. The pivots of an
# inverse wait for one another.)
COST = {
    "residual_gradient": 2,
    "curvature_product": 3,
    "row_grams": 8,
    "inverses": 32,
    "sparse_tall_transposed": 0,
}
LINE = 64  # bytes of a cache line
LARGE = 32 * 2**20  # bytes of a matrix that caches do not hold
USES = 4  # times each row must be used for a copy of it to pay
LOCK = threading.RLock()
KEPT_ALIVE: dict[str, object] = {}  # compiled functions whose addresses XLA holds


@cache
def stamp() -> int:
    """A number that changes with the sources compiled, and with the width of the registers."""
    text = b"".join(Path(__file__).with_name(f"{s}.py").read_bytes() for s in SOURCES.split())
    digest = hashlib.sha256(text + bytes([registers.VECTOR_BYTES])).digest()
    return int.from_bytes(digest[:7], "little")


def group_rows(kernel: str, k: int, bits: int) -> int:
    """How many entries to treat at once: as many as the registers hold, and at least two."""
    pieces = len(registers.Lanes(k, bits, 1).starts)
    tables = 2 if "Q:" in SIGNATURES[kernel][0] and k <= NARROW else 1
    # Two registers are left for sums on their way.
    fits = (4 * tables + tables + 1) * pieces <= registers.count() - 2
    return 4 if fits else 2


def variant(kernel: str, k: int, bits: int, version: tuple[int, int]) -> Variant:
    """What to compile for factors of k columns."""
    wide = k > NARROW
    rest = BLOCK + k % BLOCK if wide else k
    rows = group_rows(kernel, BLOCK if wide else k, bits)
    return Variant(kernel, rest, bits, rows, int(wide), *version)


def shared_symbol() -> None:
    """Compile what all handlers share and make it known to the linker."""
    if pool.NAME not in KEPT_ALIVE:
        KEPT_ALIVE[pool.NAME] = function = pool.share(stamp())
        llvmlite.binding.add_symbol(pool.NAME, function.address)


def target(kernel: str, k: int, bits: int, version: tuple[int, int]) -> str:
    """The name under which XLA knows a handler, compiled and registered on first use."""
    what = variant(kernel, k, bits, version)
    name = f"flatrank {what}".replace(" ", "_")
    with LOCK:
        if name not in KEPT_ALIVE:
            shared_symbol()
            make = handlers.copying if what.copies else handlers.plain
            make = handlers.dense if what.dense else make
            handler = make(str(what), COST.get(what.loop, 1), stamp())
            jax.ffi.register_ffi_target(name, capsule(int(handler.address or 0)), platform="cpu")
            KEPT_ALIVE[name] = handler
    return name


def capsule(address: int):
    """An address as jax wants it."""
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(address, None, None)


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


def call(kernel: str, pattern, reals, width: int, version: tuple[int, int]):
    """The results of a compiled kernel, as an operation of the program being traced.

    Parameters
    ----------
    kernel
        A key of SIGNATURES.
    pattern
        Row pointers and column indices.
    reals
        The other arguments, float32 or float64 all.
    width
        Number of columns of the pattern.
    version
        Version of XLA's interface.

    Returns
    -------
    list
        The results of the kernel's signature, scratch left out.
    """
    indptr, indices = pattern
    dtype = reals[0].dtype
    lengths = {"n": indptr.shape[0] - 1, "m": indices.shape[0], "w": width}
    for (_, letters), real in zip(parsed(SIGNATURES[kernel][0]), reals, strict=True):
        lengths |= dict(zip(letters, real.shape, strict=True))
    k = lengths["k"]
    lengths["s"] = 2 * k
    if kernel == "residual_gradient":
        apart = stride(width, k, dtype.itemsize, lengths["m"])
        kernel = f"padded_{kernel}" if apart else kernel
        lengths["s"] = apart or k
    results = parsed(SIGNATURES[kernel][1])
    shapes = [jax.ShapeDtypeStruct([lengths[a] for a in axes], dtype) for _, axes in results]
    name = target(kernel, k, 8 * dtype.itemsize, version)
    # Blocks are inverted where they lie: they may be as large as all else together.
    same = {2: 0} if kernel == "inverses" else None
    operation = jax.ffi.ffi_call(name, shapes, vmap_method="sequential", input_output_aliases=same)
    out = operation(indptr, indices, *reals)
    return [x for x, (place, _) in zip(out, results, strict=True) if place != "WORK"]


def facts() -> dict[str, object]:
    """What only this module knows for `support.describe`."""
    return {
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "processor": llvmlite.binding.get_host_cpu_name(),
        "vector_bytes": registers.VECTOR_BYTES,
        "cache": addresses.cache_folder(handlers.plain),
    }
