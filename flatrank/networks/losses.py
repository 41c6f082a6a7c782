"""The curvature of a JAX loss, summed or averaged over batches: Hessian, Gauss-Newton, Fisher.

A batch is gone through at a time, and one vector holds the sum; the data need not fit in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from flatrank.networks.curvatures import Curvature
from flatrank.networks.vectors import Form, Vector, times

Kind = Literal["hessian", "gauss-newton", "empirical-fisher"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Reduction = Literal["mean", "sum"]
Batches = Iterable[Any] | Callable[[], Iterable[Any]] | None


@dataclass(frozen=True)
class Composition:
    """The loss criterion(model(params, inputs), targets) of a batch (inputs, targets).

    Gauss-Newton and Fisher matrices see the outputs of the model, which a loss hides. The model
    must treat examples, along the first axis, one by one, and the criterion be their mean or sum.

    Parameters
    ----------
    model : callable
        (params, inputs) ↦ outputs, an array with the examples along its first axis.
    criterion : callable
        (outputs, targets) ↦ a number.
    """

    model: Callable[[Any, Any], jax.Array]
    criterion: Callable[[jax.Array, Any], jax.Array]

    def __call__(self, params: Any, batch: Any) -> jax.Array:
        """The loss of a batch."""
        inputs, targets = batch
        return self.criterion(self.model(params, inputs), targets)


class _Kept(NamedTuple):
    """What a product is made of and does not use up; all but arrays belongs to the program."""

    kind: str
    loss: Callable[..., Any]
    parameters: Vector
    structure: Any
    rest: Any
    batch: tuple[Any, ...]
    weight: jax.Array

    def of(self, parameters: Vector) -> Any:
        """The user's tree of parameters."""
        return eqx.combine(jax.tree.unflatten(self.structure, parameters), self.rest)

    def value(self, parameters: Vector) -> jax.Array:
        """The loss of the batch."""
        return self.loss(self.of(parameters), *self.batch)


class LossCurvature(Curvature):
    """The curvature of a loss at its parameters; see `curvature`."""

    def __init__(
        self, loss: Callable[..., Any], params: Any, batches: Batches, kind: Kind, reduction: str
    ) -> None:
        dynamic, self.rest = eqx.partition(params, eqx.is_inexact_array)
        paths, self.structure = jax.tree.flatten_with_path(dynamic)
        if not paths:
            raise ValueError("params hold no array of real numbers to differentiate by")
        self.parameters = tuple(jnp.asarray(leaf) for _, leaf in paths)
        if any(jnp.iscomplexobj(leaf) for leaf in self.parameters):
            raise ValueError("params must be real; got complex arrays")
        name = lambda path: jax.tree_util.keystr(path, simple=True, separator="/")  # noqa: E731
        self.form = Form(
            tuple(name(path) or "all" for path, _ in paths),
            tuple(leaf.shape for leaf in self.parameters),
            tuple(leaf.dtype for leaf in self.parameters),
            on_numpy=False,
        )
        self.loss, self.batches, self.kind, self.reduction = loss, batches, kind, reduction
        self._check(next(self._kept(), None))

    def product(self, v: Vector) -> Vector:
        """One forward and one backward pass over all batches, each with its derivative along v."""
        return self._averaged(_accumulated, v)

    def gradient(self) -> Vector:
        """∇ of the loss, over all batches."""
        return self._averaged(_accumulated_gradient, None)

    def _averaged(self, accumulated: Callable[..., Vector], v: Vector | None) -> Vector:
        total, weights = self.form.zeros(), 0.0
        for kept in self._kept():
            total, weights = accumulated((kept, v), total), weights + float(kept.weight)
        mean = self.batches is not None and self.reduction == "mean"
        return times(total, 1.0 / weights) if mean else total

    def _kept(self) -> Iterator[_Kept]:
        """Each batch with its weight in the sum."""
        kept = _Kept(
            self.kind, self.loss, self.parameters, self.structure, self.rest, (), jnp.ones(())
        )
        if self.batches is None:
            yield kept
            return
        for batch in self.batches() if callable(self.batches) else self.batches:
            on_jax = jax.tree.map(lambda x: jnp.asarray(x) if eqx.is_array(x) else x, batch)
            weight = float(examples(batch)) if self.reduction == "mean" else 1.0
            yield kept._replace(batch=(on_jax,), weight=jnp.asarray(weight))

    def _check(self, first: _Kept | None) -> None:
        """What would go wrong inside a product, said before the first."""
        if first is None:
            raise ValueError("there is no batch")
        out = eqx.filter_eval_shape(_value, first)
        if getattr(out, "shape", None) != ():
            raise ValueError(f"the loss must be one number; got {_shapes(out)}")
        if self.kind == "empirical-fisher":
            inputs, _ = first.batch[0]
            outputs = eqx.filter_eval_shape(_outputs, first)
            if outputs.shape[:1] != (examples(inputs),):
                raise ValueError(
                    "the Fisher matrix needs outputs with the examples along the first axis; got "
                    f"{_shapes(outputs)} for {examples(inputs)} examples"
                )


def curvature(
    loss: Callable[..., Any],
    params: Any,
    batches: Batches = None,
    *,
    kind: Kind = "hessian",
    reduction: Reduction = "mean",
) -> LossCurvature:
    """The curvature of a loss with respect to parameters, as an operator.

    Parameters
    ----------
    loss : callable
        (params, batch) ↦ a number, or params ↦ a number without batches; a function of JAX without
        chance (no dropout). A `Composition` for the kinds other than the Hessian.
    params : pytree
        Differentiated by its arrays of real numbers; whatever else it holds, as the functions in a
        module of equinox, is left as it is.
    batches : iterable, or function that returns one, optional
        Gone through once a product. A generator ends after one pass, and is refused.
    kind : {"hessian", "gauss-newton", "empirical-fisher"}
        D²f; Jᵀ(∇²criterion)J, J the Jacobian of the outputs; Σ gᵢgᵢᵀ, gᵢ the gradient of the loss
        of one example with its label (not drawn from the model: that would be the Fisher matrix).
    reduction : {"mean", "sum"}
        Over the examples of a batch, as the loss has it, and so over batches: a mean weighs them by
        their number of examples, the length of the first array.

    Returns
    -------
    LossCurvature
        In the type of the parameters; 64-bit where they are, and JAX was told to keep 64 bits.

    Raises
    ------
    TypeError
        If the loss cannot be called, batches cannot be gone through twice, or a loss that hides the
        outputs is asked for a kind that needs them.
    ValueError
        If there is nothing to differentiate by, no batch, the loss is not one number, or a word is
        unknown.

    Notes
    -----
    Cost of a product: two to three gradients, and memory for one more set of activations than a
    gradient needs; where these are large give smaller batches.
    """
    if not callable(loss):
        raise TypeError(f"loss must be a function of the parameters; got {type(loss).__name__}")
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
    if reduction not in get_args(Reduction):
        raise ValueError(f'reduction must be "mean" or "sum"; got {reduction!r}')
    if kind != "hessian" and not (isinstance(loss, Composition) and batches is not None):
        raise TypeError(
            f"{kind} needs the outputs of the model: give the loss as Composition(model, "
            "criterion), and batches (inputs, targets)"
        )
    if isinstance(batches, Iterator):
        raise TypeError(
            "batches are gone through once a product, and a generator ends after the first: give a "
            "list, or a function that returns a new generator"
        )
    return LossCurvature(loss, params, batches, kind, reduction)


def examples(batch: Any) -> int:
    """The length of the first array of a batch."""
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(batch) if eqx.is_array(leaf)]
    if not shapes or not shapes[0]:
        raise ValueError(
            "a mean over batches weighs each by its examples, along the first axis of its first "
            'array, and this batch has none; give arrays, or reduction="sum"'
        )
    return shapes[0][0]


def _shapes(out: Any) -> str:
    return ", ".join(f"shape {x.shape}" for x in jax.tree.leaves(out)) or type(out).__name__


def _value(kept: _Kept) -> Any:
    return kept.value(kept.parameters)


def _outputs(kept: _Kept) -> Any:
    return kept.loss.model(kept.of(kept.parameters), kept.batch[0][0])  # pyright: ignore


@eqx.filter_jit(donate="all-except-first")
def _accumulated(given: tuple[_Kept, Vector], total: Vector) -> Vector:
    """The sum so far, in its own memory, and the product of one batch."""
    kept, v = given
    if kept.kind == "hessian":
        Hv = jax.jvp(jax.grad(kept.value), (kept.parameters,), (v,))[1]
    else:
        Hv = _through_outputs(kept, v)
    return _added(total, kept.weight, Hv)


@eqx.filter_jit(donate="all-except-first")
def _accumulated_gradient(given: tuple[_Kept, None], total: Vector) -> Vector:
    kept = given[0]
    return _added(total, kept.weight, jax.grad(kept.value)(kept.parameters))


def _added(total: Vector, weight: jax.Array, x: Vector) -> Vector:
    return tuple(a + weight.astype(b.dtype) * b for a, b in zip(total, x, strict=True))


def _through_outputs(kept: _Kept, v: Vector) -> Vector:
    """Jᵀ M J v, J the Jacobian of the outputs; M that of the Gauss-Newton or the Fisher matrix."""
    assert isinstance(kept.loss, Composition)
    model, criterion = kept.loss.model, kept.loss.criterion
    inputs, targets = kept.batch[0]
    z, push = jax.linearize(lambda p: model(kept.of(p), inputs), kept.parameters)
    slope = jax.grad(lambda z: criterion(z, targets))
    Jv = push(v)
    if kept.kind == "gauss-newton":
        MJv = jax.jvp(slope, (z,), (Jv,))[1]
    else:
        # Of a mean over n examples the slope is that of one over n, which stands in here twice.
        g = slope(z)
        along = jnp.sum(g * Jv, axis=tuple(range(1, g.ndim)), keepdims=True)
        MJv = kept.weight.astype(g.dtype) * g * along
    return jax.linear_transpose(push, kept.parameters)(MJv)[0]
