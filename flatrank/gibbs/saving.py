"""A posterior on disk: one safetensors file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from flatrank.gibbs.chains import Draws
from flatrank.gibbs.diagnostics import Diagnostics
from flatrank.gibbs.posterior import Posterior
from flatrank.gibbs.sampler import Noise
from flatrank.solvers.writing import write_arrays

NUMBERS = ("mean_value", "unit", "noise", "seed", "seconds", "chosen")


def save_posterior(found: Posterior, path: str | Path) -> Path:
    """Write a posterior to a safetensors file, whole or not at all.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    facts: dict[str, Any] = {name: getattr(found, name) for name in NUMBERS}
    facts |= {"noise_model": found.noise_model.value, "diagnostics": asdict(found.diagnostics)}
    arrays = {
        name: np.ascontiguousarray(x) for name, x in vars(found.draws).items() if x is not None
    }
    write_arrays(path, arrays, json.dumps(facts))
    return path


def load_posterior(path: str | Path) -> Posterior:
    """Read back what `save_posterior` wrote.

    Raises
    ------
    ValueError
        If the file is not there, damaged, or holds something else.
    """
    try:
        with safe_open(path, "numpy") as file:
            facts = json.loads(file.metadata()["flatrank"])
            draws = Draws(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        return Posterior(
            draws=draws,
            noise_model=Noise(facts["noise_model"]),
            diagnostics=Diagnostics(**facts["diagnostics"]),
            **{name: facts[name] for name in NUMBERS},
        )
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file") from None
    except Exception as damaged:
        raise ValueError(f"{path} holds no posterior, or a damaged one: {damaged}") from damaged
