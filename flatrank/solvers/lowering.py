"""The rank that was found looked at once more: the smallest that fits, the best fit of one given.

The find step grows the rank, and may have grown too soon. A column that is not needed then dies
slowly, or where the data leave it free it stays: missing a corner block, they have fits of every
rank from the smallest on. Where no pair fits at a rank that was given, the search ends with the
best pair it came by, which is not yet the best near by.
"""

from __future__ import annotations

import math

import numpy as np

from flatrank.problems import Problem
from flatrank.solvers.gauss_newton import GaussNewton
from flatrank.solvers.growth import GaussNewtonState, Rescue, cut, size_of
from flatrank.solvers.status import Status


def without_dying(problem: Problem, find: GaussNewton, state: GaussNewtonState) -> GaussNewtonState:
    """A fit without the columns behind a gap of the spectrum, where the others fit as well.

    Cost: without a gap none; with one two or three Newton steps, one where columns are needed.
    """
    s = state.s[: state.rank]
    good = max(1e-13 * size_of(problem), state.point.misfit)
    for gap in np.flatnonzero(s[:-1] > find.exact.dying * s[1:]):
        tried = at_most(problem, state, int(gap) + 1)
        for step in range(100):
            tried = find.newton(problem, tried)
            if step and tried.point.misfit <= good:
                return tried._replace(ended=Status.STATIONARY)
            if not tried.point.left < 0.5 * tried.point.misfit:
                break
    return state


def at_most(problem: Problem, state: GaussNewtonState, rank: int) -> GaussNewtonState:
    """Where the find step goes on from its leading columns, with a rank that is not to grow."""
    state = cut(state, rank).growing(grown=(rank, math.inf), waiting=True)
    point = state.point._replace(misfit=size_of(problem))
    return state._replace(point=point, rescue=Rescue(limit=rank), ended=Status.RUNNING)


def least_squares(problem: Problem, find: GaussNewton, state: GaussNewtonState) -> GaussNewtonState:
    """A first-order point of the misfit near a pair that does not fit, at its rank."""
    found = at_most(problem, state, state.rank)
    for _ in range(100):
        found = find.newton(problem, found)
        if not found.point.left < (1 - 1e-8) * found.point.misfit:
            break
    return found._replace(ended=state.ended)
