"""Arrays kept as they were: apart from the caller's memory, and in full precision when copied."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import equinox as eqx
import jax
import numpy as np

# Bytes on which XLA takes an array of the host for its own without copying it once more.
_ALIGNED = 64


def own_copy(x: np.ndarray) -> np.ndarray:
    """A copy that nobody else can write to.

    On a CPU `jax.device_put` shares memory with an aligned NumPy array, and copies another one
    later, whatever `may_alias` says: a buffer filled again would change what was made from it.

    Parameters
    ----------
    x : array
        Of numbers.

    Returns
    -------
    array
        Contiguous and aligned, so that placing it on the device copies it no further.
    """
    room = np.empty(x.nbytes + _ALIGNED, np.uint8)
    start = -room.ctypes.data % _ALIGNED
    copy = room[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
    copy[...] = x
    return copy


class Kept(eqx.Module):
    """A module that pickles, and is copied, with every number as it is.

    JAX's own arrays come back from a pickle in single precision, unless 64 bits are on there.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """The fields, with arrays of the host for those of the device."""
        return restored, (type(self), state_of(self))


@dataclass(frozen=True)
class _Held:
    """An array of the device, on the host."""

    value: np.ndarray


def state_of(module: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, ready for pickle: `restored` makes it whole again.

    Parameters
    ----------
    module : dataclass
        May hold modules of its own, which pickle themselves.

    Returns
    -------
    dict
    """

    def held(x: Any) -> Any:
        return _Held(np.asarray(x)) if isinstance(x, jax.Array) else x

    parts = {f.name: getattr(module, f.name) for f in fields(module)}
    return {name: _over(held, part, (Kept,)) for name, part in parts.items()}


def restored(cls: type, state: dict[str, Any]) -> Any:
    """What `state_of` took apart, with 64 bits whatever is in force.

    Parameters
    ----------
    cls : type
        Of the dataclass.
    state : dict
        Its fields by name.

    Returns
    -------
    instance of cls
    """
    made = object.__new__(cls)

    def placed(x: Any) -> Any:
        return jax.device_put(x.value) if isinstance(x, _Held) else x

    with jax.enable_x64(True):
        for name, part in state.items():
            object.__setattr__(made, name, _over(placed, part, (Kept, _Held)))
    return made


def _over(function: Any, part: Any, whole: tuple[type, ...]) -> Any:
    """A function of the arrays among the leaves, modules of some types left whole."""
    return jax.tree.map(function, part, is_leaf=lambda x: isinstance(x, whole))
