"""BalancedDescent on a matrix seen everywhere, from random starts: how many reach the optimum."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

import flatrank as fr

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.instances import BALANCED, counted


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    recipe = BALANCED[parser.parse_args().instance]
    M, starts = recipe.draw()
    rows, cols = np.divmod(np.arange(M.size), M.shape[1])
    problem = fr.completion(rows, cols, M.ravel(), M.shape, smoothing=1.0)
    solver = fr.solvers.BalancedDescent(rank=recipe.k, tol=1e-7)
    runs = []
    for U, P, V in starts:
        start = time.perf_counter()
        solution = fr.solve(problem, solver=solver, start=(U @ P, V @ P))
        L, R = np.asarray(solution.factors.L), np.asarray(solution.factors.R)
        seconds = time.perf_counter() - start
        runs.append({
            "seconds": seconds,
            "excess": recipe.excess(L @ R.T, M),
            "imbalance": float(np.abs(L.T @ L - R.T @ R).max()),
            "iterations": solution.counts.steps,
        })  # fmt: skip
    print(json.dumps(counted(runs) | {"imbalance": max(run["imbalance"] for run in runs)}))


if __name__ == "__main__":
    main()
