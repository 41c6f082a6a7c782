"""The flatness of a trained network in so many products, twice: with compilation, and without."""

import argparse
import json
import sys
import time
from pathlib import Path

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import nets
from flatrank.networks import Budget, curvature, flatness


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("--products", type=int, default=120)
    parser.add_argument("--eigenvalues", type=int, default=1)
    options = parser.parse_args()
    with np.load(options.instance) as data:
        params, batch = nets.weights_of(data), (data["x"], data["y"])
        truth = float(data["trace"]), float(data["largest"])
    # A tolerance that is not met: all products are spent.
    budget = Budget(trace_tol=1e-4, max_products=options.products)
    runs = []
    for seed in (0, 1):
        H = curvature(nets.loss, params, [batch])
        runs.append(flatness(H, eigenvalues=options.eigenvalues, budget=budget, seed=seed))
    best, top = runs[1], runs[1].largest_eigenvalue
    print(json.dumps({
        "seconds": best.seconds,
        "cold_seconds": runs[0].seconds,
        "products": best.products,
        "trace": best.trace.value,
        "stated_trace": best.trace.half_width / best.trace.value,
        "trace_error": abs(best.trace.value / truth[0] - 1),
        "largest": top.value,
        "stated_largest": top.residual / top.value,
        "largest_error": abs(top.value / truth[1] - 1),
        "product_seconds": clock(lambda: H(H.form.signs(0))),
        "gradient_seconds": clock(H.gradient),
    }))  # fmt: skip


def clock(call, times=9):
    """The fastest of some calls."""
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        spent.append(time.perf_counter() - begin)
    return min(spent)


if __name__ == "__main__":
    main()
