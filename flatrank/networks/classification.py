"""Digits to tell apart, by a network with batch normalisation or without."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from flatrank.networks.linear import FlatLinear
from flatrank.networks.penalty import rescaled_nuclear_norm, second_moment
from flatrank.networks.tasks import Batch, batch_of

Layer = FlatLinear | eqx.nn.Linear


@dataclass(frozen=True)
class Classification:
    """A perceptron; parameters a dict of `layers`, `shifts` and, where normalised, `gains`.

    Parameters
    ----------
    train, test : (inputs, labels)
        (N, d) and (N,), the labels whole numbers from 0.
    hidden : tuple of int
        Units of each hidden layer: linear, normalised over the batch if so asked, ReLU.
    width : int, optional
        Where given, each hidden layer is a `FlatLinear` of this width, otherwise dense.
    eps : float, optional
        What batch normalisation adds to the variance; None for none of it.

    Notes
    -----
    `loss` normalises by the batch, `error` by the training data: no running averages are kept.
    """

    train: Batch
    test: Batch
    hidden: tuple[int, ...] = (64, 64)
    width: int | None = None
    eps: float | None = 1e-5

    @classmethod
    def digits(cls, *, seed: int = 0, **options: Any) -> Classification:
        """The 1797 digits of scikit-learn, 8 × 8, a quarter of them for the test.

        Raises ModuleNotFoundError without scikit-learn.
        """
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        order = np.random.default_rng(seed).permutation(len(y))
        test, train = np.split(order, [len(y) // 4])
        return cls(batch_of(x[train] / 16, y[train]), batch_of(x[test] / 16, y[test]), **options)

    @classmethod
    def mnist1d(cls, **options: Any) -> Classification:
        """MNIST-1D (Greydanus 2020), 4000 and 1000 signals of 40 numbers, made here, no download.

        Raises ModuleNotFoundError without the package mnist1d.
        """
        from mnist1d.data import get_dataset_args, make_dataset

        # The package seeds the generators of the whole process; they are put back.
        before = random.getstate(), np.random.get_state()  # noqa: NPY002
        data = make_dataset(get_dataset_args())
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        train, test = batch_of(data["x"], data["y"]), batch_of(data["x_test"], data["y_test"])
        return cls(train, test, **options)

    def init(self, key: jax.Array) -> dict[str, list[Any]]:
        """Layers as they start, gains 1, shifts 0."""
        sizes = [self.train[0].shape[1], *self.hidden]
        keys = jax.random.split(key, len(sizes))
        layers: list[Layer] = [
            eqx.nn.Linear(a, b, use_bias=False, key=k)
            if self.width is None
            else FlatLinear(a, b, self.width, use_bias=False, key=k)
            for a, b, k in zip(sizes[:-1], sizes[1:], keys[:-1], strict=True)
        ]
        classes = int(np.asarray(self.train[1]).max()) + 1
        return {
            "layers": [*layers, eqx.nn.Linear(sizes[-1], classes, key=keys[-1])],
            "gains": [] if self.eps is None else [jnp.ones(b) for b in self.hidden],
            "shifts": [jnp.zeros(b) for b in self.hidden],
        }

    def loss(self, params: Any, batch: Batch) -> jax.Array:
        """The mean cross-entropy."""
        logits, _ = self._forward(params, batch[0], batch[0])
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()

    def error(self, params: Any) -> jax.Array:
        """The share of the test data that is labelled wrongly."""
        logits, _ = self._forward(params, self.test[0], self.train[0])
        return jnp.mean(jnp.argmax(logits, axis=1) != self.test[1])

    def penalty(self, params: Any, batch: Batch) -> jax.Array:
        """The sum over hidden layers of `flat_penalty`, or of its least value where dense.

        Σ is that of each layer's inputs and taken as a constant, the weight of its outputs one: an
        approximation of the curvature, in the sense of `flatrank.networks.penalty`. Behind batch
        normalisation the loss is blind to the scale of a layer, so that shrinking it lowers the
        penalty and changes nothing else: hold the norm (`rescale_weights`), or do without it.
        """
        _, inputs = self._forward(params, batch[0], batch[0])
        moments = [jax.lax.stop_gradient(second_moment(x)) for x in inputs]
        layers = zip(params["layers"][:-1], moments, strict=True)
        return sum((_flatness(layer, sigma) for layer, sigma in layers), jnp.zeros(()))

    def _forward(
        self, params: Any, x: jax.Array, reference: jax.Array
    ) -> tuple[jax.Array, list[jax.Array]]:
        """Logits, and the inputs of each hidden layer; normalised by what `reference` becomes."""
        *hidden, last = params["layers"]
        inputs = []
        for n, (layer, shift) in enumerate(zip(hidden, params["shifts"], strict=True)):
            inputs.append(x)
            h, r, mean, size = jax.vmap(layer)(x), jax.vmap(layer)(reference), 0.0, 1.0
            if self.eps is not None:
                mean, size = r.mean(0), params["gains"][n] / jnp.sqrt(r.var(0) + self.eps)
            x, reference = (jax.nn.relu((z - mean) * size + shift) for z in (h, r))
        return jax.vmap(last)(x), inputs


def _flatness(layer: Layer, sigma: jax.Array) -> jax.Array:
    if isinstance(layer, FlatLinear):
        return layer.penalty(sigma)
    return rescaled_nuclear_norm(layer.weight, sigma)
