"""flatrank on one cell of a figure: all draws together, M and its rank unknown, gaps included."""

import argparse
import json

import numpy as np
from figure_draws import GAP, RECOVERED, Stopwatch, drawn

from flatrank.experiments.cells import solve_instances


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cell")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    M, ensembles, data = drawn(options.cell)
    runs = []
    for _ in range(options.repeats):
        with Stopwatch() as watch:
            solved = solve_instances(ensembles, data, 0.0)
        runs.append((watch.seconds / len(data), watch.cpu / len(data)))
    gaps = [one.gap for one in solved]
    errors = [float(np.linalg.norm(one.X - M)) for one in solved]
    best = min(runs)
    print(json.dumps({
        "seconds": best[0],
        "cpu_seconds": best[1],
        "repeats": runs,
        "relative_gap": max(gaps),
        "certified": sum(gap <= GAP for gap in gaps),
        "recovered": sum(error <= RECOVERED for error in errors),
        "error": max(errors),
        "of": len(data),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
