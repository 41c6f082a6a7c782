"""flatrank at scale: one process, one solve, its wall time and the peak memory of all of it.

The peak is that of the whole process: interpreter, libraries, compilation and the instance itself.
*Found* is when the first factors with the final misfit were there; proofs come after it.
"""

import argparse
import json
import resource
import time

import numpy as np

import flatrank as fr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("--tol", type=float, default=1e-6)
    parser.add_argument("--rank-told", action="store_true")
    options = parser.parse_args()
    with np.load(options.instance) as data:
        rank = int(data["rank"]) if options.rank_told else None
        arrays = {key: data[key] for key in ("rows", "cols", "values")}
        shape = tuple(int(n) for n in data["shape"])
    loaded = peak()
    start = time.perf_counter()
    problem = fr.completion(**arrays, shape=shape)
    del arrays
    built = time.perf_counter()
    solution = fr.solve(problem, tol=options.tol, rank=rank)
    L, R = np.asarray(solution.factors.L), np.asarray(solution.factors.R)
    end = time.perf_counter()
    highest = peak()
    from instance import Completion

    certificate = solution.certificate
    print(json.dumps({
        "seconds": end - start,
        "cold_seconds": end - start,
        "build_seconds": built - start,
        "found_seconds": found_after(solution.history) + built - start,
        "error": Completion(options.instance).relative_error(L, R),
        "status": solution.status.name.lower(),
        "rank": solution.rank,
        "unique": certificate.unique,
        "relative_gap": float(certificate.relative_gap),
        "peak_bytes": highest,
        "loaded_bytes": loaded,
        "iterations": solution.counts.steps,
        "products": solution.counts.forward + solution.counts.adjoint,
    }))  # fmt: skip


def found_after(history):
    """Seconds after which the misfit was that of the answer."""
    last = history[-1]["misfit"]
    return next(step["seconds"] for step in history if step["misfit"] <= last)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
