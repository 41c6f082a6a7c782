"""A posterior on disk: one safetensors file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from flatrank.gibbs.chains import Draws
from flatrank.gibbs.diagnostics import Diagnostics
from flatrank.gibbs.posterior import Posterior
from flatrank.gibbs.sampler import Noise

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
    beside = path.with_name(path.name + ".part")
    arrays = {name: np.ascontiguousarray(x) for name, x in vars(found.draws).items()}
    beside.touch()  # save_file makes a file that only its owner may read
    mode = beside.stat().st_mode
    save_file(arrays, beside, {"posterior": json.dumps(facts)})
    beside.chmod(mode)
    beside.replace(path)
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
            facts = json.loads(file.metadata()["posterior"])
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
