"""Measurements of quantum states."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class IonStates:
    """Twenty states of three trapped-ion qubits, each measured in 27 Pauli settings.

    Parameters
    ----------
    effects
        (27, 8, 8, 8) complex: the projector of each outcome of each setting.
    frequencies
        (20, 27, 8): relative frequencies, one in sum over the outcomes of a setting.
    published
        (20, 8, 8) complex: the density matrices published with the data.
    settings
        27 words of three letters X, Y, Z: what each qubit was measured in.
    """

    effects: NDArray[np.complex128]
    frequencies: NDArray[np.float64]
    published: NDArray[np.complex128]
    settings: list[str]


def load_ion_states() -> IonStates:
    """Real tomography of three trapped-ion qubits, which ships with the package.

    Returns
    -------
    IonStates

    References
    ----------
    R. Stárek, T. Gollerthan, O. Leskovjanová, M. Meth, P. Tirler, N. Friis, M. Ringbauer, L. Mišta,
    "Experimental verification of multi-copy activation of genuine multipartite entanglement - data
    and codes", github.com/RobStarek/gme-activation-experiment. MIT licence, kept beside the file.
    """
    with (
        as_file(files("flatrank.data") / "ion_tomography_3qubit.npz") as path,
        np.load(path, allow_pickle=False) as kept,
    ):
        frequencies = kept["freq"]
        return IonStates(
            kept["effects"],
            frequencies.reshape(-1, *frequencies.shape[-2:]),
            kept["rho_published"].reshape(-1, *kept["rho_published"].shape[-2:]),
            kept["settings"].tolist(),
        )
