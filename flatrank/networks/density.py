"""How eigenvalues are distributed, by Gauss quadrature from Lanczos.

For a random unit vector v, μ_v(x) = Σ over λᵢ ≤ x of ⟨uᵢ, v⟩² is on average the share of the
eigenvalues up to x. q steps from v give the Gauss quadrature of μ_v, whose sums of weights enclose
it (Chebyshev, Markov, Stieltjes; used so by Chen, Trogdon and Ubaru 2021):

    Σ over θⱼ < x but for the last of wⱼ  ≤  μ_v(x)  ≤  Σ over θⱼ ≤ x of wⱼ, and the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flatrank.measurements.checks import checked_count
from flatrank.networks.curvatures import Curvature
from flatrank.networks.eigenvalues import Recurrence
from flatrank.networks.estimates import Asked, Budget, Estimate, student


@dataclass(frozen=True)
class SpectralDensity:
    """Nodes and weights of a quadrature for each start: every row of weights sums to 1.

    Rows that ended early are filled with nodes of weight zero.
    """

    nodes: np.ndarray
    weights: np.ndarray
    n: int
    confidence: float

    def share_below(self, x: float) -> Estimate:
        """The share of the eigenvalues that are at most x.

        Its interval is Student's over the starts, from the lower ends of the enclosures to their
        upper ends: it holds the error of the quadrature too.
        """
        low, high = self._enclosures(x)
        ends = (self._mean(low).interval[0], self._mean(high).interval[1])
        value = 0.5 * float(np.mean(low) + np.mean(high))
        return Estimate(value, (max(ends[0], 0.0), min(ends[1], 1.0)), self.confidence)

    def smooth(self, x: float, width: float) -> Estimate:
        """The density at x, smoothed by a normal law of standard deviation `width`.

        Parameters
        ----------
        x : float
            Where.
        width : float
            > 0. As soon as the nodes are closer together than it the quadrature is exact.

        Returns
        -------
        Estimate
            Its interval is Student's over the starts.

        Raises
        ------
        ValueError
            If the width is not positive.
        """
        if not width > 0:
            raise ValueError(f"width must be positive; got {width!r}")
        bell = np.exp(-0.5 * ((x - self.nodes) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        return self._mean(np.sum(self.weights * bell, axis=1))

    def _enclosures(self, x: float) -> tuple[np.ndarray, np.ndarray]:
        """The lower and the upper bound of μ_v(x) for each start."""
        sums = np.cumsum(self.weights, axis=1)
        zero, one = np.zeros((sums.shape[0], 1)), np.ones((sums.shape[0], 1))
        padded = np.concatenate([zero, zero, sums, one], axis=1)
        below = np.sum(self.nodes <= x, axis=1, keepdims=True)
        low = np.take_along_axis(padded, below, axis=1)
        high = np.take_along_axis(padded, below + 2, axis=1)
        return low[:, 0], high[:, 0]

    def _mean(self, samples: np.ndarray) -> Estimate:
        value, count = float(np.mean(samples)), samples.size
        half = student(count, self.confidence) * float(np.std(samples, ddof=1)) / np.sqrt(count)
        return Estimate(value, (value - half, value + half), self.confidence)


def spectral_density(
    H: Curvature, *, steps: int = 40, starts: int = 8, confidence: float = 0.95, seed: int = 0
) -> SpectralDensity:
    """The distribution of the eigenvalues of a curvature, by stochastic Lanczos quadrature.

    Parameters
    ----------
    H : Curvature
        By `curvature` or `given_curvature`.
    steps : int
        Of Lanczos from each start: how fine.
    starts : int
        Random vectors: how much of chance is averaged away.
    confidence : float
        Of each interval, for one x.
    seed : int
        Of the starts.

    Returns
    -------
    SpectralDensity

    Raises
    ------
    ValueError
        If a number is out of its range or a product is not finite.

    Notes
    -----
    Cost: steps · starts products; three vectors and those of a product.
    """
    steps, starts = checked_count("steps", steps, 2), checked_count("starts", starts, 2)
    asked = Asked.checked(Budget(), confidence, seed, False)
    nodes, weights = np.full((starts, steps), np.inf), np.zeros((starts, steps))
    for i in range(starts):
        run = Recurrence(H, (asked.seed, 3, i), [])
        for _ in range(steps):
            run.step()
            if run.ended:
                break
        theta, _, S = run.ritz()
        nodes[i, : theta.size], weights[i, : theta.size] = theta[::-1], S[0, ::-1] ** 2
    return SpectralDensity(nodes, weights, H.form.n, confidence)
