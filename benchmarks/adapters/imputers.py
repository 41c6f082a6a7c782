"""Imputers of tables, each with its own defaults, on the same hidden entries."""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.imputing import MASKS, hidden

#: Columns from which on regressions use the nearest thirty alone, or would take hours.
WIDE, NEAREST = 120, 30


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("table")
    parser.add_argument("method")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    X = np.load(options.table)["X"]
    fit = {"flatrank": flatrank, "neighbours": neighbours, "regressions": regressions,
           "forest": forest, "soft": soft}[options.method]  # fmt: skip
    runs, unit = [], np.nanstd(X)
    for seed in range(MASKS):
        seen, gone = hidden(X, seed)
        begin = time.perf_counter()
        filled = fit(seen)
        seconds = time.perf_counter() - begin
        error = float(np.sqrt(np.mean((filled[gone] - X[gone]) ** 2)))
        runs.append({"seed": seed, "rmse": error, "relative": error / unit, "seconds": seconds})
    print(json.dumps({
        "rmse": float(np.mean([r["rmse"] for r in runs])),
        "relative": float(np.mean([r["relative"] for r in runs])),
        "deviation": float(np.std([r["relative"] for r in runs], ddof=1)),
        "seconds": float(np.median([r["seconds"] for r in runs])),
        "runs": runs,
    }))  # fmt: skip


def flatrank(X):
    import flatrank as fr

    return fr.FlatImputer().fit_transform(X)


def neighbours(X):
    from sklearn.impute import KNNImputer

    return KNNImputer().fit_transform(X)


def regressions(X, **options):
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    wide = NEAREST if X.shape[1] > WIDE else None
    return IterativeImputer(n_nearest_features=wide, random_state=0, **options).fit_transform(X)


def forest(X):
    from sklearn.ensemble import RandomForestRegressor

    trees = RandomForestRegressor(n_estimators=50, n_jobs=2, random_state=0)
    return regressions(X, estimator=trees, max_iter=5)


def soft(X):
    from fancyimpute import BiScaler, SoftImpute

    scaler = BiScaler(verbose=False)
    best, found = np.inf, None
    scaled = scaler.fit_transform(X)
    rng, at = np.random.default_rng(0), np.flatnonzero(np.isfinite(X))
    out = rng.permutation(at)[: at.size // 10]
    inner = scaled.copy()
    inner.flat[out] = np.nan
    top = np.linalg.norm(np.nan_to_num(inner), 2)
    for share in (0.3, 0.1, 0.03, 0.01, 0.003):  # by a tenth of the entries, as one must by hand
        filled = SoftImpute(shrinkage_value=share * top, verbose=False).fit_transform(inner)
        error = np.mean((filled.flat[out] - scaled.flat[out]) ** 2)
        if error < best:
            best, found = error, share
    model = SoftImpute(shrinkage_value=found * top, verbose=False)
    return scaler.inverse_transform(model.fit_transform(scaled))


if __name__ == "__main__":
    main()
