"""One sweep of the sampler at a size: whole, its Gram matrices and draws alone, and by cores."""

import argparse
import json
import resource
import threading
import time

import numpy as np

import flatrank.kernels as kernels
from flatrank.gibbs.sampler import Noise, Sampler, generator
from flatrank.measurements.entries import sample_entries


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance", help="rows x columns x entries x k")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    d1, d2, m, k = (int(n) for n in options.instance.split("x"))
    print(json.dumps(measure((d1, d2), m, k, options.repeats)))


def measure(shape, m, k, repeats):
    rng = np.random.default_rng(0)
    cells = shape[0] * shape[1]
    places = np.unique(rng.integers(cells, size=2 * m) if cells > 4 * m else np.arange(cells))
    places = np.sort(rng.permutation(places)[:m])
    rows, cols = np.divmod(places, shape[1])
    A, b = sample_entries(rows, cols, rng.standard_normal(rows.size), shape)
    sampler = Sampler(A, b, Noise.BY_LINE)
    state = sampler.near(None, k, generator(0))
    state = sampler.sweep(state, generator(1))

    def sweep(seed=2):
        with kernels.calling_thread_only():
            sampler.sweep(state, generator(seed))

    def both():
        threads = [threading.Thread(target=sweep, args=(seed,)) for seed in (2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def needed():
        """Gram matrices, and their Cholesky factors with what is drawn from them."""
        with kernels.calling_thread_only():
            for side, X, Y, law in (
                (sampler.by_row, state.L, state.R, state.rows),
                (sampler.by_col, state.R, state.L, state.cols),
            ):
                c, Z, ones = law.Lam @ law.mu, np.zeros_like(X), np.ones(X.shape[0])
                for part, entries, block in side.blocks(k):
                    G, h = kernels.row_grams(block, Y, side.data[Y.dtype.type][entries])
                    kernels.gaussian_rows(G, h, ones[part], law.Lam, c, Z[part])

    one, least, two = (timed(f, repeats) for f in (sweep, needed, both))
    return {
        "entries": int(rows.size),
        "seconds": one,
        "needed_seconds": least,
        "two_seconds": two / 2,
        "speedup": 2 * one / two,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def timed(call, repeats):
    spent = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return min(spent[1:])


if __name__ == "__main__":
    main()
