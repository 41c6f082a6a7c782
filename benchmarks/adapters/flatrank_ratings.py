"""flatrank on ratings: everything chosen within the training part, then refitted.

The test part is touched only to measure the error. Nothing is clipped to the rating scale.
"""

import argparse
import json
import time

import numpy as np

from flatrank.data import Entries
from flatrank.selection import complete_entries


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("--smoothing", type=float)
    parser.add_argument("--predict", default="posterior")
    options = parser.parse_args()
    with np.load(options.instance) as data:
        print(json.dumps(measure(data, options.smoothing, options.predict)))


def measure(data, theta, predict):
    users, items = np.unique(data["train_rows"]), np.unique(data["train_cols"])
    order = np.lexsort((data["train_cols"], data["train_rows"]))
    train = Entries(
        rows=np.searchsorted(users, data["train_rows"][order]).astype(np.int32),
        cols=np.searchsorted(items, data["train_cols"][order]).astype(np.int32),
        values=data["train_values"][order],
        row_labels=users.astype(str),
        col_labels=items.astype(str),
    )
    start = time.perf_counter()
    model = complete_entries(train, holdout=0.0, smoothing=theta, predict=predict, seed=0)
    seconds = time.perf_counter() - start
    rows, cols = code(users, data["test_rows"]), code(items, data["test_cols"])
    base = model.offsets.at(rows, cols)
    known = (rows >= 0) & (cols >= 0)
    guess = base.copy()
    guess[known] = model.predict(rows[known], cols[known])
    certificate, average = model.solution.certificate, model.average
    places = rows[known], cols[known]
    return {
        "seconds": seconds,
        "rmse": rmse(guess - data["test_values"]),
        "offsets_rmse": rmse(base - data["test_values"]),
        "status": model.solution.status.name.lower(),
        "rank": model.solution.rank,
        "smoothing": model.solution.problem.smoothing,
        "lam": model.solution.problem.lam,
        "relative_gap": float(certificate.relative_gap),
        "path": [[p.smoothing, p.lam, p.rank, p.validation_rmse, p.relative_gap, p.seconds]
                 for p in model.path],
        "offsets": model.offsets.kind,
        **({} if average is None else held(average, train, data["test_values"][known], *places)),
    }  # fmt: skip


def held(average, train, values, rows, cols):
    """How many values lie in their intervals, at 90 % also by how much is known of a place."""
    low, high = average.interval(rows, cols, 0.9)
    inside = (low <= values) & (values <= high)
    counts = np.bincount(train.rows)[rows], np.bincount(train.cols)[cols]
    known = np.minimum(*counts)
    ends = [1, 3, 10, 30, 100, 1 << 40]
    groups = [(a, (known >= a) & (known < b)) for a, b in zip(ends[:-1], ends[1:], strict=True)]
    levels = {}
    for level in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
        ends_at = average.interval(rows, cols, level)
        levels[level] = float(np.mean((ends_at[0] <= values) & (values <= ends_at[1])))
    return {
        "coverage": float(inside.mean()),
        "width": float((high - low).mean()),
        "levels": list(levels.items()),
        "groups": [[a, int(part.sum()), float(inside[part].mean())]
                   for a, part in groups if part.sum() >= 50],
    }  # fmt: skip


def code(known, asked):
    """Position among the known ids, or -1."""
    at = np.minimum(np.searchsorted(known, asked), known.size - 1)
    return np.where(known[at] == asked, at, -1)


def rmse(error):
    return float(np.sqrt(np.mean(np.square(error))))


if __name__ == "__main__":
    main()
