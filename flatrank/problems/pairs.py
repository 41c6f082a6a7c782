"""Factor pairs from anywhere, for a given problem."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flatrank.arrays import scope
from flatrank.factors import FactorPair, Factors, given_form, given_pair
from flatrank.flatness import Flatness, measure_flatness
from flatrank.measurements import SampledEntries
from flatrank.problems.flat import Problem
from flatrank.problems.implicit import ImplicitFeedback
from flatrank.problems.robust import Separation
from flatrank.problems.symmetric import Symmetric


def as_problem(problem: Any) -> Problem:
    """A problem, as the functions that take one must be given; ValueError for anything else."""
    if not isinstance(problem, Problem):
        raise ValueError(
            "expected a Problem, made by a front door such as flatrank.completion(rows, cols, "
            f"values, shape) or flatrank.sensing(A, b); got {type(problem).__name__}"
        )
    return problem


def entries_of(problem: Problem, name: str) -> SampledEntries:
    """The sampled entries of a completion, which `name` needs; TypeError for anything else."""
    A = problem.measurement
    if not isinstance(A, SampledEntries) or isinstance(problem, ImplicitFeedback | Separation):
        raise TypeError(
            f"{name} needs sampled entries, from flatrank.completion; got "
            f"{type(problem).__name__} of {type(A).__name__}"
        )
    return A


def as_pair(problem: Problem, factors: Factors) -> FactorPair:
    """The pair of X given by the user, in the form of the problem, checked as by `given_pair`."""
    problem = as_problem(problem)
    return given_pair(factors, problem.shape, problem.cone)


def flatness_of(problem: Problem, factors: Factors) -> Flatness:
    """How flat, how balanced and how large a pair is, whoever made it.

    Parameters
    ----------
    problem : Problem
        Gives D1, D2 and the number of measurements; its data do not matter, but for the scaled
        trace of a symmetric problem off the data (see `Symmetric`) and for confidences.
    factors : FactorPair, Solution or (L, R)
        (d1, k) and (d2, k), of X (not of D1 X D2). Where X is complex, `solution.U` will do, and so
        will complex L and R with X = L R*. Where X is symmetric L = U E, R = U with E = diag(±1).

    Returns
    -------
    Flatness
        Scaled trace, squared norm, imbalance and excess.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, complex where X is real, or L is not U E where
        X is symmetric.

    Notes
    -----
    Cost: O((d1 + d2) k² + k³) flops. Source: §2 of the flat-minima report; the closed form of the
    scaled trace holds at every pair.
    """
    with scope():
        pair = given_form(factors, as_problem(problem).shape, problem.cone)
        found = measure_flatness(problem.measurement, pair, problem.rescaling)
        if isinstance(problem, ImplicitFeedback | Symmetric):
            found = replace(found, scaled_trace=problem.scaled_trace(pair))
        return found
