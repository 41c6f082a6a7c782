"""Clicks: real ratings from 4 stars on, and a drawn log; what is kept out, and the table."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.instances import load_ratings, stored


@dataclass(frozen=True)
class Log:
    """Settings of an instance; where `shape` is given the clicks are drawn.

    Each of a user's clicks is of one of `tastes`, by the user's own shares, and falls on an item by
    the taste's own popularities. A fifth of the cells with a click is kept out.
    """

    title: str
    alpha: float = 5.0
    lam_ratio: float = 0.1
    shape: tuple[int, int] | None = None
    clicks: int = 0
    tastes: int = 10
    factors: int = 64
    seed: int = 0


TEST_SHARE = 0.2
CLICKS = {
    "movielens": Log("MovieLens latest-small, 4 stars and more"),
    "drawn": Log("50 000 × 20 000, drawn", shape=(50_000, 20_000), clicks=1_400_000),
}


def draw(log: Log) -> tuple[np.ndarray, np.ndarray]:
    """User and item of each click."""
    rng, (d1, d2) = np.random.default_rng(log.seed), log.shape or (0, 0)
    activity = rng.lognormal(0.0, 1.0, d1)
    users = np.sort(rng.choice(d1, log.clicks, p=activity / activity.sum()))
    shares = np.cumsum(rng.dirichlet(np.full(log.tastes, 0.1), d1), axis=1)
    tastes = (rng.random(users.size)[:, None] > shares[users]).sum(axis=1).clip(0, log.tastes - 1)
    popular, items = rng.lognormal(0.0, 1.5, d2), np.empty(users.size, np.int64)
    for taste in range(log.tastes):
        chance = np.cumsum(popular * rng.gamma(0.1, size=d2))
        mine = np.flatnonzero(tastes == taste)
        places = np.searchsorted(chance, chance[-1] * rng.random(mine.size))
        items[mine] = np.minimum(places, d2 - 1)
    return users, items


def clicks_file(folder: Path, name: str, log: Log) -> Path:
    """An .npz with the clicks kept, those kept out, the shape and the settings."""

    def arrays() -> dict[str, Any]:
        from flatrank import implicit

        if log.shape is None:
            ratings = load_ratings("movielens_latest_small_2016")
            liked, shape = ratings.values >= 4, ratings.shape
            users, items = ratings.rows[liked].astype(np.int64), ratings.cols[liked]
        else:
            (users, items), shape = draw(log), log.shape
        places, counts = np.unique(users * shape[1] + items, return_counts=True)
        order = np.random.default_rng(log.seed).permutation(places.size)
        out, kept = np.split(order, [round(TEST_SHARE * places.size)])
        parts = {"train": np.sort(kept), "test": np.sort(out)}
        known = *np.divmod(places[parts["train"]], shape[1]), counts[parts["train"]], shape
        lam = implicit(*known, alpha=log.alpha, lam_ratio=log.lam_ratio).lam
        numbers = {"alpha": log.alpha, "lam": lam, "factors": log.factors}
        return {"shape": shape, "train_counts": counts[parts["train"]], **numbers} | {
            f"{part}_{side}": index
            for part, at in parts.items()
            for side, index in zip(("rows", "cols"), np.divmod(places[at], shape[1]), strict=True)
        }

    tag = hashlib.sha256(repr(log).encode()).hexdigest()[:8]
    return stored(folder, f"implicit-{name}-{tag}", arrays)
