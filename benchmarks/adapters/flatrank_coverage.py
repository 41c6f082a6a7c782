"""Intervals of one kind on every table of one cell: how many unseen entries lie in them."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import flatrank as fr
from benchmarks import coverage


def posterior(entries, places, level):
    found = fr.posterior(fr.completion(*entries))
    return found.mean(*places), found.interval(*places, level), found.interval(
        *places, level, noise=False
    )  # fmt: skip


def conformal(entries, places, level):
    found = fr.complete(*entries)
    return found.predict(*places), found.interval(*places, level, kind="conformal"), None


def debiased(entries, places, level):
    rows, cols, values, shape = entries
    mean = values.mean()
    problem = fr.completion(rows, cols, values - mean, shape, lam_ratio=0.2)
    found = fr.debiased(fr.solve(problem, tol=1e-4))
    ends = (found.interval(*places, level, noise=noise) for noise in (True, False))
    new, true = (tuple(mean + end for end in both) for both in ends)
    return mean + found.values(*places), new, true


def main():
    kinds = {kind.__name__: kind for kind in (posterior, conformal, debiased)}
    parser = argparse.ArgumentParser()
    parser.add_argument("instance", help=", ".join(coverage.CELLS))
    parser.add_argument("--kind", choices=kinds, default="posterior")
    parser.add_argument("--level", type=float, default=0.9)
    parser.add_argument("--tries", type=int, default=coverage.DRAWS)
    options = parser.parse_args()
    noise, runs, spent = coverage.CELLS[options.instance][0], [], []
    for seed in range(options.tries):
        Y, X, seen = coverage.table(options.instance, seed)
        entries = (*np.nonzero(seen), Y[seen], Y.shape)
        start = time.perf_counter()
        try:
            mean, new, true = kinds[options.kind](entries, np.nonzero(~seen), options.level)
        except ValueError as refused:
            if "stands out of the noise" not in str(refused):
                raise
            continue
        spent.append(time.perf_counter() - start)
        runs.append(coverage.judged(mean, new, true, (Y[~seen], X[~seen]), noise * X.std()))
    found = {name: np.array([run[name] for run in runs]) for name in runs[0]}
    print(json.dumps({
        "kind": options.kind,
        "tries": options.tries,
        "answered": len(runs),
        **{name: float(np.mean(x)) for name, x in found.items()},
        "least": float(np.min(found["coverage"])),
        "most": float(np.max(found["coverage"])),
        "seconds": float(np.median(spent)),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
