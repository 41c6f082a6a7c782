"""One gradient of ½‖P(X Yᵀ) - b‖²: residual and both sides, compiled kernels, JAX alone, SciPy.

Prints nanoseconds an entry. Each path is checked against SciPy in float64 first.
"""

import argparse
import json
import time

import jax
import numpy as np
from scipy.sparse import csr_array

from flatrank.arrays import compiled, tree_map
from flatrank.kernels import Compressed, residual_gradient

RANK = 10


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "instance", help="rows x entries x type, for instance 100000x5000000xfloat32"
    )
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    n, m, kind = options.instance.split("x")
    print(json.dumps(measure(int(n), int(m), kind, options.repeats)))


def measure(n, m, kind, repeats):
    rng = np.random.default_rng(0)
    places = np.unique(rng.integers(n * n, size=m))
    m = places.size
    rows, cols = np.divmod(places, n)
    pattern = csr_array((np.arange(m), cols, np.searchsorted(rows, np.arange(n + 1))), (n, n))
    transposed = pattern.T.tocsr()
    b = rng.standard_normal(m).astype(kind)
    X, Y = (rng.standard_normal((n, RANK)).astype(kind) for _ in range(2))
    exact = scipy_gradient(pattern, rows, *(a.astype(np.float64) for a in (X, Y, b)))

    sides = [compressed(p, n) for p in (pattern, transposed)]
    arrays = [*sides, X, Y, b, b[transposed.data]]
    outcome = {
        "entries": m,
        "scipy": timed(lambda: scipy_gradient(pattern, rows, X, Y, b), repeats),
        "compiled": tried(gradient, arrays, exact, repeats),
    }
    with jax.enable_x64(True):
        placed = tree_map(jax.numpy.asarray, arrays)
        outcome["xla"] = tried(gradient, placed, exact, repeats)
    for name in ("scipy", "compiled", "xla"):
        outcome[name]["ns_per_entry"] = outcome[name]["seconds"] / m * 1e9
    return outcome


@compiled
def gradient(by_row, by_col, X, Y, b, bT):
    G, squares = residual_gradient(by_row, X, Y, b)
    return G, residual_gradient(by_col, Y, X, bT)[0], squares.sum()


def tried(call, arrays, exact, repeats):
    """First call, error and later calls."""
    start = time.perf_counter()
    found = jax.block_until_ready(call(*arrays))
    cold = time.perf_counter() - start
    wrong = max(difference(ours, theirs) for ours, theirs in zip(found, exact, strict=True))
    out = timed(lambda: jax.block_until_ready(call(*arrays)), repeats)
    return out | {"error": wrong, "cold_seconds": cold}


def compressed(pattern, width):
    indptr, indices = pattern.indptr.astype(np.int64), pattern.indices.astype(np.int32)
    return Compressed(indptr, indices, width)


def scipy_gradient(pattern, rows, X, Y, b):
    residual = np.empty_like(b)
    for part in range(0, b.size, 1 << 20):
        at = slice(part, part + (1 << 20))
        residual[at] = np.einsum("ij,ij->i", X[rows[at]], Y[pattern.indices[at]])
    residual -= b
    S = csr_array((residual, pattern.indices, pattern.indptr), pattern.shape)
    return S @ Y, S.T @ X, residual @ residual


def difference(ours, theirs):
    return float(np.linalg.norm(np.asarray(ours) - theirs) / np.linalg.norm(theirs))


def timed(call, repeats):
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds), "repeats": seconds}


if __name__ == "__main__":
    main()
