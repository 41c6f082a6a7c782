"""Every problem of one class of ordinary tables, each solved once: certified or not, and when."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import flatrank as fr
from benchmarks import ordinary


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance", help=", ".join(ordinary.CLASSES))
    parser.add_argument("--tries", type=int, help="problems; by default those of the class")
    parser.add_argument("--first", type=int, default=0, help="number of the first problem")
    options = parser.parse_args()
    cells, solved = ordinary.CLASSES[options.instance], []
    tries = options.tries or ordinary.TRIES[options.instance]
    for seed in range(options.first, options.first + tries):
        drawn = ordinary.table(cells, seed)
        entries = drawn.rows, drawn.cols, drawn.values, drawn.shape
        problem = fr.completion(*entries, lam=1.0, smoothing=drawn.smoothing)
        top = fr.solvers.largest_lam(problem)
        problem = problem.with_lam(drawn.lam_ratio * top if top else 1.0)
        start = time.perf_counter()
        solution = fr.solve(problem)
        spent, gap = time.perf_counter() - start, float(solution.certificate.relative_gap)
        solved.append((spent, gap, solution.status is fr.Status.CERTIFIED))
        if not solved[-1][2]:
            print(f"{seed}: {solution.status.name}, gap {gap:.1e}: {drawn.words}", file=sys.stderr)
    spent, gaps, certified = map(np.array, zip(*solved, strict=True))
    print(json.dumps({
        "tries": len(solved),
        "certified": int(np.sum(certified)),
        "relative_gap": float(np.max(gaps)),
        "seconds": float(np.median(spent)),
        "slowest": float(np.max(spent)),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
