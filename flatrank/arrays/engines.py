"""Which engine an array belongs to, and what every public entry point computes under.

JAX is imported here alone, and only where its arrays are met or asked for.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

from flatrank.arrays.trees import UNKNOWN_TO_JAX, Array, leaves, tree_map

T = TypeVar("T")


def on_device(*trees: Any) -> bool:
    """Whether a leaf is an array of JAX."""
    jax = sys.modules.get("jax")
    return jax is not None and any(isinstance(x, jax.Array) for x in leaves(trees))


def is_array(x: Any) -> bool:
    """Whether x is an array of either engine."""
    return isinstance(x, np.ndarray | np.generic) or on_device(x)


def is_inexact(x: Any) -> bool:
    """Whether x is an array of real or complex numbers."""
    return is_array(x) and np.issubdtype(x.dtype, np.inexact)


def to_numpy(tree: T) -> T:
    """The tree with its arrays on the host."""
    return tree_map(lambda x: np.asarray(x) if on_device(x) else x, tree)


def like(tree: T, x: Array) -> T:
    """The tree with its arrays of the engine that x belongs to."""
    if not on_device(x):
        return to_numpy(tree)
    jax = known_to_jax()
    return tree_map(lambda a: jax.numpy.asarray(a) if is_array(a) else a, tree)


def placed(tree: T, device: Any) -> T:
    """The tree with its arrays on a device of JAX, or of a kind such as "gpu"; or off, "numpy"."""
    if device == "numpy":
        return to_numpy(tree)
    try:
        jax = import_module("jax")
        target = jax.devices(device)[0] if isinstance(device, str) else device
    except ImportError as missing:
        raise ValueError('devices need JAX: pip install "flatrank[jax]"') from missing
    except RuntimeError as unknown:
        raise ValueError(f"no device {device!r}: {unknown}") from unknown
    with scope():
        return tree_map(lambda x: jax.device_put(x, target) if is_array(x) else x, tree)


def known_to_jax() -> Any:
    """JAX, with every module so far registered as one of its trees."""
    jax = sys.modules["jax"]
    while UNKNOWN_TO_JAX:
        cls: Any = UNKNOWN_TO_JAX.pop()
        jax.tree_util.register_pytree_node(
            cls,
            lambda x: (
                [getattr(x, n) for n in x._array_names],
                tuple(getattr(x, n) for n in x._static_names),
            ),
            functools.partial(_unflattened, cls),
        )
    return jax


def _unflattened(cls: Any, settings: Any, arrays: Any) -> Any:
    made = object.__new__(cls)
    made.__dict__.update(zip(cls._array_names, arrays, strict=True))
    made.__dict__.update(zip(cls._static_names, settings, strict=True))
    return made


@cache
def _pools() -> Any:
    import_module("scipy.linalg")  # loads the second LAPACK there is
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _release() -> None:
    """Let this thread set limits: threadpoolctl lets only the first that did."""
    for library in _pools().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


def threads() -> int:
    """How many a call may use: FLATRANK_NUM_THREADS, OMP_NUM_THREADS or all processors.

    Returns
    -------
    int
    """
    for name in ("FLATRANK_NUM_THREADS", "OMP_NUM_THREADS"):
        number = os.environ.get(name, "").split(",")[0].strip()
        if number.isdigit() and int(number) > 0:
            return int(number)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _OneThread:
    """BLAS limited to one thread while anyone is inside; as it was before when all have left.

    For as long as anyone says `all_cores` it is as it was before.
    """

    def __init__(self) -> None:
        self.lock, self.inside, self.lifted, self.limit = threading.Lock(), 0, 0, None
        self.found: list[tuple[Any, int]] = []

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                _release()
                libraries = _pools().select(user_api="blas").lib_controllers
                self.found = [(library, library.num_threads) for library in libraries]
                self.limit = _pools().limit(limits=1, user_api="blas")
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0 and self.limit is not None:
                _release()  # the thread that came first may not be the last to leave
                self.limit.restore_original_limits()
                _release()
                self.limit = None

    @contextmanager
    def all_cores(self) -> Iterator[None]:
        """As many threads as there were before, and as kernels may use."""
        self._lift(1)
        try:
            yield
        finally:
            self._lift(-1)

    def _lift(self, more: int) -> None:
        with self.lock:
            before, self.lifted = self.lifted, self.lifted + more
            if self.limit is not None and 0 in (before, self.lifted):
                _release()
                for library, before_us in self.found:
                    library.set_num_threads(min(before_us, threads()) if self.lifted else 1)


_one_thread = _OneThread()
# Flops from which on waking the other cores takes next to nothing: a few milliseconds.
_LONG = 1e8


def one_blas_thread() -> None:
    """BLAS on one thread for as long as the process lives, except for what has `all_cores`.

    For a process that does nothing but one run. Small products on the host between entry points,
    each of which is a `scope`, wake the second thread, which then waits for more by spinning on a
    core that the kernels need: a tenth of the time of a run.
    """
    _one_thread.__enter__()


def all_cores(flops: float) -> AbstractContextManager[None]:
    """BLAS and LAPACK on all cores within a `scope`, if the work is at least `_LONG`."""
    return _one_thread.all_cores() if flops >= _LONG else nullcontext()


@contextmanager
def scope() -> Iterator[None]:
    """LAPACK on the calling thread, no warnings where NaN is the answer, 64 bits where JAX is.

    Everything is as it was before on leaving. The factorisations here are thin (tall QRs, k × k
    singular values): a second LAPACK thread gains nothing on a quiet machine and, where it must
    wait for a busy core, costs a hundredfold. What is long has them by `all_cores`.
    """
    with _one_thread, np.errstate(all="ignore"):
        jax = sys.modules.get("jax")
        if jax is None:
            yield
        else:
            with jax.enable_x64(True):
                yield
