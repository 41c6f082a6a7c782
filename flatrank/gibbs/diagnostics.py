"""Whether chains have met, and how many independent draws theirs are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flatrank.arrays.shapes import Float


@dataclass(frozen=True)
class Diagnostics:
    """Over the noise and the values at some places, chosen at random among rows and columns.

    Parameters
    ----------
    r_hat
        The largest split R̂ but for the worst twentieth: 1 where chains agree.
    ess
        The smallest effective sample size but for the worst twentieth.
    noise_r_hat, noise_ess
        Of the noise's standard deviation.
    draws, chains
        Sweeps kept for these, of each chain.
    stopped
        Whether the chains were stopped before their end.
    """

    r_hat: float
    ess: float
    noise_r_hat: float
    noise_ess: float
    draws: int
    chains: int
    stopped: bool = False

    #: Beyond these the sentence warns.
    MOST_R_HAT = 1.1
    LEAST_ESS = 40.0

    @property
    def good(self) -> bool:
        """Whether predictions can be trusted as far as the chains can tell."""
        return self.r_hat <= self.MOST_R_HAT and self.ess >= self.LEAST_ESS

    def __str__(self) -> str:
        """Two or three sentences."""
        said = (
            "The chains agree on predictions"
            if self.good
            else "The chains have not met: means are less exact than the intervals say, and these "
            "too narrow or too wide; ask for more draws"
        )
        facts = (
            f"{self.chains} chains of {self.draws} draws: R-hat {self.r_hat:.3f}, effective "
            f"sample size {self.ess:.0f}; of the noise {self.noise_r_hat:.3f} and "
            f"{self.noise_ess:.0f}"
        )
        drifts = self.noise_r_hat > self.MOST_R_HAT
        noise = " The level of the noise still drifts." if drifts else ""
        early = " Stopped early." if self.stopped else ""
        return f"{said}. {facts}.{noise}{early}"


def diagnose(traces: list[Float[np.ndarray, "n q"]], stopped: bool = False) -> Diagnostics:
    """From the traces of each chain: values at q − 1 places, and the noise last."""
    n = min(t.shape[0] for t in traces)
    x = np.stack([t[:n] for t in traces])
    halves = x[:, : n // 2 * 2].reshape(2 * x.shape[0], n // 2, -1)
    r_hat, ess = split_r_hat(halves), effective_size(halves)
    places, sizes = r_hat[:-1], ess[:-1]
    return Diagnostics(
        r_hat=float(np.quantile(places, 0.95)) if places.size else 1.0,
        ess=float(np.quantile(sizes, 0.05)) if sizes.size else float(n),
        noise_r_hat=float(r_hat[-1]),
        noise_ess=float(ess[-1]),
        draws=n,
        chains=len(traces),
        stopped=stopped,
    )


def split_r_hat(x: Float[np.ndarray, "c n q"]) -> Float[np.ndarray, " q"]:
    """√((n − 1)/n + B/(n W)) of half chains (Gelman et al., Bayesian Data Analysis, 3rd, §11.4).

    B/n is the variance of their means, W the mean of their variances.
    """
    n = x.shape[1]
    if n < 2:
        return np.full(x.shape[2], np.inf)
    within, between = x.var(axis=1, ddof=1).mean(axis=0), x.mean(axis=1).var(axis=0, ddof=1)
    ratio = np.divide(between, within, out=np.zeros_like(within), where=within > 0)
    return np.sqrt((n - 1) / n + ratio)


def effective_size(x: Float[np.ndarray, "c n q"]) -> Float[np.ndarray, " q"]:
    """cn / (1 + 2 Σ ρ_t), summed while pairs of ρ are positive (the same, §11.5; Geyer, 1992)."""
    c, n, q = x.shape
    if n < 4:
        return np.full(q, float(c))
    centred = x - x.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * n, axis=1)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :n].mean(axis=0) / n
    within = x.var(axis=1, ddof=1).mean(axis=0)
    total = within * (n - 1) / n + x.mean(axis=1).var(axis=0, ddof=1)
    moved = total > 0
    rho = np.where(moved, 1 - (within - covariance) / np.where(moved, total, 1.0), 0.0)
    pairs = rho[: n // 2 * 2 : 2] + rho[1 : n // 2 * 2 : 2]
    pairs = np.minimum.accumulate(np.where(np.cumprod(pairs > 0, axis=0), pairs, 0.0), axis=0)
    return np.minimum(c * n / np.maximum(2 * pairs.sum(axis=0) - 1, 1 / np.log10(c * n)), c * n)
