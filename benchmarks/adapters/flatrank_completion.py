"""flatrank on exact completion: from entries to factors, timed cold (first call) and warm.

With `--find-only` the find step alone, step by step, as the peers are measured: the first iterate
whose error over the whole matrix is below the target; `--solver` names another than the default,
and `--until` goes on to a second target. Otherwise `solve`, which also certifies.
"""

import argparse
import json
import time

import numpy as np
from instance import TARGET, Clock, Completion, Stopped, first_below, thin

import flatrank as fr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--find-only", action="store_true")
    parser.add_argument("--solver", default="GaussNewton")
    parser.add_argument("--geometry")
    parser.add_argument("--until", type=float, default=TARGET)
    options = parser.parse_args()
    instance = Completion(options.instance)
    run = find if options.find_only else solve
    runs = [run(instance, options) for _ in range(options.repeats + 1)]
    cold, warm = runs[0], runs[1:]
    best = min(warm, key=lambda one: one["seconds"] or np.inf)
    print(json.dumps(best | {
        "cold_seconds": cold["seconds"], "repeats": [one["seconds"] for one in warm],
    }))  # fmt: skip


def problem_of(instance):
    return fr.completion(instance.rows, instance.cols, instance.values, instance.shape)


def solve(instance, _):
    start = time.perf_counter()
    solution = fr.solve(problem_of(instance), rank=instance.rank)
    L, R = np.asarray(solution.factors.L), np.asarray(solution.factors.R)
    seconds = time.perf_counter() - start
    error = instance.relative_error(L, R)
    return {
        "seconds": seconds if error <= TARGET else None,
        "error": error,
        "status": solution.status.name.lower(),
        "rank": solution.rank,
        "iterations": solution.counts.steps,
        "products": solution.counts.forward + solution.counts.adjoint,
    }


def find(instance, options):
    """The find step alone, timed like the peers to its first iterate below the target."""
    clock = Clock(instance, budget=600, until=options.until)
    given = {"geometry": options.geometry} if options.geometry else {}
    if options.until < TARGET:
        given["tol"] = options.until / 100
    problem = problem_of(instance)
    solver = getattr(fr.solvers, options.solver)(rank=instance.rank, **given)
    state = solver.init(problem)
    steps = 0
    try:
        while solver.status(problem, state) is fr.Status.RUNNING:
            state = solver.step(problem, state)
            steps += 1
            pair = problem.unwhiten(solver.outcome(state).pair)
            clock.record(np.asarray(pair.L), np.asarray(pair.R))
    except Stopped:
        pass
    counts = solver.outcome(state).counts
    first, last = first_below(clock.trace), first_below(clock.trace, options.until)
    return {
        "seconds": first and first[0],
        "error": (first or clock.trace[-1])[1],
        "rank": solver.outcome(state).rank,
        "iterations": clock.trace.index(first) + 1 if first else steps,
        "until": {"seconds": last[0], "error": last[1], "iterations": steps} if last else None,
        "products": counts.forward + counts.adjoint,
        "trace": thin(clock.trace),
    }


if __name__ == "__main__":
    main()
