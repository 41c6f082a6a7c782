"""Problems from what a file keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from flatrank.arrays import scope
from flatrank.factors import Cone
from flatrank.measurements import OnHermitian, from_parts
from flatrank.problems.completion import completion
from flatrank.problems.flat import Problem
from flatrank.problems.implicit import stated as of_clicks
from flatrank.problems.labels import Labels
from flatrank.problems.robust import robust_pca
from flatrank.problems.sensing import stated as of_matrices
from flatrank.problems.symmetric import stated as of_symmetric
from flatrank.problems.tomography import stated as of_states


@scope()
def rebuilt(
    form: Mapping[str, Any] | None,
    settings: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
) -> Problem:
    """The problem of `Problem.form`, None in old files, `Problem.settings` and `Problem.arrays`."""
    problem, labels = _unlabelled(form, settings, arrays), (form or {}).get("labels")
    if labels is None:
        return problem
    return replace(problem, labels=Labels.from_saved(labels, arrays))


def _unlabelled(
    form: Mapping[str, Any] | None, settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> Problem:
    if "Y" in arrays if form is None else form["family"] == "Separation":
        radius, sparsity = settings["radius"], settings["sparsity"]
        mask = arrays.get("mask")
        return robust_pca(arrays["Y"], radius=radius, sparsity=sparsity, mask=mask)
    b, lam, smoothing = arrays["b"], settings["lam"], settings.get("smoothing", 1.0)
    if form is None:
        shape = tuple(settings["shape"])
        rows, cols = arrays["rows"], arrays["cols"]
        return completion(rows, cols, b, shape, lam=lam, smoothing=smoothing)
    measurement, family = from_parts(form["measurement"], arrays), form["family"]
    if family == "Problem":
        return of_matrices(measurement, b, lam, smoothing)
    if family == "Symmetric":
        return of_symmetric(measurement, b, lam, Cone[form["among"].upper()])
    if family == "ImplicitFeedback":
        return of_clicks(measurement, b, lam)
    if family == "Tomography" and isinstance(measurement, OnHermitian):
        return of_states(measurement, b, lam)
    raise ValueError(f"unknown problem {family!r} with {type(measurement).__name__}")
