"""Measurements as plain numbers and arrays, and back: what a file keeps of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from flatrank.arrays import is_array
from flatrank.measurements.base import Measurement
from flatrank.measurements.dense import DenseMatrices
from flatrank.measurements.diffraction import CodedDiffraction
from flatrank.measurements.entries import SampledEntries, sample_entries
from flatrank.measurements.gaussian import RegeneratedGaussian
from flatrank.measurements.hermitian import HermitianEffects
from flatrank.measurements.matrices import WholeMatrix
from flatrank.measurements.pauli import PauliStrings
from flatrank.measurements.quadratic import QuadraticForms
from flatrank.measurements.rank_one import RankOne
from flatrank.measurements.transform import MaskedFourier, MaskedTransform

# By name: a file says which, and can name no other class.
_KINDS: dict[str, type[Measurement]] = {
    kind.__name__: kind
    for kind in (
        CodedDiffraction,
        DenseMatrices,
        HermitianEffects,
        MaskedFourier,
        MaskedTransform,
        PauliStrings,
        QuadraticForms,
        RankOne,
        RegeneratedGaussian,
        SampledEntries,
        WholeMatrix,
    )
}
# Files hold real numbers: a complex array is kept as its real and imaginary parts, a last axis.
_COMPLEX = ".complex"


def to_parts(measurement: Measurement) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `from_parts` makes the measurement from: its arguments, and which kind it is.

    Parameters
    ----------
    measurement : Measurement
        One of the library's own that is made from numbers and arrays.

    Returns
    -------
    (settings, arrays)
        Plain JSON with the name of the class as `kind`, and arrays by name (host).

    Raises
    ------
    TypeError
        If it is made from functions, or its class is not the library's.
    """
    kind = type(measurement).__name__
    if _KINDS.get(kind) is not type(measurement):
        raise TypeError(
            f"a problem of {kind} cannot be saved: a file keeps numbers, and this is made from "
            "functions or a class of your own. Keep L, R and y with numpy.savez; build the "
            "problem again as you did, and flatrank.certify(problem, (L, R), y) proves it anew"
        )
    if isinstance(measurement, SampledEntries):
        values = (*measurement.places(), measurement.shape)
    else:
        values = (getattr(measurement, name) for name in _names(type(measurement)))
    settings, arrays = {"kind": kind}, {}
    for name, value in zip(_names(type(measurement)), values, strict=True):
        if not is_array(value):
            settings[name] = value
        elif np.iscomplexobj(value):
            both = np.ascontiguousarray(value, dtype=np.complex128)
            arrays[name + _COMPLEX] = both.view(np.float64).reshape(*both.shape, 2)
        else:
            arrays[name] = np.asarray(value, order="C")
    return settings, arrays


def from_parts(settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Measurement:
    """The measurement of `to_parts`; derived quantities such as Grams are computed again.

    Parameters
    ----------
    settings : mapping
        With `kind`; lists stand for tuples.
    arrays : mapping of str to array
        By name; any that the kind does not ask for are left alone.

    Raises
    ------
    ValueError
        If the kind is unknown or an argument is missing.
    """
    kind = _KINDS.get(settings["kind"])
    if kind is None:
        raise ValueError(
            f"unknown measurement {settings['kind']!r}; expected one of {', '.join(_KINDS)}"
        )
    given: dict[str, Any] = {}
    for name in _names(kind):
        if name in settings:
            value = settings[name]
            given[name] = tuple(value) if isinstance(value, list) else value
        elif name in arrays:
            given[name] = arrays[name]
        elif name + _COMPLEX in arrays:
            both = np.ascontiguousarray(arrays[name + _COMPLEX], dtype=np.float64)
            given[name] = both.view(np.complex128)[..., 0]
        else:
            raise ValueError(f"the {name} of {settings['kind']} is missing")
    if kind is SampledEntries:
        rows, cols = np.asarray(given["rows"]), np.asarray(given["cols"])
        return sample_entries(rows, cols, np.zeros(rows.size), given["shape"])[0]
    return kind(**given)


def _names(kind: type[Measurement]) -> tuple[str, ...]:
    """Of the arguments of its constructor; of entries places and shape, which give the rest."""
    entries = kind is SampledEntries
    return ("rows", "cols", "shape") if entries else tuple(inspect.signature(kind).parameters)
