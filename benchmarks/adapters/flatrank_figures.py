"""flatrank on one cell of a figure: draws side by side, M and its rank unknown, gaps included.

Off the clock: D1 and D2.
"""

import argparse
import json

import numpy as np
from figure_draws import GAP, RECOVERED, Stopwatch, drawn

import flatrank as fr
from flatrank.experiments.cells import side_by_side


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cell")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    M, problems = drawn(options.cell)
    runs = []
    for _ in range(options.repeats):
        with Stopwatch() as watch:
            solved = side_by_side(lambda problem: fr.solve(problem, goal="flat"), problems)
        runs.append((watch.seconds / len(problems), watch.cpu / len(problems)))
    gaps = [one.certificate.relative_gap for one in solved]
    matrices = [one.factors.L @ one.factors.R.T for one in solved]
    errors = [float(np.linalg.norm(X - M)) for X in matrices]
    best = min(runs)
    print(json.dumps({
        "seconds": best[0],
        "cpu_seconds": best[1],
        "repeats": runs,
        "relative_gap": max(gaps),
        "certified": sum(gap <= GAP for gap in gaps),
        "recovered": sum(error <= RECOVERED for error in errors),
        "error": max(errors),
        "of": len(problems),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
