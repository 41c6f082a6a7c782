"""implicit: AlternatingLeastSquares on the CPU, three conjugate gradient steps a row by default.

Its confidence of a click is what it is given; of a cell without one it is 1.
"""

import argparse
import json
import os
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as its authors advise: its own threads use all cores

from implicit.als import AlternatingLeastSquares
from ranking import SWEEPS, Clicks


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    clicks = Clicks(options.instance)
    confidence = clicks.counts.copy()
    confidence.data = 1 + clicks.alpha * confidence.data
    runs = [measure(clicks, confidence) for _ in range(options.repeats)]
    best = min(runs, key=lambda run: run["seconds"])
    print(json.dumps(best | {"repeats": [run["seconds"] for run in runs]}))


def measure(clicks, confidence):
    ends = []
    model = AlternatingLeastSquares(
        factors=clicks.factors, regularization=clicks.lam, alpha=1.0, iterations=SWEEPS,
        use_gpu=False, num_threads=os.cpu_count(), random_state=0,
    )  # fmt: skip
    begin = time.perf_counter()
    model.fit(
        confidence,
        show_progress=False,
        callback=lambda *_: ends.append(time.perf_counter() - begin),
    )
    return clicks.facts(model.user_factors, model.item_factors, ends)


if __name__ == "__main__":
    main()
