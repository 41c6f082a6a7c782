"""Chains of the sampler, one to a thread, and what they leave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator

import flatrank.kernels as kernels
from flatrank.arrays.shapes import Float
from flatrank.gibbs.regression import Regression
from flatrank.gibbs.sampler import Sampler, State, generator
from flatrank.solvers.side_by_side import side_by_side


@dataclass(frozen=True)
class Draws:
    """States of all chains, S in number, chain after chain, each of one length.

    Parameters
    ----------
    L, R
        (S, d1, k) and (S, d2, k), in single precision.
    alpha
        (S,)
    row_noise, col_noise
        γ (S, d1) and δ (S, d2).
    row_shape, col_shape
        (S,) each.
    row_mean, row_precision, col_mean, col_precision
        μ (S, k) and Λ (S, k, k) of the rows of L and of R.
    row_weights
        B (S, p, k) where rows have features f, their means being μ + Bᵀ f; else None.
    """

    L: Float[np.ndarray, "S d1 k"]
    R: Float[np.ndarray, "S d2 k"]
    alpha: Float[np.ndarray, " S"]
    row_noise: Float[np.ndarray, "S d1"]
    col_noise: Float[np.ndarray, "S d2"]
    row_shape: Float[np.ndarray, " S"]
    col_shape: Float[np.ndarray, " S"]
    row_mean: Float[np.ndarray, "S k"]
    row_precision: Float[np.ndarray, "S k k"]
    col_mean: Float[np.ndarray, "S k"]
    col_precision: Float[np.ndarray, "S k k"]
    row_weights: Float[np.ndarray, "S p k"] | None = None

    @staticmethod
    def of(states: list[State]) -> Draws:
        """From states in single precision."""
        return Draws(
            *(np.stack([getattr(s, name) for s in states]) for name in ("L", "R")),
            *(
                np.array([getattr(s, name) for s in states])
                for name in ("alpha", "row_noise", "col_noise", "row_shape", "col_shape")
            ),
            *(np.stack(x) for x in zip(*(s.rows for s in states), strict=True)),
            *(np.stack(x) for x in zip(*(s.cols for s in states), strict=True)),
        )

    def with_weights(self, regression: Regression, rng: Generator) -> Draws:
        """With the law of the rows drawn anew, given each L: for rows that come with features."""
        laws = [regression.weights(L, rng) for L in self.L]
        mean, precision = (np.stack(x) for x in zip(*(law for law, _ in laws), strict=True))
        B = np.stack([B for _, B in laws])
        return replace(self, row_mean=mean, row_precision=precision, row_weights=B)

    def __len__(self) -> int:
        """S."""
        return self.alpha.shape[0]

    def entries(self, i: np.ndarray, j: np.ndarray) -> Float[np.ndarray, "S q"]:
        """<l_i, r_j> of every draw at (q,) places, in single precision."""
        order = np.argsort(i, kind="stable")
        lines, counts = np.unique(i, return_counts=True)
        C = row_by_row(counts, j[order], self.R.shape[1])
        out = np.empty((len(self), i.size), np.float32)
        for s in range(len(self)):
            out[s, order] = kernels.sampled_product(C, self.L[s, lines], self.R[s])
        return out


def row_by_row(counts: np.ndarray, cols: np.ndarray, width: int) -> kernels.Compressed:
    """The pattern of rows of so many entries each, their columns one row after the other."""
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return kernels.Compressed(indptr, cols.astype(np.int32), width)


@dataclass
class Chain:
    """What one chain has left so far."""

    state: State
    rng: Generator
    kept: list[State]
    traces: list[np.ndarray]
    swept: int = 0


@dataclass(frozen=True)
class Plan:
    """How long chains run, and what is kept of them.

    Parameters
    ----------
    burn
        Sweeps left out at the beginning.
    draws
        Sweeps after these.
    every
        One of so many is kept.
    probes
        Rows and columns (q,) of the places whose values are followed from sweep to sweep.
    """

    burn: int
    draws: int
    every: int
    probes: tuple[np.ndarray, np.ndarray]


def run_chains(
    sampler: Sampler,
    starts: list[State],
    plan: Plan,
    seed: int,
    monitor: Callable[[dict[str, Any]], None] | None = None,
    stop_after: float | None = None,
) -> tuple[list[Chain], bool]:
    """Run every chain to its end; on Ctrl-C, or out of time, as far as it came.

    Parameters
    ----------
    sampler, plan
        What is drawn, and how much.
    starts
        The state that each chain starts from.
    seed
        Chain c draws from the stream (seed, c), whatever thread runs it.
    monitor
        Called ten times a second with the sweeps done and wanted.
    stop_after
        `time.perf_counter()` value after which no sweep starts.

    Returns
    -------
    (chains, stopped)

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C before anything was kept.
    """
    chains = [Chain(s, generator(seed, c), [], []) for c, s in enumerate(starts)]
    total, stop = len(chains) * (plan.burn + plan.draws), threading.Event()
    if stop_after is not None and time.perf_counter() > stop_after:
        return [], True

    def tell() -> None:
        if monitor is not None:
            monitor({"sweep": sum(c.swept for c in chains), "of": total})

    jobs = [partial(_run, sampler, c, plan, stop) for c in chains]
    interrupted = side_by_side(jobs, stop, tell, stop_after)
    if not all(c.kept for c in chains):
        chains = [c for c in chains if c.kept]
        if not chains and interrupted:
            raise KeyboardInterrupt
    return chains, stop.is_set()


def _run(sampler: Sampler, chain: Chain, plan: Plan, stop: threading.Event) -> None:
    rows, cols = plan.probes
    while chain.swept < plan.burn + plan.draws and not stop.is_set():
        chain.state = state = sampler.sweep(chain.state, chain.rng)
        chain.swept += 1
        past = chain.swept - plan.burn
        if past > 0:
            values = np.einsum("pk,pk->p", state.L[rows], state.R[cols])
            chain.traces.append(np.append(values, sampler.noise(state)))
            if past % plan.every == 0:
                chain.kept.append(single(state))


def single(state: State) -> State:
    """In single precision, which is far below what one draw differs from the next."""
    small = {name: getattr(state, name).astype(np.float32) for name in ("L", "R")}
    return State(**{**vars(state), **small})
