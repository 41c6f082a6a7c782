"""Every measure of the flatness of a loss at one point, each with its error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flatrank.networks.curvatures import Curvature
from flatrank.networks.eigenvalues import leading
from flatrank.networks.estimates import Asked, Budget, Eigenvalue, Estimate, Progress
from flatrank.networks.losses import Batches, Kind, LossCurvature, Reduction, curvature
from flatrank.networks.probing import Weights, block_weights, probed
from flatrank.networks.vectors import Vector, dot, norm


@dataclass(frozen=True)
class Layer:
    """One block of parameters: its shape, its weight in the scaled trace, its trace."""

    shape: tuple[int, ...]
    weight: float
    trace: Estimate


@dataclass(frozen=True)
class LossFlatness:
    """The flatness of a loss at a point; every interval is for itself, not jointly with others.

    Parameters
    ----------
    trace : Estimate
        tr H: twice the mean rise of the loss by independent noise of variance 1 in every parameter.
    scaled_trace : Estimate
        Σ wᵦ tr Hᵦ over the blocks of parameters; of two factors by rows, str(D²f).
    frobenius : Estimate
        ‖H‖_F.
    eigenvalues : tuple of Eigenvalue
        The largest, descending.
    adaptive_trace : Estimate, optional
        Σ wᵢ² Hᵢᵢ: the trace for noise relative to each parameter. None where nobody gave the
        parameters, as the next.
    adaptive_eigenvalue : Eigenvalue, optional
        The largest of |w| ∘ H ∘ |w|.
    directional : float, optional
        gᵀHg/‖g‖² along the gradient g, to rounding. None where there is no loss to take it of, or
        it is zero.
    gradient_norm : float, optional
        ‖g‖.
    layers : dict of names to Layer
        Block by block.
    parameters, products, probes : int
        The order of H, products with it, and random vectors among them.
    seconds : float
        All of them, compilation included.
    """

    trace: Estimate
    scaled_trace: Estimate
    frobenius: Estimate
    eigenvalues: tuple[Eigenvalue, ...]
    adaptive_trace: Estimate | None
    adaptive_eigenvalue: Eigenvalue | None
    directional: float | None
    gradient_norm: float | None
    layers: dict[str, Layer]
    parameters: int
    products: int
    probes: int
    seconds: float

    @property
    def largest_eigenvalue(self) -> Eigenvalue:
        """λ_max, the sharpness."""
        return self.eigenvalues[0]

    def __repr__(self) -> str:
        """A line for each measure."""
        said: dict[str, Any] = {
            "trace": self.trace,
            "scaled trace": self.scaled_trace,
            "Frobenius norm": self.frobenius,
            "largest eigenvalue": self.largest_eigenvalue,
            "adaptive trace": self.adaptive_trace,
            "adaptive largest": self.adaptive_eigenvalue,
            "along the gradient": None if self.directional is None else f"{self.directional:.5g}",
        }
        lines = [f"{name:<19} {value}" for name, value in said.items() if value is not None]
        level = f"{100 * self.trace.confidence:g} %"
        end = f"{self.products} products, {self.seconds:.1f} s; intervals of {level}"
        return "\n".join([f"Flatness of {self.parameters} parameters", *lines, end])


def flatness(  # noqa: PLR0913 - a front door
    loss: Callable[..., Any] | Curvature,
    params: Any = None,
    batches: Batches = None,
    *,
    kind: Kind = "hessian",
    reduction: Reduction = "mean",
    eigenvalues: int = 1,
    weights: Weights = "rows",
    confidence: float = 0.95,
    budget: Budget = Budget(),  # noqa: B008 - it cannot be changed
    seed: int = 0,
    progress: Progress = False,
) -> LossFlatness:
    """Measure how flat a loss is at its parameters: traces, norm and top of its curvature.

    Parameters
    ----------
    loss : callable or Curvature
        (params, batch) ↦ a number, as `curvature` takes it with the four arguments that follow; or
        a curvature by itself, as from `given_curvature`, and none of these.
    params : pytree
        Where.
    batches : iterable, or function that returns one, optional
        The data, gone through once a product.
    kind : {"hessian", "gauss-newton", "empirical-fisher"}
        Which curvature.
    reduction : {"mean", "sum"}
        How the loss adds up examples.
    eigenvalues : int
        How many of the largest; their vectors also take variance from the traces.
    weights : {"rows", "columns"}, mapping of names to numbers, or (name, shape) ↦ number
        Of the blocks in the scaled trace. "rows": one over the length of the first axis, as
        str(D²f) of factors has it; "columns": over the product of the others. For weights stored
        (out, in), as by equinox and PyTorch, these are fan-out and fan-in.
    confidence : float
        Of every interval.
    budget : Budget
        How exact, and at what cost.
    seed : int
        Of the random vectors: same seed, same machine, same numbers.
    progress : bool or callable
        A line on stderr once a second; or a function of a dictionary of numbers.

    Returns
    -------
    LossFlatness

    Raises
    ------
    TypeError
        If the loss is no function, or batches cannot be gone through twice.
    ValueError
        If a number or a word is out of its range, shapes do not fit, or a product is not finite.

    Notes
    -----
    Cost: by default some 20 to 200 products, of two to three gradients each. Memory: one vector of
    parameters for each eigenvalue and four, beyond what a gradient needs on twice a batch.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> found = flatness(lambda w: jnp.sum(jnp.array([3.0, 2.0, 1.0]) * w**2) / 2, jnp.ones(3))
    >>> round(found.trace.value, 4), round(found.largest_eigenvalue.value, 4)
    (6.0, 3.0)
    """
    asked = Asked.checked(budget, confidence, seed, progress)
    begin = time.perf_counter()
    if isinstance(loss, Curvature):
        if params is not None or batches is not None:
            raise TypeError("a curvature has its parameters and batches; give it alone")
        H = loss
    else:
        H = curvature(loss, params, batches, kind=kind, reduction=reduction)
    by, begun = block_weights(H, weights), H.products
    top = leading(H, eigenvalues, asked)
    relative = None if H.parameters is None else leading(H.adaptive(), 1, asked).eigenvalues[0]
    slope, directional = _along_the_gradient(H)
    left = budget.max_products - (H.products - begun)
    traces = probed(H, top, by, asked, left)
    named = zip(H.form.names, H.form.shapes, by, traces.blocks, strict=True)
    return LossFlatness(
        trace=traces.trace,
        scaled_trace=traces.scaled_trace,
        frobenius=traces.frobenius,
        eigenvalues=top.eigenvalues,
        adaptive_trace=traces.adaptive_trace,
        adaptive_eigenvalue=relative,
        directional=directional,
        gradient_norm=slope,
        layers={name: Layer(shape, float(w), trace) for name, shape, w, trace in named},
        parameters=H.form.n,
        products=H.products - begun,
        probes=traces.probes,
        seconds=time.perf_counter() - begin,
    )


def directional_sharpness(H: Curvature, direction: Vector) -> float:
    """dᵀHd/‖d‖²: the curvature along a step, such as an optimiser's (Pan and Li 2023).

    Parameters
    ----------
    H : Curvature
        By `curvature` or `given_curvature`.
    direction : tuple of arrays
        d, one array for each block.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If d is zero, not finite, or of other shapes.

    Notes
    -----
    Cost: one product. It is exact but for rounding.
    """
    shapes = tuple(getattr(x, "shape", None) for x in direction)
    if shapes != H.form.shapes:
        raise ValueError(f"a direction needs arrays of shapes {H.form.shapes}; got {shapes}")
    size = dot(direction, direction)
    if not 0 < size < float("inf"):
        raise ValueError("a direction must be finite and not zero")
    return dot(direction, H(direction)) / size


def _along_the_gradient(H: Curvature) -> tuple[float | None, float | None]:
    """‖g‖ and gᵀHg/‖g‖², where there is a gradient."""
    if not isinstance(H, LossCurvature):
        return None, None
    g = H.gradient()
    slope = norm(g)
    return slope, directional_sharpness(H, g) if slope > 0 else None
