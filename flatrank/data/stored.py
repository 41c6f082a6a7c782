"""Arrays by name from a file: npz, or safetensors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flatrank.data.entries import InputError
from flatrank.data.files import File, Source, open_file
from flatrank.data.matrices import npz_arrays

#: A complex array in a safetensors file: real and imaginary parts along a last axis of two.
_COMPLEX = ".complex"


def read_arrays(source: Source) -> tuple[str, dict[str, NDArray[np.generic]]]:
    """What messages call a file, and the arrays in it by name.

    Parameters
    ----------
    source
        A path, or "-" for standard input: npz, or safetensors, where `x.complex` of shape (..., 2)
        holds the real and imaginary parts of `x`.

    Returns
    -------
    (name, arrays)

    Raises
    ------
    InputError
        If the source is no such file, or damaged. Nothing is ever unpickled.
    """
    file = open_file(source)
    if _is_safetensors(file.data):
        return file.name, _joined(file)
    if file.data[:2] != b"PK":
        raise InputError(
            f"{file.name}: expected arrays by name, in an npz (np.savez(file, A=A, b=b)) or a "
            "safetensors file."
        )
    return file.name, npz_arrays(file)


def _is_safetensors(data: bytes) -> bool:
    """Whether the first eight bytes are the length of a header of JSON that follows."""
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data) - 8


def _joined(file: File) -> dict[str, NDArray[np.generic]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        held = load(file.data)
    except (SafetensorError, ValueError, KeyError) as damaged:
        raise InputError(
            f"{file.name}: the safetensors file is damaged or of a type that NumPy lacks "
            f"({damaged}); write it again."
        ) from damaged
    out: dict[str, NDArray[np.generic]] = {}
    for name, array in held.items():
        if name.endswith(_COMPLEX) and array.shape[-1:] == (2,):
            both = np.ascontiguousarray(array, dtype=np.float64)
            out[name.removesuffix(_COMPLEX)] = both.view(np.complex128)[..., 0]
        else:
            out[name] = array
    return out
