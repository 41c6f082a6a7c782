"""The front door: choose, run chains, keep draws."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import flatrank.kernels as kernels
from flatrank.arrays import to_numpy
from flatrank.factors import FactorPair, compact_svd
from flatrank.gibbs.chains import Draws, Plan, run_chains
from flatrank.gibbs.diagnostics import diagnose
from flatrank.gibbs.posterior import Posterior
from flatrank.gibbs.regression import checked_features
from flatrank.gibbs.sampler import Noise, Sampler, generator
from flatrank.gibbs.width import choose
from flatrank.problems import Problem, as_problem, entries_of
from flatrank.solvers import Solution
from flatrank.solvers.loop import monitor_of

#: Places followed for the diagnostics.
PROBES = 100
#: Spread of data that are all the same number, as a share of it.
EVEN = 1e-6


def posterior(  # noqa: PLR0913 - the contract's options, each named
    problem: Problem | Solution,
    *,
    start: FactorPair | None = None,
    width: int | None = None,
    noise: Noise | str | None = None,
    features: Sequence[ArrayLike | None] | None = None,
    draws: int = 200,
    chains: int = 2,
    burn: int = 50,
    seed: int = 0,
    max_seconds: float | None = None,
    max_bytes: float = 1e9,
    progress: bool | Callable[[dict[str, Any]], None] = False,
) -> Posterior:
    """Draw the factors of sampled entries from their posterior, for predictions with error bars.

    Bayesian probabilistic matrix factorisation by Gibbs sampling, with noise of rows and columns:

        b_p = c + s (<l_i, r_j> + ε_p/√τ_p),   τ_p = α γ_i δ_j,
        l_i ~ N(μ_L, Λ_L⁻¹),   r_j ~ N(μ_R, Λ_R⁻¹),

    c and s the mean and standard deviation of the data. <l_i, μ_R> and <μ_L, r_j> are the effects
    of rows and columns. Where a solution is given, the chains start near its optimum, which is the
    mode of such a model with fixed precisions.

    Parameters
    ----------
    problem : Problem or Solution
        Of completion. λ and smoothing play no part.
    start : FactorPair, optional
        Factors near which the chains start; of a solution its own by default.
    width : int, optional
        k; by default chosen by the predictions of entries kept out.
    noise : "common" or "rows and columns", optional
        By default chosen on the same entries.
    features : (array of shape (d1, p) or None, array of shape (d2, q) or None), optional
        Numbers that say what rows, and columns, are alike: μ_L + Bᵀ f_i takes the place of μ_L. A
        row or column without entries is then predicted from its features. Units play no part.
    draws : int
        Sweeps of each chain after the first `burn`, 100 to 300 as a rule.
    chains : int
        At least 2, so that they can be compared; each runs on a thread.
    burn : int
        Sweeps of each chain that are left out.
    seed : int
        Of every random choice: the same numbers for any number of threads.
    max_seconds : float, optional
        No sweep starts after this.
    max_bytes : float
        What kept draws may take, 4 (d1 + d2) k bytes each, and 8 p k with p features of rows;
        beyond it only every second, third, ... draw is kept.
    progress : bool or callable
        True prints a line a second on stderr; a callable receives the sweeps done and wanted.

    Returns
    -------
    Posterior

    Raises
    ------
    TypeError
        If the problem is not one of sampled entries.
    ValueError
        If an argument is out of range.
    KeyboardInterrupt
        On Ctrl-C before there is a draw; later, what was drawn is kept.

    Notes
    -----
    A sweep costs 2 m k² multiply-adds for the Gram matrices and (d1 + d2)(k³/6 + O(k²)) for the
    draws; with p features of rows 2 d1 p k more. Memory: that of the draws kept, and 4 MB of Gram
    matrices a chain.

    References
    ----------
    R. Salakhutdinov, A. Mnih, "Bayesian probabilistic matrix factorization using Markov chain
    Monte Carlo", ICML 2008.
    """
    begin = time.perf_counter()
    solution = problem if isinstance(problem, Solution) else None
    problem = as_problem(problem.problem if isinstance(problem, Solution) else problem)
    A, b = entries_of(problem, "posterior"), np.asarray(to_numpy(problem.b), np.float64)
    for name, value, least in (("draws", draws, 4), ("chains", chains, 2), ("burn", burn, 0)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} must be a whole number from {least}; got {value!r}")
    if width is not None and (not isinstance(width, (int, np.integer)) or width < 1):
        raise ValueError(f"width must be a whole number from 1, or None; got {width!r}")
    law = None if noise is None else Noise(noise)
    monitor = monitor_of(progress, every=1.0)
    stop = None if max_seconds is None else begin + max_seconds
    mean = float(b.mean())
    unit = float(b.std()) or EVEN * (abs(mean) or 1.0)
    b = (b - mean) / unit
    rng = generator(seed)
    if start is None and solution is not None:
        start = solution.factors
    first = None if start is None else started(start, mean, unit)
    known = checked_features(features, A.shape)
    tried: list[dict[str, Any]] = []
    if width is None or law is None:
        width, law, first, tried = choose(A, b, width, law, first, seed, monitor, stop, known)
    sampler = Sampler(A, b, law, known)
    bytes_each = 4.0 * sum(A.shape) * width + 8.0 * sum(A.shape)
    if known[0] is not None:
        bytes_each += 8.0 * known[0].shape[1] * width
    every = int(np.ceil(draws * chains * bytes_each / max_bytes))
    if every > draws:
        raise ValueError(
            f"one draw of width {width} takes {bytes_each:.3g} bytes, and {chains} chains more "
            f"than max_bytes = {max_bytes:g}: give more, or a smaller width"
        )
    probes = tuple(rng.integers(0, d, PROBES) for d in A.shape)
    starts = [sampler.near(first, width, generator(seed, 1 << 21, c)) for c in range(chains)]
    plan = Plan(burn, draws, every, (probes[0], probes[1]))
    ended, stopped = run_chains(sampler, starts, plan, seed, monitor, stop)
    if not ended:
        raise ValueError(f"max_seconds = {max_seconds} left no time for a draw; give more")
    kept = min(len(c.kept) for c in ended)
    drawn = Draws.of([s for c in ended for s in c.kept[:kept]])
    if sampler.by_row.regression is not None:
        drawn = drawn.with_weights(sampler.by_row.regression, generator(seed, 1 << 22))
    return Posterior(
        draws=drawn,
        mean_value=mean,
        unit=unit,
        noise_model=law,
        diagnostics=diagnose([np.stack(c.traces) for c in ended], stopped),
        noise=unit * _noise(sampler, drawn),
        seed=seed,
        seconds=time.perf_counter() - begin,
        chosen=tried,
    )


def started(pair: FactorPair, mean: float, unit: float) -> FactorPair:
    """The optimum in the sampler's units, (X − mean)/unit, as balanced factors."""
    L, R = (np.asarray(x, np.float64) for x in (pair.L, pair.R))
    L = np.hstack([L / unit, np.full((L.shape[0], 1), -mean / unit)])
    R = np.hstack([R, np.ones((R.shape[0], 1))])
    return compact_svd(FactorPair(L, R)).narrow().pair()


def _noise(sampler: Sampler, d: Draws) -> float:
    """√ of the mean of 1/τ over the entries and (at most fifty) draws."""
    C, total = sampler.by_row.C, []
    ones = np.ones(C.m)
    for s in np.unique(np.linspace(0, len(d) - 1, 50).astype(int)):
        by_row = kernels.sparse_tall(C, ones, 1 / d.col_noise[s][:, None])[:, 0]
        total.append(np.sum(by_row / d.row_noise[s]) / d.alpha[s] / C.m)
    return float(np.sqrt(np.mean(total)))
