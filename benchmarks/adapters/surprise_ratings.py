"""Surprise: SVD and SVD++ by stochastic gradient descent, defaults and a small grid.

The best fit of the grid is chosen on the *test* part, which flatters this peer on purpose.
Predictions are clipped to the rating scale, as the library does by default.
"""

import json
import sys
import time

import numpy as np
from surprise import SVD, Dataset, Reader, SVDpp

GRIDS = {
    "svd": [{}] + [{"n_factors": k, "reg_all": reg, "n_epochs": epochs}
                   for k in (20, 100, 200) for reg in (0.05, 0.07, 0.1, 0.15)
                   for epochs in (20, 60)],
    "svdpp": [{}, {"reg_all": 0.05}, {"reg_all": 0.1}],
}  # fmt: skip


def main(path: str, algorithm: str) -> None:
    data = np.load(path)
    train = trainset(data)
    start = time.perf_counter()
    fits = [fit(train, data, algorithm, options) for options in GRIDS[algorithm]]
    seconds = time.perf_counter() - start
    best = min(fits, key=lambda one: one["rmse"])
    print(json.dumps({"best": best, "default": fits[0], "seconds": seconds, "fits": fits}))


def trainset(data):
    values = data["train_values"]
    everything = np.concatenate([values, data["test_values"]])
    reader = Reader(rating_scale=(everything.min(), everything.max()))
    triples = [(int(i), int(j), float(v), None) for i, j, v in
               zip(data["train_rows"], data["train_cols"], values, strict=True)]  # fmt: skip
    return Dataset(reader).construct_trainset(triples)


def fit(train, data, algorithm, options):
    begin = time.perf_counter()
    model = {"svd": SVD, "svdpp": SVDpp}[algorithm](random_state=0, **options)
    model.fit(train)
    seconds = time.perf_counter() - begin
    pairs = zip(data["test_rows"], data["test_cols"], strict=True)
    guess = np.array([model.predict(int(i), int(j)).est for i, j in pairs])
    rmse = float(np.sqrt(np.mean((guess - data["test_values"]) ** 2)))
    return {"options": options, "rmse": rmse, "seconds": seconds}


if __name__ == "__main__":
    main(*sys.argv[1:])
