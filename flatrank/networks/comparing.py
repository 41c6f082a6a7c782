"""Methods × tasks × strengths × seeds: trained, measured, kept; what goes with the test error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flatrank.data import InputError
from flatrank.networks.estimates import Budget
from flatrank.networks.measured import flatness
from flatrank.networks.methods import METHODS, TASKS, Setting
from flatrank.networks.ranking import MEASURES, correlated
from flatrank.networks.tasks import DeepLinear
from flatrank.solvers import solve
from flatrank.solvers.keeping import Monitor, digest, kept
from flatrank.theory import least_product_trace

Row = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Every run of every method on every task.

    Parameters
    ----------
    runs : tuple of dict
        task, method, strength, seed, chosen, validation, test, and `MEASURES`; None where a measure
        has no meaning, or the run did not stay finite.
    gaps : dict of str to float
        Proved relative gap of each flattest solution that distances are measured to.
    about : dict
        What a caption must say.
    """

    runs: tuple[Row, ...]
    gaps: dict[str, float]
    about: dict[str, Any]

    def table(self) -> list[Row]:
        """A row for each task and method at its chosen strength: mean and deviation over seeds."""
        return [
            {"task": task, "method": method, "strength": runs[0]["strength"], "seeds": len(runs)}
            | {
                name: value
                for measure in ("validation", "test", *MEASURES)
                for name, value in _spread(measure, runs)
            }
            for task, method, runs in self._groups()
        ]

    def correlations(self) -> list[Row]:
        """Rank correlations of every measure with the test error, by task; see `correlated`."""
        return [
            {"task": task} | row
            for task in dict.fromkeys(run["task"] for run in self.runs)
            for row in correlated([run for run in self.runs if run["task"] == task])
        ]

    def depths(self) -> list[Row]:
        """Of `table`, trace over its least among factors of the same product, where known."""
        names = ("task", "method", "strength", "seeds", "excess", "excess_deviation")
        rows = [row for row in self.table() if row["excess"] is not None]
        return [{name: row[name] for name in names} for row in rows]

    def facts(self) -> dict[str, Any]:
        """What a caption must say."""
        worst = max(self.gaps.values(), default=0.0)
        counts = {"solutions": len(self.gaps), "worst_gap": worst}
        lost = sum(run["test"] is None for run in self.runs)
        open_gaps = sum(not gap <= 1e-6 for gap in self.gaps.values())
        runs = {"runs": len(self.runs), "diverged": lost}
        return self.about | counts | {"uncertified": open_gaps} | runs

    def _groups(self) -> Iterator[tuple[str, str, list[Row]]]:
        chosen = [run for run in self.runs if run["chosen"]]
        for task, method in dict.fromkeys((run["task"], run["method"]) for run in chosen):
            yield task, method, [r for r in chosen if (r["task"], r["method"]) == (task, method)]


def _spread(measure: str, runs: Sequence[Row]) -> Iterator[tuple[str, float | None]]:
    values = [run[measure] for run in runs if run[measure] is not None]
    yield measure, float(np.mean(values)) if values else None
    yield f"{measure}_deviation", float(np.std(values, ddof=1)) if len(values) > 1 else None


def compare(  # noqa: PLR0913 - the options of experiments, once
    tasks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    *,
    steps: int = 2000,
    draws: int = 5,
    seed: int = 0,
    folder: Path | str | None = None,
    monitor: Monitor | None = None,
) -> Comparison:
    """Train every method on every task, and measure how flat the ends are.

    Each method has one number, with four values: all are run from the same starts, and the best on
    validation data, by its mean over the starts, is the chosen one.

    Parameters
    ----------
    tasks, methods : sequence of str, optional
        Of `TASKS` and `METHODS`; all by default, methods where they can be used.
    steps : int
        Of training, even; classifiers take half as many.
    draws : int
        Starts.
    seed : int
        Of the data; the starts are numbered from `seed` on.
    folder : path, optional
        Each method on each task is kept there as soon as it is done, and not computed again.
    monitor : callable, optional
        Called before each with a dict.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If a name is unknown, or a number makes no sense.

    Notes
    -----
    Cost: all of it, 49 methods on tasks with 20 runs each, takes some seven minutes on two cores.
    """
    tasks, methods = _known("task", tasks, TASKS), _known("method", methods, METHODS)
    for name, value, least in (("steps", steps, 2), ("draws", draws, 1), ("seed", seed, 0)):
        if not float(value).is_integer() or value < least:
            raise InputError(f"{name} must be a whole number from {least}; got {value}.")
    if (steps := int(steps)) % 2:
        raise InputError(f"steps must be even; got {steps}.")
    settings = {task: TASKS[task](seed, steps) for task in tasks}
    every = [
        (task, method)
        for task in tasks
        for method in methods
        if METHODS[method].suits(settings[task])
    ]
    flattest = {task: solve(s.task.problem, goal="flat") for task, s in settings.items()
                if s.product is not None}  # fmt: skip
    losses = {task: _loss_of(s) for task, s in settings.items()}
    runs: list[Row] = []
    for number, (task, method) in enumerate(every):
        if monitor is not None:
            event = {"stage": "networks", "step": number, "of": len(every)}
            monitor(event | {"message": f"{task}, {method}"})
        own = {"format": 1, "task": task, "method": method, "steps": steps, "draws": draws}
        own |= {"seed": seed, "strengths": METHODS[method].strengths}
        own |= {"rates": (settings[task].rate, settings[task].adam)}
        name = f"{task}-{method}-{digest(own)}.json".replace(" ", "-")

        def cell(task: str = task, method: str = method) -> dict[str, Any]:
            X = flattest[task].matrix() if task in flattest else None
            seeds = range(seed, seed + draws)
            return {"runs": _cell(settings[task], method, seeds, losses[task], X)}

        found = kept(Path(folder) / name if folder else None, cell)["runs"]
        runs += [{"task": task, "method": method} | run for run in found]
    gaps = {
        task: one.certificate.relative_gap if one.certificate else math.inf
        for task, one in flattest.items()
    }
    return Comparison(tuple(runs), gaps, {"steps": steps, "draws": draws, "seed": seed})


def _known(what: str, asked: Sequence[str] | None, known: dict[str, Any]) -> list[str]:
    for name in asked or ():
        if name not in known:
            raise InputError(f"the {what} must be one of {', '.join(known)}; got {name}.")
    return list(known if asked is None else asked)


def _loss_of(setting: Setting) -> Any:
    """One function for each task: products with its curvature are compiled once."""
    return lambda params, batch: setting.task.loss(params, batch)


def _cell(
    setting: Setting, name: str, seeds: Sequence[int], loss: Any, flattest: np.ndarray | None
) -> list[Row]:
    """One method on one task, all strengths and seeds trained in one program."""
    method = METHODS[name]

    def one(strength: jax.Array, seed: jax.Array) -> Any:
        made = method.make(setting, strength)
        params, (value, _, error) = setting.training.traced(setting.task, made, seed)
        return params, (value[-1], setting.validation.error(params), error[-1])

    over_seeds = jax.vmap(one, (None, 0))
    grid = jax.jit(jax.vmap(over_seeds, (0, None)))
    params, seen = grid(jnp.asarray(method.strengths), jnp.asarray(seeds))
    value, validation, test = (np.asarray(x, np.float64) for x in seen)
    finite = np.isfinite(value) & np.isfinite(validation) & np.isfinite(test)
    mean = np.where(finite, validation, np.inf).mean(axis=1)
    rows = []
    for i, strength in enumerate(method.strengths):
        for j, seed in enumerate(seeds):
            row = {"strength": strength, "seed": seed, "chosen": bool(i == np.argmin(mean))}
            row |= dict.fromkeys(("validation", "test", *MEASURES))
            if finite[i, j]:
                errors = {"validation": validation[i, j], "test": test[i, j]}
                row |= errors | {"train loss": value[i, j]}
                end = jax.tree.map(lambda x, i=i, j=j: x[i, j], params)
                row |= _measured(setting, end, loss, flattest)
            rows.append(row)
    return rows


def _measured(setting: Setting, params: Any, loss: Any, flattest: np.ndarray | None) -> Row:
    """Every measure of one end."""
    found = flatness(loss, params, [setting.task.train], budget=Budget(eigenvalue_tol=1e-2))
    adaptive = found.adaptive_trace, found.adaptive_eigenvalue
    assert adaptive[0] is not None
    assert adaptive[1] is not None
    squares = sum(float(jnp.sum(x**2)) for x in jax.tree.leaves(params))
    pairs = setting.pairs(params)
    row = {
        "trace": found.trace.value,
        "scaled trace": found.scaled_trace.value,
        "largest eigenvalue": found.largest_eigenvalue.value,
        "adaptive trace": adaptive[0].value,
        "adaptive largest": adaptive[1].value,
        "norm": math.sqrt(squares),
    }
    if pairs:
        row["imbalance"] = sum(float(jnp.linalg.norm(L.T @ L - R.T @ R, "nuc")) for L, R in pairs)
    if flattest is not None and setting.product is not None:
        apart = np.linalg.norm(np.asarray(setting.product(params)) - flattest)
        row["distance"] = float(apart / np.linalg.norm(flattest))
    if isinstance(setting.task, DeepLinear):
        row["excess"] = found.trace.value / _least_trace(setting.task, params)
    return row


def _least_trace(task: DeepLinear, params: Any) -> float:
    """Least trace of D²f among the factors of the same product W, inputs of second moment Σ.

    2N (tr Σ · d_N)^{1/N} ‖W Σ^{1/2}‖_*^{2(N−1)/N}: theory's formula in W Σ^{1/2}, with tr Σ in the
    place of d_0.
    """
    x = np.asarray(task.train[0], np.float64)
    W = np.linalg.multi_dot([np.asarray(factor, np.float64) for factor in reversed(params)])
    _, size, Vt = np.linalg.svd(x / math.sqrt(len(x)), full_matrices=False)
    least = least_product_trace(((Vt.T * size) @ Vt, W), task.depth)
    return least * (np.sum(size**2) / x.shape[1]) ** (1 / task.depth)
