"""Records, tuples, lists and dicts of arrays, and the functions of their leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]
else:
    Array = Any
Scalar = float | Array
T = TypeVar("T")


def static(**options: Any) -> Any:
    """A field of a `Module` that is no array: equal in everything that shares a program."""
    return field(metadata={"static": True}, **options)


@dataclass_transform(field_specifiers=(field, static))
class Module:
    """A record of arrays: a frozen dataclass, of which `tree_map` makes another.

    A field is set once, in `__init__`. What is kept beside the fields (`cached_property`) is
    neither pickled nor copied.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Make a frozen dataclass of each subclass."""
        super().__init_subclass__(**options)
        cls._own_init = cls._own_init or "__init__" in cls.__dict__
        shown = "__repr__" not in cls.__dict__
        dataclass(frozen=True, eq=False, repr=shown, init=not cls._own_init)(cls)
        cls.__setattr__ = Module.__setattr__
        cls.__delattr__ = Module.__delattr__
        names = [f.name for f in fields(cls)]  # pyright: ignore[reportArgumentType]
        fixed = {f.name for f in fields(cls) if f.metadata.get("static")}  # pyright: ignore
        cls._array_names = tuple(n for n in names if n not in fixed)
        cls._static_names = tuple(n for n in names if n in fixed)
        UNKNOWN_TO_JAX.append(cls)

    _own_init: ClassVar[bool] = False
    _array_names: ClassVar[tuple[str, ...]] = ()
    _static_names: ClassVar[tuple[str, ...]] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            raise FrozenInstanceError(f"cannot assign to {name} of a {type(self).__name__}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete {name} of a {type(self).__name__}")

    def __getstate__(self) -> dict[str, Any]:
        """The fields."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # pyright: ignore

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


UNKNOWN_TO_JAX: list[type] = []


def tree_map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """A function of the leaves of trees of one form; None has none."""
    if tree is None:
        return None
    if isinstance(tree, Module):
        made = object.__new__(type(tree))
        parts = made.__dict__
        for n in tree._static_names:
            parts[n] = getattr(tree, n)
        for n in tree._array_names:
            parts[n] = tree_map(function, getattr(tree, n), *[getattr(r, n) for r in rest])
        return made
    if isinstance(tree, tuple | list):
        made = [tree_map(function, *parts) for parts in zip(tree, *rest, strict=True)]
        return type(tree)(*made) if hasattr(tree, "_fields") else type(tree)(made)
    if isinstance(tree, dict):
        return {n: tree_map(function, x, *(r[n] for r in rest)) for n, x in tree.items()}
    return function(tree, *rest)


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves of a tree, in the order of `tree_map`."""
    if tree is None:
        return
    if isinstance(tree, Module):
        tree = [getattr(tree, n) for n in tree._array_names]
    elif isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, tuple | list):
        for part in tree:
            yield from leaves(part)
    else:
        yield tree
