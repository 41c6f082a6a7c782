"""Balanced pairs as L = UP, R = VP, U and V orthonormal, by pymanopt's trust region.

f = ½‖U PPᵀ Vᵀ − M‖² with its exact gradient and Hessian, from the same starts.
"""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pymanopt
from pymanopt.manifolds import Euclidean, Product, Stiefel
from pymanopt.optimizers import TrustRegions

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.instances import BALANCED, counted

STEPS, SECONDS = 1000, 30.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    recipe = BALANCED[parser.parse_args().instance]
    M, starts = recipe.draw()
    problem = three_factors(M, starts[0])
    optimizer = TrustRegions(max_iterations=STEPS, max_time=SECONDS, min_gradient_norm=1e-10,
                             verbosity=0)  # fmt: skip
    runs = []
    for start in starts:
        begin = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = optimizer.run(problem, initial_point=start)
        seconds = time.perf_counter() - begin
        U, P, V = found.point
        runs.append({
            "seconds": seconds,
            "excess": recipe.excess(U @ P @ P.T @ V.T, M),
            "iterations": found.iterations,
        })  # fmt: skip
    print(json.dumps(counted(runs)))


def three_factors(M, start):
    """The problem with E = U K Vᵀ − M, K = PPᵀ, and C = UᵀEV."""
    manifold = Product([Stiefel(*start[0].shape), Euclidean(*start[1].shape),
                        Stiefel(*start[2].shape)])  # fmt: skip

    @pymanopt.function.numpy(manifold)
    def cost(U, P, V):
        return 0.5 * np.sum((U @ P @ P.T @ V.T - M) ** 2)

    @pymanopt.function.numpy(manifold)
    def gradient(U, P, V):
        K = P @ P.T
        E = U @ K @ V.T - M
        C = U.T @ E @ V
        return E @ V @ K, (C + C.T) @ P, E.T @ U @ K

    @pymanopt.function.numpy(manifold)
    def hessian(U, P, V, u, p, v):
        K, k = P @ P.T, p @ P.T + P @ p.T
        E = U @ K @ V.T - M
        e = u @ K @ V.T + U @ k @ V.T + U @ K @ v.T
        C, c = U.T @ E @ V, u.T @ E @ V + U.T @ e @ V + U.T @ E @ v
        return (
            e @ V @ K + E @ v @ K + E @ V @ k,
            (c + c.T) @ P + (C + C.T) @ p,
            e.T @ U @ K + E.T @ u @ K + E.T @ U @ k,
        )

    return pymanopt.Problem(manifold, cost, euclidean_gradient=gradient, euclidean_hessian=hessian)


if __name__ == "__main__":
    main()
