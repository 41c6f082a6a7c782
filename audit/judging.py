"""What a certificate claims, held against what is known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from audit.attacks import Attack
from audit.drawing import Instance
from audit.reference import Range, Reference

TOL = 1e-6
# Relative rounding that a bound may show, and the smallest size at which relative means anything;
# rounding relative to ‖b‖² where the objective is a difference of such squares.
ROUNDING, SMALLEST, SQUARES = 1e-9, 1e-307, 1e-15
# How far apart, relatively, two minimisers known by construction must be to be two.
APART = 1e-8

KINDS = {
    "floor": "a lower bound above the optimum",
    "ceiling": "an upper bound below the optimum",
    "objective": "an upper bound below the objective of the pair it is for",
    "certified": "certified to 1e-6, and farther than that from the optimum",
    "infeasible": "certified, and nothing fits the data",
    "unique": "said to be the only minimiser, and there is another",
    "nan": "a number that is none",
    "refused": "ordinary data or an ordinary pair refused",
    "exception": "an error other than ValueError or TypeError",
}


class Claim(NamedTuple):
    """What the library says, in its units; `certified` as it answers for the tolerance 1e-6."""

    primal: float
    dual_bound: float
    relative_gap: float
    certified: bool
    unique: bool


def judged(instance: Instance, found: Reference, attack: Attack, claim: Claim) -> list[str]:
    """Kinds of violations, none of them for want of precision here."""
    model, k = instance.model, instance.units.value
    wrong = {"nan": any(map(math.isnan, claim[:3]))}
    primal, floor = _unscaled(claim.primal, k), _unscaled(claim.dual_bound, k)
    tiny = _unscaled(SMALLEST, k)
    if model.lam > 0 or model.form == "state":  # what squares of the data leave of a difference
        tiny += SQUARES * float(model.b @ model.b)
    mass = np.abs(attack.L) @ np.abs(attack.R).T
    asked = _asked(instance, found, attack.L @ attack.R.conj().T, mass)
    if asked is not None:
        optimum, value = asked
        if optimum.low == math.inf:
            wrong["infeasible"] = claim.certified
        else:
            wrong["floor"] = floor > optimum.high + _slack(optimum.high, tiny)
            wrong["ceiling"] = primal < optimum.low - _slack(optimum.low, tiny)
            most = optimum.high + TOL * abs(value.low) + _slack(value.low, 0.0)
            wrong["certified"] = claim.certified and value.low > most
        if model.form == "sparse" or (model.form == "whole" and model.lam > 0):
            wrong["objective"] = primal < value.low - _slack(value.low, tiny)
    wrong["unique"] = claim.unique and _several(instance, found)
    return [kind for kind, is_wrong in wrong.items() if is_wrong]


def _asked(
    instance: Instance, found: Reference, X: np.ndarray, mass: np.ndarray
) -> tuple[Range, Range] | None:
    """The optimum that the certificate speaks of, and the value of the pair for it.

    Of states without a weight: tr(D²X) among those that fit where the pair does, else the misfit.
    None where the problem is neither clearly the one nor the other.
    """
    model = instance.model
    if model.form != "state" or model.lam > 0:
        return found.optimum, model.value(X, mass)
    state = model.nearest(X)
    size = max(float(np.linalg.norm(model.b)), 1e-300)
    miss = math.inf
    if np.all(np.isfinite(state)) and np.any(state):
        miss = float(np.linalg.norm(model.b - model.measured(state))) / size
    if 1e-7 < miss < 1e-5 or (miss <= 1e-7 and not model.exact):
        return None
    if miss <= 1e-7:
        return found.optimum, model.value(X, mass)
    squares = replace(model, exact=False)
    return (Range(0.0, 0.0) if model.exact else found.optimum), squares.value(X, mass)


def _several(instance: Instance, found: Reference) -> bool:
    if found.others:
        return True
    if len(instance.others) < 2:
        return False
    X, Z = instance.others
    return bool(np.linalg.norm(X - Z) > APART * np.linalg.norm(X))


def _slack(value: float, tiny: float) -> float:
    return ROUNDING * abs(value) + tiny


def _unscaled(value: float, k: int) -> float:
    """value / 2ᵏ, which may be out of range."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(value, -k))
