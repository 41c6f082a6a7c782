"""A curvature: a symmetric matrix of the order of the parameters, known by its products.

That of a loss is made by `curvature`, that of anybody's products by `given_curvature`.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flatrank.networks.vectors import Form, Vector, dot, norm, scaled

Shape = int | tuple[int, ...]


class Curvature(ABC):
    """v ↦ H v on vectors in blocks, H symmetric; `products` counts them.

    Attributes
    ----------
    form : Form
        Names and shapes of the blocks.
    parameters : tuple of arrays, optional
        Where H is taken; None where nobody said.
    products : int
        How many there have been.
    """

    form: Form
    parameters: Any = None
    products: int = 0

    @abstractmethod
    def product(self, v: Vector) -> Vector:
        """H v, in memory of its own."""

    def __call__(self, v: Vector) -> Vector:
        """H v, counted."""
        self.products += 1
        return self.product(v)

    def block(self, name: str) -> Curvature:
        """The diagonal block of H of one block of parameters, the others held fixed."""
        return Block(self, name)

    def adaptive(self) -> Curvature:
        """|w| ∘ H (|w| ∘ v): the curvature in relative changes of the parameters w."""
        return AdaptiveCurvature(self)


class Block(Curvature):
    """The diagonal block of a curvature."""

    def __init__(self, whole: Curvature, name: str) -> None:
        if name not in whole.form.names:
            raise ValueError(f"no block {name!r}; there are {', '.join(whole.form.names)}")
        form, i = whole.form, whole.form.names.index(name)
        self.whole, self.i = whole, i
        self.form = Form((name,), (form.shapes[i],), (form.dtypes[i],), form.on_numpy)
        self.parameters = whole.parameters and (whole.parameters[i],)

    def product(self, v: Vector) -> Vector:
        """The block of H applied to v, zero elsewhere."""
        zero = self.whole.form.zeros()
        return (self.whole((*zero[: self.i], v[0], *zero[self.i + 1 :]))[self.i],)


class AdaptiveCurvature(Curvature):
    """T H T with T = diag |w|: the curvature in relative changes of the parameters w.

    Weights that may be rescaled without a change of the function leave it as it is, up to the same
    rescaling of its vectors (Kwon et al. 2021).
    """

    def __init__(self, plain: Curvature) -> None:
        if plain.parameters is None:
            raise ValueError(
                "relative changes need the parameters: give given_curvature(..., parameters=w)"
            )
        self.plain, self.form, self.parameters = plain, plain.form, plain.parameters

    def product(self, v: Vector) -> Vector:
        """One product with H."""
        return scaled(self.plain(scaled(v, self.parameters)), self.parameters)


class GivenCurvature(Curvature):
    """The products of a user's function on flat vectors; see `given_curvature`."""

    def __init__(self, function: Callable[[np.ndarray], Any], form: Form, parameters: Any) -> None:
        self.function, self.form = function, form
        self.parameters = None if parameters is None else self._parted(parameters)

    def product(self, v: Vector) -> Vector:
        """The user's, of a flat vector."""
        flat = v[0].reshape(-1) if len(v) == 1 else np.concatenate([x.reshape(-1) for x in v])
        return self._parted(self.function(flat))

    def _parted(self, flat: Any) -> Vector:
        # A copy: what the function returns may be its own memory, or its argument.
        x = np.array(flat, self.form.dtypes[0])
        if x.shape != (self.form.n,):
            raise ValueError(
                f"a product of the curvature must be a vector of length {self.form.n}; "
                f"got shape {x.shape}"
            )
        ends = np.cumsum([math.prod(shape) for shape in self.form.shapes])
        parts = np.split(x, ends[:-1])
        return tuple(p.reshape(s) for p, s in zip(parts, self.form.shapes, strict=True))


def given_curvature(
    product: Callable[[np.ndarray], Any],
    shapes: Shape | Mapping[str, Shape],
    *,
    parameters: Any = None,
    dtype: Any = np.float64,
) -> GivenCurvature:
    """The curvature whose products a function gives, such as PyTorch's.

    Parameters
    ----------
    product : callable
        v ↦ H v, flat NumPy vector to flat vector (whatever NumPy can read), H symmetric.
    shapes : int or mapping of names to shapes
        The number of parameters, or the shape of each block, in the order of the flat vector.
    parameters : array of shape (n,), optional
        Where H is taken; adaptive measures need it.
    dtype : float32 or float64
        That in which vectors are given and computed with.

    Returns
    -------
    GivenCurvature

    Raises
    ------
    TypeError
        If `product` cannot be called.
    ValueError
        If there is no parameter, a product has another length, H is not symmetric, or dtype is
        another.

    Notes
    -----
    Cost: two products, for the check that xᵀH y = yᵀH x.
    """
    if not callable(product):
        raise TypeError(f"product must be a function v -> H v; got {type(product).__name__}")
    blocks = shapes if isinstance(shapes, Mapping) else {"all": shapes}
    sizes = tuple(_shape(name, shape) for name, shape in blocks.items())
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64; got {np.dtype(dtype)}")
    form = Form(tuple(blocks), sizes, (np.dtype(dtype),) * len(sizes), on_numpy=True)
    if not sizes:
        raise ValueError("shapes must name at least one block of parameters")
    H = GivenCurvature(product, form, parameters)
    x, y = form.signs(0), form.signs(1)
    Hx = H(x)
    one, scale = dot(y, Hx), norm(Hx) * math.sqrt(form.n)
    del Hx
    # Sums of n terms are rounded by far less than √eps of the norms; a map that is not symmetric
    # differs by as much as itself.
    if not abs(one - dot(x, H(y))) <= math.sqrt(form.eps) * scale:
        raise ValueError("product is not that of a symmetric matrix, or not finite: xᵀHy ≠ yᵀHx")
    return H


def _shape(name: str, shape: Shape) -> tuple[int, ...]:
    try:
        sides = tuple(map(operator.index, shape if isinstance(shape, tuple | list) else (shape,)))
    except TypeError:
        sides = (0,)
    if min(sides, default=1) < 1:
        raise ValueError(f"the shape of {name} must be whole numbers >= 1; got {shape!r}")
    return sides
