"""flatrank on clicks: sweeps of alternating least squares, then the proof of how far they are."""

import argparse
import json
import time

import numpy as np
from ranking import SWEEPS, Clicks

import flatrank as fr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    clicks = Clicks(options.instance)
    problem = fr.implicit(clicks.counts, alpha=clicks.alpha, lam=clicks.lam)
    solver = fr.solvers.ImplicitLeastSquares(rank=clicks.factors, sweeps=SWEEPS)
    runs = [measure(clicks, problem, solver) for _ in range(options.repeats)]
    best = min(runs, key=lambda run: run["seconds"])
    print(json.dumps(best | {"repeats": [run["seconds"] for run in runs]}))


def measure(clicks, problem, solver):
    solution = fr.solvers.approximate(problem, solver=solver, tol=solver.tol)
    begin = time.perf_counter()
    certificate = fr.certify(problem, solution)
    proof = time.perf_counter() - begin
    L, R = (np.asarray(x) for x in (solution.factors.L, solution.factors.R))
    facts = clicks.facts(L, R, [record["seconds"] for record in solution.history])
    return facts | {"relative_gap": certificate.relative_gap, "proof_seconds": proof}


if __name__ == "__main__":
    main()
