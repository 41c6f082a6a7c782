"""Tables with entries hidden from them: where they come from, and which entries.

Run as a script it writes one table, where tensorly, scikit-image and scikit-learn are installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

#: Share of what is there that is hidden, and how many times.
HIDDEN, MASKS = 0.2, 5
TABLES = {
    "kinetic": "fluorescence, 7200 × 64",
    "indian_pines": "hyperspectral pixels, 1000 × 200",
    "il2": "responses to interleukin, 384 × 13, 3.8 % missing",
    "camera": "photograph, 512 × 512",
    "china": "photograph, 214 × 320",
    "wine": "chemistry of wines, 178 × 13",
}


def table(name: str) -> np.ndarray:
    """Rows are samples and columns what was measured of them; what is missing is NaN."""
    if name in ("china", "wine"):
        from sklearn import datasets

        if name == "wine":
            return datasets.load_wine().data
        return datasets.load_sample_image("china.jpg").mean(axis=2)[::2, ::2]
    if name == "camera":
        from skimage.data import camera

        return camera().astype(np.float64)
    from tensorly import datasets as tensors

    if name == "kinetic":
        X = np.asarray(tensors.load_kinetic().tensor)
        return X.reshape(X.shape[0], -1).T
    if name == "il2":
        X = np.asarray(tensors.load_IL2data().tensor)
        return X.reshape(X.shape[0], -1).T
    return np.asarray(tensors.load_indian_pines().tensor).reshape(-1, 200)[:1000].astype(float)


def hidden(X: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """X without a fifth of its entries, at random, and which; no row loses its last one."""
    rng, out = np.random.default_rng(seed), X.copy()
    at = np.flatnonzero(np.isfinite(X))
    gone = np.zeros(X.shape, bool)
    gone.flat[rng.permutation(at)[: round(HIDDEN * at.size)]] = True
    gone[np.all(gone | np.isnan(X), axis=1)] = False
    out[gone] = np.nan
    return out, gone


if __name__ == "__main__":
    Path(sys.argv[2]).parent.mkdir(parents=True, exist_ok=True)
    np.savez(sys.argv[2], X=table(sys.argv[1]))
