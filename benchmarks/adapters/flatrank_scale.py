"""flatrank at scale: one process, one solve, its wall time and the peak memory of all of it.

The peak is that of the whole process: interpreter, libraries, compilation and the instance itself.
"""

import json
import resource
import sys
import time

import numpy as np

import flatrank as fr


def main(path, tol=1e-6):
    with np.load(path) as data:
        arrays = {key: data[key] for key in ("rows", "cols", "values")}
        shape = tuple(int(n) for n in data["shape"])
    loaded = peak()
    start = time.perf_counter()
    problem = fr.completion(**arrays, shape=shape)
    del arrays
    built = time.perf_counter()
    solution = fr.solve(problem, tol=float(tol))
    L, R = np.asarray(solution.factors.L), np.asarray(solution.factors.R)
    end = time.perf_counter()
    highest = peak()
    from instance import Completion

    certificate = solution.certificate
    print(json.dumps({
        "seconds": end - start,
        "cold_seconds": end - start,
        "build_seconds": built - start,
        "error": Completion(path).relative_error(L, R),
        "status": solution.status.name.lower(),
        "rank": solution.rank,
        "unique": certificate.unique,
        "relative_gap": float(certificate.relative_gap),
        "peak_bytes": highest,
        "loaded_bytes": loaded,
        "iterations": solution.counts.steps,
        "products": solution.counts.forward + solution.counts.adjoint,
    }))  # fmt: skip


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
