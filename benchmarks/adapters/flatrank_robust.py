"""flatrank on robust PCA: default weight, proof included, timed cold (first call) and warm."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from instance import cold_and_warm

import flatrank as fr

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.instances import ROBUST, street


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tol", type=float, default=1e-6)
    options = parser.parse_args()
    Y, X = (street(), None) if options.instance == "street" else ROBUST[options.instance].draw()
    print(json.dumps(cold_and_warm(lambda: solve(Y, X, options.tol), options.repeats)))


def solve(Y, X, tol):
    start, cpu = time.perf_counter(), time.process_time()
    solution = fr.solve(fr.robust_pca(Y), tol=tol)
    L, R = np.asarray(solution.factors.L), np.asarray(solution.factors.R)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "error": None if X is None else float(np.linalg.norm(L @ R.T - X) / np.linalg.norm(X)),
        "status": solution.status.name.lower(),
        "rank": solution.rank,
        "objective": float(solution.certificate.primal),
        "relative_gap": float(solution.certificate.relative_gap),
        "iterations": solution.counts.steps,
    }


if __name__ == "__main__":
    main()
