"""Threads: the same numbers every time, whoever computes them, and no one waits for ever."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatrank import kernels
from flatrank.kernels import support


@pytest.fixture(scope="module")
def large(pattern, arguments):
    """Enough entries, unevenly spread, for all threads to take part."""
    C = pattern(3000, 500, 60_000, 20_000)
    return C, *arguments(C, 5, "float32")


def test_bit_for_bit_the_same(large, every):
    program = jax.jit(every)
    first = program(*large)
    for _ in range(20):
        for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(program(*large)), strict=True):
            np.testing.assert_array_equal(a, b)


def test_many_threads_at_once(large):
    C, X, Y, P, Q, _v, b, e, _w = large

    @jax.jit
    def program(scale):
        def step(_, X):
            G, _ = kernels.residual_gradient(C, X, Y, b)
            return X + 1e-4 * (G + kernels.curvature_product(C, X, Y, P, Q, e))

        return jax.lax.fori_loop(0, 5, step, scale * X)

    scales = jnp.linspace(0.5, 1, 4)
    expected = [np.asarray(program(s)) for s in scales]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(15):
            got = threads.map(lambda s: np.asarray(program(s)), scales)
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_array_equal(a, b)


def test_branches_of_one_program_may_run_at_once(large):
    """XLA may run independent calls on several threads of the very pool they hand work to."""
    C, X, Y, *_ = large

    @jax.jit
    def program(X):
        return sum(kernels.sampled_product(C, X * i, Y).sum() for i in range(1, 9))

    first = program(X)
    for _ in range(30):
        np.testing.assert_array_equal(program(X), first)


ONE_CORE = """
import os, jax, numpy as np, jax.numpy as jnp
from flatrank import kernels
from flatrank.kernels import support
m, n = 200_000, 1000
rng = np.random.default_rng(0)
rows = np.sort(rng.integers(0, n, m))
pointers = jnp.asarray(np.searchsorted(rows, np.arange(n + 1)).astype(np.int32))
C = kernels.Compressed(pointers, jnp.asarray(rng.integers(0, n, m).astype(np.int32)), None, n)
X = jnp.asarray(rng.standard_normal((n, 3)), jnp.float32)
got = [kernels.sparse_tall(C, kernels.sampled_product(C, X, X), X) for _ in range(20)]
with kernels.using("reference"):
    G = kernels.sparse_tall(C, kernels.sampled_product(C, X, X), X)
assert all(np.allclose(g, G, atol=1e-2) for g in got)
assert kernels.path_in_use().startswith("compiled")
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs to choose its processors")
def test_one_core():
    one = f"import os; os.sched_setaffinity(0, [{min(os.sched_getaffinity(0))}])"
    subprocess.run([sys.executable, "-c", one + ONE_CORE], check=True, timeout=300)


SECOND = """
import time, warnings
warnings.simplefilter("error")
from flatrank.kernels import native, support
start = time.perf_counter()
native.target("sampled_product", 3, 32, support.api_version())
native.target("sampled_product", 19, 32, support.api_version())
print(*(f.cache_hits for f in native.KEPT_ALIVE.values()), time.perf_counter() - start)
"""


def test_a_second_process_compiles_nothing(tmp_path):
    def run():
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        out = subprocess.run(
            [sys.executable, "-c", SECOND], check=True, env=environment, capture_output=True
        )
        *hits, seconds = out.stdout.split()
        return [int(h) for h in hits], float(seconds)

    (cold, slow), (warm, fast) = run(), run()
    assert cold == [0, 0, 0]
    assert warm == [1, 1, 1]
    assert fast < slow


def test_no_place_for_a_cache(monkeypatch):
    """Where nothing can be written, kernels are compiled in each process."""
    from flatrank.kernels import addresses, handlers, native

    def nowhere(_):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(addresses, "FunctionCache", nowhere)
    assert native.facts()["cache"] is None
    what = native.variant("sampled_product", 2, 32, support.api_version())
    handler = handlers.plain(str(what), 1, native.stamp())
    assert handler.address
    assert handler.cache_hits == 0
