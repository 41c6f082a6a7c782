"""The conditions every public entry point computes under."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import jax
from threadpoolctl import ThreadpoolController


@cache
def _pools() -> ThreadpoolController:
    importlib.import_module("scipy.linalg")  # loads the LAPACK that XLA calls
    return ThreadpoolController()


@contextmanager
def scope() -> Iterator[None]:
    """64-bit floats, and LAPACK on the calling thread; both as they were before on leaving.

    The factorisations here are thin (tall QRs, k × k singular values): a second LAPACK thread gains
    nothing on a quiet machine and, where it must wait for a busy core, costs a hundredfold.
    """
    with jax.enable_x64(True), _pools().limit(limits=1, user_api="blas"):
        yield
