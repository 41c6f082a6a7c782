"""What is compared: methods with one number each to choose, and tasks with how they are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import optax

from flatrank.networks.classification import Classification
from flatrank.networks.decay import adam_with_averaged_decay
from flatrank.networks.invariance import scale_invariant
from flatrank.networks.linear import flat_pairs
from flatrank.networks.projected import add_projected_spread
from flatrank.networks.rebalancing import Pairs
from flatrank.networks.tasks import DeepLinear, FactorRecovery, QuadraticNetwork, Task
from flatrank.networks.training import Training
from flatrank.networks.weight_rescaling import rescale_weights

#: Strengths of a plain method, as shares of the task's rate; and of a regulariser, its weight.
SHARES = (0.125, 0.25, 0.5, 1.0)
WEIGHTS = (1e-3, 1e-2, 1e-1, 1.0)
#: ρ of `adam_with_averaged_decay`.
DAMPING = 1e-4


@dataclass(frozen=True)
class Setting:
    """A task and how it is trained.

    Parameters
    ----------
    task, validation : Task
        The same, tested on two parts of data that training does not see.
    training : Training
        Steps and batch.
    rate, adam : float
        First learning rates of gradient descent and of Adam; both fall to 0 by a cosine. Plain
        methods take shares of them, regularisers half of the first, `averaged decay` a quarter of
        the second.
    pairs : callable
        From the parameters to the factors (L, R) between which imbalance is measured.
    product : callable, optional
        From the parameters to the matrix that `task.problem` is about.
    """

    task: Any
    validation: Any
    training: Training
    rate: float
    adam: float
    pairs: Pairs
    product: Callable[[Any], jax.Array] | None = None

    def descent(self, share: Any) -> optax.GradientTransformation:
        """Gradient descent with a share of the rate."""
        return optax.sgd(optax.cosine_decay_schedule(share * self.rate, self.training.steps))

    @cached_property
    def blind(self) -> Any:
        """Which leaves the loss does not see the scale of; asked before anything is traced."""
        params = self.task.init(jax.random.key(0))
        return scale_invariant(lambda p: self.task.loss(p, self.task.train), params)


@dataclass(frozen=True)
class Method:
    """An optimiser with one number to choose: a share of the learning rate, or a weight.

    Parameters
    ----------
    make : callable
        (setting, strength) ↦ an optax transformation; the strength may be traced.
    strengths : tuple of float
        The grid.
    suits : callable
        Whether it can be used with a setting.
    """

    make: Callable[[Setting, Any], optax.GradientTransformation]
    strengths: tuple[float, ...]
    suits: Callable[[Setting], bool] = lambda _: True


def _add_penalty(setting: Setting, weight: Any) -> optax.GradientTransformation:
    """The gradient of a weight times the task's penalty on all training data."""
    task: Task = setting.task

    def step(updates: Any, params: Any) -> Any:
        gradient = jax.grad(task.penalty)(params, task.train)
        return jax.tree.map(lambda u, g: u + weight * g, updates, gradient)

    return optax.stateless(step)


METHODS = {
    "gradient descent": Method(lambda s, share: s.descent(share), SHARES),
    "Adam": Method(
        lambda s, share: optax.adam(optax.cosine_decay_schedule(share * s.adam, s.training.steps)),
        SHARES,
    ),
    "decay": Method(
        lambda s, w: optax.chain(optax.add_decayed_weights(w), s.descent(0.5)), WEIGHTS
    ),
    "flat penalty": Method(lambda s, w: optax.chain(_add_penalty(s, w), s.descent(0.5)), WEIGHTS),
    "averaged decay": Method(
        lambda s, w: adam_with_averaged_decay(
            optax.cosine_decay_schedule(0.25 * s.adam, s.training.steps),
            weight_decay=w,
            damping=DAMPING,
        ),
        WEIGHTS,
    ),
    "projected spread": Method(
        lambda s, w: optax.chain(add_projected_spread(w, key=0), s.descent(0.5)), WEIGHTS
    ),
    "weight rescaling": Method(
        lambda s, share: optax.chain(s.descent(share), rescale_weights(s.blind)),
        tuple(share / 8 for share in SHARES),  # norm 1 makes steps relatively longer
        lambda s: any(jax.tree.leaves(s.blind)),
    ),
}
"""All of them by name. What they add to is gradient descent, but for `averaged decay`: Adam."""


def _held_out(task: Any, samples: int | None = None) -> tuple[Any, Any]:
    """The task and its validation: `samples` to train on (or all), the rest in equal parts."""
    n = len(task.train[1]) if samples is None else samples
    rest = tuple(jnp.concatenate([a[n:], b]) for a, b in zip(task.train, task.test, strict=True))
    half = len(rest[1]) // 2
    train = tuple(part[:n] for part in task.train)
    parts = (tuple(x[half:] for x in rest), tuple(x[:half] for x in rest))
    test, validation = (replace(task, train=train, test=part) for part in parts)
    return test, validation


def _factors(seed: int, steps: int) -> Setting:
    task = _held_out(FactorRecovery.draw(m=120, start=1.0, seed=seed))
    return Setting(
        *task,
        Training(steps, records=1),
        rate=0.8,
        adam=4e-2,
        pairs=lambda p: [(p["L"], p["R"])],
        product=lambda p: p["L"] @ p["R"].T,
    )


def _quadratic(seed: int, steps: int) -> Setting:
    task = _held_out(QuadraticNetwork.draw(m=70, start=1.0, seed=seed))
    return Setting(
        *task,
        Training(steps, records=1),
        rate=1e-2,
        adam=4e-2,
        pairs=lambda _: [],
        product=lambda p: p["U1"] @ p["U1"].T - p["U2"] @ p["U2"].T,
    )


def _deep(depth: int) -> Callable[[int, int], Setting]:
    def setting(seed: int, steps: int) -> Setting:
        task = _held_out(DeepLinear.draw(depth=depth, samples=200, seed=seed), 10)
        pairs: Pairs = lambda p: [(b, a.T) for a, b in zip(p, p[1:], strict=False)]  # noqa: E731
        return Setting(*task, Training(steps, records=1), rate=4e-2, adam=2e-2, pairs=pairs)

    return setting


def _digits(seed: int, steps: int) -> Setting:
    task = _held_out(Classification.digits(hidden=(32, 32), width=32, seed=seed), 300)
    training = Training(steps // 2, batch=64, records=1)
    return Setting(*task, training, rate=0.4, adam=2e-2, pairs=flat_pairs)


def _signals(seed: int, steps: int) -> Setting:
    del seed  # the package makes one data set
    task = _held_out(Classification.mnist1d(hidden=(32, 32), width=32, eps=None), 1000)
    training = Training(steps // 2, batch=64, records=1)
    return Setting(*task, training, rate=0.4, adam=2e-2, pairs=flat_pairs)


TASKS: dict[str, Callable[[int, int], Setting]] = {
    "factor recovery": _factors,
    "quadratic network": _quadratic,
    **{f"deep linear, {depth}": _deep(depth) for depth in (2, 3, 4, 5)},
    "digits": _digits,
    "MNIST-1D": _signals,
}
"""All of them by name: (seed of the data, steps) ↦ setting."""
