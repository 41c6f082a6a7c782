"""A kernel called by name: arguments checked, the path and the width chosen."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from flatrank.arrays import Array, compiled, on_device, xp
from flatrank.kernels import reference, support
from flatrank.kernels.pattern import Compressed
from flatrank.kernels.signatures import SIGNATURES, call_width, parsed

WORDS = {"n": "C.n", "m": "C.m", "w": "C.width", "k": "k"}


def call(kernel: str, C: Compressed, **reals: Any) -> Any:
    """Check the arguments of a kernel, given in the order of its signature, and run it."""
    arrays = [*reals.values()]
    ready = C.__dict__.get("_ready", {}).get(_form(kernel, arrays))
    if ready is None or support.obstacle():
        return _checked(kernel, C, reals)
    out = ready(arrays)
    return tuple(out) if len(out) > 1 else out[0]


def _form(kernel: str, arrays: list[Any]) -> tuple[Any, ...] | None:
    """What a kernel has to know of arrays before it reads them; None if it cannot as they are."""
    form: list[Any] = [kernel]
    for x in arrays:
        if type(x) is not np.ndarray or not x.flags.c_contiguous:
            return None
        form += x.shape, x.dtype.str
    return tuple(form)


def _checked(kernel: str, C: Compressed, reals: dict[str, Any]) -> Any:
    """The same for arrays of a form not met before, or that have to be copied first."""
    k = check(kernel, C, reals)
    on_host = all(isinstance(x, np.ndarray) for x in (C.indptr, *reals.values()))
    if not on_host and on_device(C, reals):
        dtype = xp.result_type(0.0, *reals.values())
        return _plain(C, [x.astype(dtype) for x in reals.values()], kernel)
    dtype = np.result_type(0.0, *reals.values())
    arrays = [np.ascontiguousarray(x, dtype) for x in reals.values()]
    if k == 0 or dtype.char not in "fd" or support.obstacle():
        return _plain(C, arrays, kernel)
    width = call_width(k)
    inputs, outputs = (parsed(text) for text in SIGNATURES[kernel])
    arrays = [widened(x, axes, width) for x, (_, axes) in zip(arrays, inputs, strict=True)]
    kept, form = C.__dict__.setdefault("_ready", {}), _form(kernel, arrays)
    if form not in kept:
        try:
            kept[form] = import_module("flatrank.kernels.execution").Ready(kernel, C, width, dtype)
        except Exception as error:  # a compiler that is broken, or does not fit the rest
            support.failed(kernel, error)
            return _plain(C, [np.ascontiguousarray(x, dtype) for x in reals.values()], kernel)
    axes = [axes for name, axes in outputs if name != "WORK"]
    out = [_narrowed(x, a, k) for x, a in zip(kept[form](arrays), axes, strict=True)]
    return tuple(out) if len(out) > 1 else out[0]


@compiled
def _plain(C: Compressed, reals: list[Array], kernel: str) -> Any:
    return getattr(reference, kernel)(C, *reals)


def widened(x: np.ndarray, axes: list[str], width: int) -> np.ndarray:
    """With zeros after the last column, on each axis of columns."""
    shape = tuple(width if a == "k" else d for a, d in zip(axes, x.shape, strict=True))
    if shape == x.shape:
        return x
    out = np.zeros(shape, x.dtype)
    out[tuple(slice(d) for d in x.shape)] = x
    return out


def _narrowed(x: np.ndarray, axes: list[str], k: int) -> np.ndarray:
    """Without the columns that `widened` added."""
    return x[tuple(slice(k if a == "k" else None) for a in axes)]


def check(kernel: str, C: Compressed, reals: dict[str, Any]) -> int:
    """The number of columns of the factors, if all shapes agree with the kernel's signature."""
    lengths = {"n": C.n, "m": C.m, "w": C.width}
    signature = parsed(SIGNATURES[kernel][0])
    for (_, axes), (name, x) in zip(signature, reals.items(), strict=True):
        shape = x.shape
        if len(shape) == len(axes) > 1:
            lengths.setdefault("k", shape[1])
        expected = tuple([lengths.get(a) for a in axes])
        if shape != expected:
            words = ", ".join(WORDS[a] for a in axes)
            raise ValueError(
                f"{kernel}: expected {name} of shape ({words}) = {expected}, got {shape}."
            )
    return lengths["k"]
