"""A convex solver through cvxpy on one cell of a figure, one instance after another.

Off the clock: D1 and D2, the rescaled measurements, the gap, and attempts whose gap is above 1e-6.
The loosest tolerance that closes the gap counts.
"""

import argparse
import json

import cvxpy as cp
import numpy as np
from figure_draws import GAP, RECOVERED, Stopwatch, drawn, gap_of, unwhitened

from flatrank.factors import Cone
from flatrank.measurements.explicit import written_out

LADDER = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cell")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    M, problems = drawn(options.cell)
    rows = [instance(problem, M, min(options.repeats, 2)) for problem in problems]
    gaps = [row["gap"] for row in rows]
    print(json.dumps({
        "seconds": float(np.mean([row["seconds"] for row in rows])),
        "cpu_seconds": float(np.mean([row["cpu"] for row in rows])),
        "own_seconds": float(np.mean([row["own"] for row in rows])),
        "tolerances": sorted({row["eps"] for row in rows}),
        "relative_gap": max(gaps),
        "certified": sum(gap <= GAP for gap in gaps),
        "recovered": sum(row["error"] <= RECOVERED for row in rows),
        "error": max(row["error"] for row in rows),
        "of": len(rows),
        "runs": rows,
    }))  # fmt: skip


def instance(problem, M, repeats):
    """The fastest of several runs at the loosest tolerance that closes the gap."""
    for eps in LADDER:
        row = solved(problem, eps)
        if row["gap"] <= GAP:
            break
    rows = [row, *(solved(problem, eps) for _ in range(repeats - 1))]
    best = min(rows, key=lambda row: row["seconds"])
    pair = unwhitened(problem, best.pop("X"))
    return best | {"error": float(np.linalg.norm(pair.L @ pair.R.T - M))}


def solved(flat, eps):
    """One call of cvxpy, its own part of it, and what came out."""
    X = cp.Variable(flat.shape, symmetric=flat.cone is Cone.SYMMETRIC)
    b, rows = np.asarray(flat.b), written_out(flat.whitened)
    with Stopwatch() as watch:
        fits = rows @ cp.vec(X, order="C") == b
        problem = cp.Problem(cp.Minimize(cp.normNuc(X)), [fits])
        problem.solve(solver=cp.SCS, eps=eps, max_iters=100_000)
    stats = problem.solver_stats
    y = fits.dual_value
    y = -y if b @ y < 0 else y
    return {
        "seconds": watch.seconds, "cpu": watch.cpu, "eps": eps, "X": X.value,
        "own": (stats.solve_time or 0.0) + (stats.setup_time or 0.0),
        "gap": gap_of(flat, X.value, y),
    }  # fmt: skip


if __name__ == "__main__":
    main()
