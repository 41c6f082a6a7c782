"""The posterior of every table of one cell: how many unseen entries lie in their intervals."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import flatrank as fr
from benchmarks import coverage


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance", help=", ".join(coverage.CELLS))
    parser.add_argument("--level", type=float, default=0.9)
    parser.add_argument("--tries", type=int, default=coverage.DRAWS)
    options = parser.parse_args()
    noise, runs = coverage.CELLS[options.instance][0], []
    for seed in range(options.tries):
        Y, X, seen = coverage.table(options.instance, seed)
        rows, cols = np.nonzero(seen)
        start = time.perf_counter()
        found = fr.posterior(fr.completion(rows, cols, Y[seen], Y.shape))
        spent = time.perf_counter() - start
        rows, cols = np.nonzero(~seen)
        low, high = found.interval(rows, cols, options.level)
        error = found.mean(rows, cols) - X[~seen]
        inside = np.mean((low <= Y[~seen]) & (Y[~seen] <= high))
        # Beside the intervals of one who knows X and the noise: 2 · 1.645 standard deviations.
        width = np.mean(high - low) / (2 * 1.6449 * noise * X.std())
        runs.append((spent, inside, np.sqrt(np.mean(error**2)) / X.std(), width, found.width))
    spent, inside, error, width, columns = map(np.array, zip(*runs, strict=True))
    print(json.dumps({
        "tries": len(runs),
        "coverage": float(np.mean(inside)),
        "least": float(np.min(inside)),
        "most": float(np.max(inside)),
        "error": float(np.mean(error)),
        "width": float(np.mean(width)),
        "columns": float(np.median(columns)),
        "seconds": float(np.median(spent)),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
