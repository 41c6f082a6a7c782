"""Training for many seeds at once, compiled as one loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from flatrank.networks.tasks import Task


@dataclass(frozen=True)
class Trained:
    """What came out, the first axis of every array being the seeds.

    Parameters
    ----------
    params : tree of arrays
        At the end.
    step : array of shape (records,)
        After how many steps the records were taken.
    loss, penalty, error : arrays of shape (seeds, records)
        Loss and penalty on all training data, error on the test data.
    """

    params: Any
    step: np.ndarray
    loss: np.ndarray
    penalty: np.ndarray
    error: np.ndarray

    def one(self, n: int) -> Any:
        """The parameters of the n-th seed."""
        return jax.tree.map(lambda x: x[n], self.params)


@dataclass(frozen=True)
class Training:
    """How long to train, on what, and what is kept.

    Parameters
    ----------
    steps : int
        How many.
    batch : int, optional
        Samples a step, drawn with replacement; all of them by default.
    weight : float
        λ of the task's penalty, which is added to its loss.
    records : int
        How often the losses are taken, evenly; a divisor of `steps`.

    Raises
    ------
    ValueError
        If a number is below 1, the weight below 0, or `records` does not divide `steps`.
    """

    steps: int
    batch: int | None = None
    weight: float = 0.0
    records: int = 10

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "records"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more; got {value}")
        if not self.weight >= 0:
            raise ValueError(f"weight must be 0 or more; got {self.weight}")
        if self.steps % self.records:
            raise ValueError(f"records must divide steps; got {self.records} and {self.steps}")

    def run(
        self, task: Task, optimiser: optax.GradientTransformation, seeds: Sequence[int] = (0,)
    ) -> Trained:
        """Train from `task.init` of each seed; the same seeds give the same numbers on a machine.

        Raises
        ------
        ValueError
            Without a seed.

        Notes
        -----
        Cost: memory for all seeds at once; one compilation a call.
        """
        if not len(seeds):
            raise ValueError("seeds must hold at least one whole number; got none")

        run = jax.jit(jax.vmap(lambda seed: self.traced(task, optimiser, seed)))
        params, history = run(jnp.asarray(seeds))
        every = self.steps // self.records
        return Trained(
            params, every * np.arange(1, self.records + 1), *(np.asarray(x) for x in history)
        )

    def traced(
        self, task: Task, optimiser: optax.GradientTransformation, seed: jax.Array
    ) -> tuple[Any, tuple[jax.Array, ...]]:
        """One seed: parameters at the end, and losses, penalties and errors of each record.

        For the caller to compile: numbers inside the optimiser may be traced, so that a whole grid
        of them is one program.
        """

        def objective(params: Any, data: Any) -> jax.Array:
            value = task.loss(params, data)
            return value if self.weight == 0 else value + self.weight * task.penalty(params, data)

        def step(carry: Any, key: jax.Array) -> tuple[Any, None]:
            params, state = carry
            gradient = jax.grad(objective)(params, self._drawn(task, key))
            updates, state = optimiser.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), None

        def stretch(carry: Any, keys: jax.Array) -> tuple[Any, tuple[jax.Array, ...]]:
            carry, _ = jax.lax.scan(step, carry, keys)
            params = carry[0]
            seen = task.loss(params, task.train), task.penalty(params, task.train)
            return carry, (*seen, task.error(params))

        start, draws = jax.random.split(jax.random.key(seed))
        params = task.init(start)
        keys = jax.random.split(draws, (self.records, self.steps // self.records))
        (params, _), history = jax.lax.scan(stretch, (params, optimiser.init(params)), keys)
        return params, history

    def _drawn(self, task: Task, key: jax.Array) -> Any:
        if self.batch is None:
            return task.train
        chosen = jax.random.choice(key, len(task.train[1]), (self.batch,))
        return tuple(part[chosen] for part in task.train)
