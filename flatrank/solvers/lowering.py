"""The rank that was found looked at once more: the smallest that fits, the best fit of one given.

The find step grows the rank, and may have grown too soon. A column that is not needed then dies
slowly, or where the data leave it free it stays: missing a corner block, they have fits of every
rank from the smallest on. Where nothing fits at a rank that was given, the search ends with the
best pair it came by, which is not yet the best near by.
"""

from __future__ import annotations

import math

import numpy as np

from flatrank.problems import Problem
from flatrank.solvers.gauss_newton import GaussNewton
from flatrank.solvers.growth import GaussNewtonState, Rescue, cut, size_of
from flatrank.solvers.status import Status

# Singular values as far apart as this suggest that those behind are on their way to zero; a step
# that leaves more of the misfit than a half says that they are not.
_DYING, _HALF = 1e4, 0.5
# A misfit, relative to ‖b‖, that is rounding.
_ROUNDING = 1e-13
# A step that lowers the misfit by no more than this share is one at a first-order point; steps at
# most.
_SETTLED, _STEPS = 1e-8, 100


def without_dying(problem: Problem, find: GaussNewton, state: GaussNewtonState) -> GaussNewtonState:
    """Cut the columns behind a wide gap of the spectrum, where the others fit as well without.

    Parameters
    ----------
    problem : Problem
        With λ = 0.
    find : GaussNewton
        What found the fit.
    state : GaussNewtonState
        A fit to rounding.

    Returns
    -------
    GaussNewtonState
        As it was where there is no such gap, or where the columns are needed.

    Notes
    -----
    Cost: without a gap none; with one two or three Newton steps, one where columns are needed.
    """
    s = state.s[: state.rank]
    gaps = np.flatnonzero(s[:-1] > _DYING * s[1:])
    good = max(_ROUNDING * size_of(problem), state.point.misfit)
    for gap in gaps:
        tried = at_most(problem, state, int(gap) + 1)
        for step in range(_STEPS):
            tried = find.newton(problem, tried)
            if step and tried.point.misfit <= good:
                return tried._replace(ended=Status.STATIONARY)
            if not tried.point.left < _HALF * tried.point.misfit:
                break
    return state


def at_most(problem: Problem, state: GaussNewtonState, rank: int) -> GaussNewtonState:
    """Where the find step goes on from its leading columns, with a rank that is not to grow.

    Parameters
    ----------
    problem : Problem
        With λ = 0.
    state : GaussNewtonState
        A fit.
    rank : int
        Below its rank.

    Returns
    -------
    GaussNewtonState
        Running, with all the means of the find step but a larger rank.
    """
    state = cut(state, rank).growing(grown=(rank, math.inf), waiting=True)
    point = state.point._replace(misfit=size_of(problem))
    return state._replace(point=point, rescue=Rescue(limit=rank), ended=Status.RUNNING)


def least_squares(problem: Problem, find: GaussNewton, state: GaussNewtonState) -> GaussNewtonState:
    """A first-order point of the misfit near a pair that does not fit, at its rank.

    Parameters
    ----------
    problem : Problem
        With λ = 0.
    find : GaussNewton
        What found the pair.
    state : GaussNewtonState
        At its end.

    Returns
    -------
    GaussNewtonState
        With the end it had.
    """
    found = at_most(problem, state, state.rank)
    for _ in range(_STEPS):
        found = find.newton(problem, found)
        if not found.point.left < (1 - _SETTLED) * found.point.misfit:
            break
    return found._replace(ended=state.ended)
