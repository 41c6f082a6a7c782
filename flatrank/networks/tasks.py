"""Tasks with a known answer, to train on: factor recovery, quadratic and deep linear networks.

Each has `init(key)`, `loss(params, batch)`, `error(params)` on test data, and `penalty(params,
batch)`, the flatness of its parameters in closed form. A batch is a pair of arrays with a row for
each sample, as are `train` and `test`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from flatrank.networks.penalty import second_moment
from flatrank.problems import Problem, quadratic_network, sensing

Batch = tuple[jax.Array, jax.Array]


def batch_of(x: ArrayLike, y: ArrayLike) -> Batch:
    """Inputs in the precision that JAX is set to; labels stay whole numbers."""
    return jnp.asarray(x, float), jnp.asarray(y)


class Task(Protocol):
    """What `Training` trains on."""

    train: Batch
    test: Batch

    def init(self, key: jax.Array) -> Any:
        """Random parameters."""
        ...

    def loss(self, params: Any, batch: Batch) -> jax.Array:
        """The mean loss of a batch."""
        ...

    def penalty(self, params: Any, batch: Batch) -> jax.Array:
        """The flatness of the parameters, in closed form."""
        ...

    def error(self, params: Any) -> jax.Array:
        """The error on the test data."""
        ...


class Regression(ABC):
    """A task of squared loss: what it predicts is all that differs."""

    train: Batch
    test: Batch

    @abstractmethod
    def predict(self, params: Any, x: jax.Array) -> jax.Array:
        """The predictions for the inputs of a batch."""

    def loss(self, params: Any, batch: Batch) -> jax.Array:
        """(1/N) Σ ‖prediction − y‖²."""
        x, y = batch
        return jnp.sum((self.predict(params, x) - y) ** 2) / len(y)

    def error(self, params: Any) -> jax.Array:
        """‖predictions − y‖/‖y‖ on the test data."""
        x, y = self.test
        return jnp.linalg.norm(self.predict(params, x) - y) / jnp.linalg.norm(y)


@dataclass(frozen=True)
class FactorRecovery(Regression):
    """M = L Rᵀ from bᵢ = ⟨Aᵢ, M⟩; parameters {"L", "R"}.

    `problem` is the same for `flatrank.solve`, whose flattest solution is certified; `truth` is M.
    """

    problem: Problem
    truth: np.ndarray
    width: int
    start: float
    train: Batch
    test: Batch

    @classmethod
    def draw(  # noqa: PLR0913 - one keyword for each thing that an experiment may vary
        cls,
        shape: tuple[int, int] = (20, 15),
        *,
        rank: int = 2,
        m: int = 200,
        width: int = 15,
        start: float = 0.1,
        spread: float = 4.0,
        seed: int = 0,
    ) -> FactorRecovery:
        """A random instance, ‖M‖_F = 1.

        Aᵢ are Gaussian with directions of rows and columns whose sizes run from 1 to 1/`spread`, so
        that flat and norm-minimal differ. `width` columns are trained; a small `start` favours few
        of them by itself.
        """
        rng, (d1, d2) = np.random.default_rng(seed), shape
        truth = rng.standard_normal((d1, rank)) @ rng.standard_normal((rank, d2))
        truth /= np.linalg.norm(truth)
        scales = np.outer(np.geomspace(1, 1 / spread, d1), np.geomspace(1, 1 / spread, d2))
        A = rng.standard_normal((2, m, d1, d2)) * scales
        b = np.einsum("...ij,ij->...", A, truth)
        train, test = map(batch_of, A, b)
        return cls(sensing(A[0], b[0]), truth, width, start, train, test)

    def init(self, key: jax.Array) -> dict[str, jax.Array]:
        """Entries of L and R of variance start²/width."""
        (d1, d2), (one, other) = self.truth.shape, jax.random.split(key)
        size = self.start / self.width**0.5
        return {
            "L": size * jax.random.normal(one, (d1, self.width)),
            "R": size * jax.random.normal(other, (d2, self.width)),
        }

    def predict(self, params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        """⟨Aᵢ, L Rᵀ⟩."""
        return jnp.einsum("nij,ij->n", x, params["L"] @ params["R"].T)

    def penalty(self, params: dict[str, jax.Array], batch: Batch) -> jax.Array:
        """½(‖D1 L‖² + ‖D2 R‖²), D1 and D2 of all measurements; least, ‖D1 L Rᵀ D2‖_*."""
        del batch
        D1, D2 = self.problem.rescaling.D1, self.problem.rescaling.D2
        one, other = jnp.asarray(D1, float) @ params["L"], jnp.asarray(D2, float) @ params["R"]
        return 0.5 * (jnp.sum(one**2) + jnp.sum(other**2))


@dataclass(frozen=True)
class QuadraticNetwork(Regression):
    """y = ‖U1ᵀx‖² − ‖U2ᵀx‖², a network of squared units; parameters {"U1", "U2"}.

    `problem` is the same for `flatrank.solve`; `truth` is the teacher's M = U1U1ᵀ − U2U2ᵀ.
    """

    problem: Problem
    truth: np.ndarray
    width: int
    start: float
    train: Batch
    test: Batch

    @classmethod
    def draw(
        cls,
        d: int = 15,
        *,
        units: int = 1,
        m: int = 120,
        width: int = 8,
        start: float = 0.1,
        seed: int = 0,
    ) -> QuadraticNetwork:
        """A teacher of so many units of either sign and ‖M‖_F = 1, a student of `width` of each."""
        rng = np.random.default_rng(seed)
        U = rng.standard_normal((2, d, units))
        truth = U[0] @ U[0].T - U[1] @ U[1].T
        truth /= np.linalg.norm(truth)
        x = rng.standard_normal((2, m, d))
        y = np.einsum("...i,ij,...j->...", x, truth, x)
        train, test = map(batch_of, x, y)
        return cls(quadratic_network(x[0], y[0]), truth, width, start, train, test)

    def init(self, key: jax.Array) -> dict[str, jax.Array]:
        """Entries of variance start²/width."""
        one, other = jax.random.split(key)
        size, shape = self.start / self.width**0.5, (len(self.truth), self.width)
        return {
            "U1": size * jax.random.normal(one, shape),
            "U2": size * jax.random.normal(other, shape),
        }

    def predict(self, params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        """‖U1ᵀx‖² − ‖U2ᵀx‖²."""
        return jnp.sum((x @ params["U1"]) ** 2, 1) - jnp.sum((x @ params["U2"]) ** 2, 1)

    def penalty(self, params: dict[str, jax.Array], batch: Batch) -> jax.Array:
        """½(‖D U1‖² + ‖D U2‖²), D² = (1/(m d)) Σ ‖xᵢ‖² xᵢxᵢᵀ of the batch."""
        x, _ = batch
        lengths = jnp.linalg.norm(x, axis=1)[:, None] / x.shape[1] ** 0.5
        D2 = second_moment(lengths * x)
        return 0.5 * sum((jnp.vdot(U, D2 @ U) for U in params.values()), jnp.zeros(()))


@dataclass(frozen=True)
class DeepLinear(Regression):
    """y = W x + noise by a product W_depth ⋯ W_1; parameters the list of the factors.

    `truth` is W.
    """

    truth: np.ndarray
    depth: int
    train: Batch
    test: Batch

    @classmethod
    def draw(
        cls,
        shape: tuple[int, int] = (10, 12),
        *,
        depth: int = 3,
        rank: int = 2,
        samples: int = 40,
        noise: float = 0.1,
        seed: int = 0,
    ) -> DeepLinear:
        """W of (d_out, d_in) with ‖W‖_F = 1; all hidden layers have min(d_out, d_in) units."""
        if depth < 2:
            raise ValueError(f"depth must be 2 or more; got {depth}")
        rng, (d_out, d_in) = np.random.default_rng(seed), shape
        truth = rng.standard_normal((d_out, rank)) @ rng.standard_normal((rank, d_in))
        truth /= np.linalg.norm(truth)
        x = rng.standard_normal((2, samples, d_in))
        y = x @ truth.T
        y[0] += noise * rng.standard_normal(y[0].shape) / d_out**0.5
        train, test = map(batch_of, x, y)
        return cls(truth, depth, train, test)

    def init(self, key: jax.Array) -> list[jax.Array]:
        """Entries of variance 1/(number of inputs of the layer)."""
        d_out, d_in = self.truth.shape
        sizes = [d_in, *[min(d_out, d_in)] * (self.depth - 1), d_out]
        keys = jax.random.split(key, self.depth)
        return [
            jax.random.normal(k, (b, a)) / a**0.5
            for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)
        ]

    def predict(self, params: list[jax.Array], x: jax.Array) -> jax.Array:
        """W_depth ⋯ W_1 x."""
        for W in params:
            x = x @ W.T
        return x

    def penalty(self, params: list[jax.Array], batch: Batch) -> jax.Array:
        """Σᵢ ‖W_depth ⋯ W_{i+1}‖² tr(W_{i−1} ⋯ W_1 Σ (W_{i−1} ⋯ W_1)ᵀ): ½ tr D²f."""
        x, after = batch[0], [jnp.eye(self.truth.shape[0])]
        for W in params[:0:-1]:
            after.append(after[-1] @ W)
        total = jnp.zeros(())
        for W, rest in zip(params, reversed(after), strict=True):
            total += jnp.sum(rest**2) * jnp.sum(x**2) / len(x)
            x = x @ W.T
        return total
