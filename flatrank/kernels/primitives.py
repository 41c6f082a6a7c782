"""The kernels as JAX primitives: how each is lowered, differentiated and batched.

Lowered for a CPU a primitive becomes a call of its compiled twin; for anything else it is the plain
JAX of `reference.py`. Three of them are bilinear, the partial derivatives of one trilinear form,
sum_p v_p <X_i, Y_j>, so they differentiate and transpose into one another, to any order and in both
modes. The fused kernels are differentiated by writing them out in these three.

Operands are the pattern (pointers, indices and perhaps row ids), then real arrays in the order of
`signatures.py`. Parameters are `width`, the number of columns, and `stored`, whether ids are there.
"""

from __future__ import annotations

import warnings
from functools import partial

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from flatrank.kernels import reference, support
from flatrank.kernels.pattern import Compressed
from flatrank.kernels.signatures import SIGNATURES, parsed

PLAIN = {
    "sampled_product": reference.sampled_product,
    "sparse_tall": reference.sparse_tall,
    "sparse_tall_transposed": reference.sparse_tall_transposed,
    "residual_gradient": reference.residual_gradient,
    "curvature_product": reference.curvature_product,
    "newton_product": reference.curvature_product,
    "row_grams": reference.row_grams,
    "weighted_row_grams": reference.row_grams,
    "inverses": reference.inverses,
}
BILINEAR = ("sampled_product", "sparse_tall", "sparse_tall_transposed")
PRIMITIVES: dict[str, Primitive] = {}


def bind(kernel: str, C: Compressed, *reals):
    """Put a kernel into the program being traced, or run it; one result, or a list of several."""
    ids = () if C.ids is None else (C.ids,)
    operands = (C.indptr, C.indices, *ids, *reals)
    return PRIMITIVES[kernel].bind(*operands, width=C.width, stored=bool(ids))


def parts(operands, width, stored):
    """Split operands into the pattern and the real arrays."""
    indptr, indices, *others = operands
    ids = others.pop(0) if stored else None
    return Compressed(indptr, indices, ids, width), others


def abstract(kernel, *operands, width, stored):
    """Shapes and types of the results."""
    reals = operands[3 if stored else 2 :]
    lengths = {"n": operands[0].shape[0] - 1, "m": operands[1].shape[0], "w": width}
    for (_, letters), real in zip(parsed(SIGNATURES[kernel][0]), reals, strict=True):
        lengths |= dict(zip(letters, real.shape, strict=True))
    axes = [letters for name, letters in parsed(SIGNATURES[kernel][1]) if name != "WORK"]
    shapes = (tuple(lengths[a] for a in letters) for letters in axes)
    out = [ShapedArray(shape, reals[0].dtype) for shape in shapes]
    return out[0] if kernel in BILINEAR else out


def in_plain_jax(kernel, *operands, width, stored):
    """What a primitive means everywhere but on a CPU."""
    C, reals = parts(operands, width, stored)
    out = PLAIN[kernel](C, *reals)
    return out if kernel in BILINEAR else list(out) if isinstance(out, tuple) else [out]


def compiled(kernel, *operands, width, stored):
    """What a primitive means on a CPU; plain JAX again should compiling fail."""
    from flatrank.kernels import native

    reals = operands[3 if stored else 2 :]
    try:
        out = native.call(kernel, operands[:2], reals, width, support.api_version() or (0, 0))
    except Exception as error:  # whatever numba and LLVM may raise: the answer is known without
        support.failures.append(f"compiling {kernel} failed: {error!r}")
        warnings.warn(f"flatrank.kernels: {support.failures[-1]}", RuntimeWarning, stacklevel=2)
        return in_plain_jax(kernel, *operands, width=width, stored=stored)
    return out[0] if kernel in BILINEAR else out


@partial(jax.jit, static_argnames=("kernel", "width", "stored"))
def run(*operands, kernel, width, stored):
    """A primitive on its own, outside any program."""
    return PRIMITIVES[kernel].bind(*operands, width=width, stored=stored)


def batched(kernel, operands, axes, **parameters):
    """One call after the other, along the axis mapped over."""
    fixed = [axis is None for axis in axes]
    moved = [
        None if still else jnp.moveaxis(x, axis, 0)
        for x, axis, still in zip(operands, axes, fixed, strict=True)
    ]

    def one(mapped):
        values = [x if still else y for x, y, still in zip(operands, mapped, fixed, strict=True)]
        return PRIMITIVES[kernel].bind(*values, **parameters)

    out = jax.lax.map(one, moved)
    return (out, 0) if kernel in BILINEAR else (out, [0] * len(out))


def bilinear_tangent(kernel, primals, tangents, **parameters):
    """The derivative of a kernel that is linear in each of its last two operands."""
    primitive = PRIMITIVES[kernel]
    out = primitive.bind(*primals, **parameters)
    *pattern, a, b = primals
    da, db = tangents[-2:]
    terms = []
    if not isinstance(da, ad.Zero):
        terms.append(primitive.bind(*pattern, da, b, **parameters))
    if not isinstance(db, ad.Zero):
        terms.append(primitive.bind(*pattern, a, db, **parameters))
    return out, sum(terms[1:], terms[0]) if terms else ad.Zero.from_primal_value(out)  # pyright: ignore[reportAttributeAccessIssue]


# For each bilinear kernel: the transposes with respect to its first and second real operand, as a
# kernel of (the cotangent, the other operand), or of the two exchanged where so marked.
TRANSPOSES = {
    "sampled_product": (("sparse_tall", False), ("sparse_tall_transposed", False)),
    "sparse_tall": (("sampled_product", False), ("sparse_tall_transposed", True)),
    "sparse_tall_transposed": (("sampled_product", True), ("sparse_tall", True)),
}


def transposed(kernel, cotangent, *operands, **parameters):
    """The transpose with respect to whichever of the last two operands is unknown."""
    *pattern, a, b = operands
    second = ad.is_undefined_primal(b)
    other, exchanged = TRANSPOSES[kernel][second]
    pair = (cotangent, a if second else b)
    out = PRIMITIVES[other].bind(*pattern, *(pair[::-1] if exchanged else pair), **parameters)
    return [None] * len(pattern) + ([None, out] if second else [out, None])


def written_out(kernel, C, reals):
    """A fused kernel in terms of bilinear ones; inverses in plain JAX."""
    sampled, tall = partial(bind, "sampled_product", C), partial(bind, "sparse_tall", C)
    if kernel == "residual_gradient":
        X, Y, b = reals
        s = sampled(X, Y) - b
        return [tall(s, Y), tall(s * s, jnp.ones((C.width, 1), s.dtype))[:, 0]]
    if kernel in ("curvature_product", "newton_product"):
        X, Y, P, Q, *e = reals
        out = tall(sampled(X, Q) + sampled(P, Y), Y)
        return [out + tall(e[0], Q) if e else out]
    if kernel == "inverses":
        return [reference.inverses(C, *reals)]
    Y, b, *w = reals
    k = Y.shape[1]
    weights, outer = w[0] if w else jnp.ones_like(b), Y[:, :, None] * Y[:, None, :]
    grams = tall(weights, outer.reshape(C.width, k * k)).reshape(C.n, k, k)
    return [grams, tall(weights * b, Y)]


def fused_tangent(kernel, primals, tangents, width, stored):
    """The derivative of a fused kernel, in the operands that vary."""
    out = PRIMITIVES[kernel].bind(*primals, width=width, stored=stored)
    C, reals = parts(primals, width, stored)
    tangents = tangents[-len(reals) :]
    live = [i for i, t in enumerate(tangents) if not isinstance(t, ad.Zero)]

    def of_live(*values):
        filled = list(reals)
        for i, value in zip(live, values, strict=True):
            filled[i] = value
        return written_out(kernel, C, filled)

    points, directions = [reals[i] for i in live], [tangents[i] for i in live]
    return out, jax.jvp(of_live, points, directions)[1]


def primitive(kernel: str) -> Primitive:
    """Make the primitive of a kernel, with all its rules."""
    p = Primitive(f"flatrank_{kernel}")
    p.multiple_results = kernel not in BILINEAR
    p.def_impl(partial(run, kernel=kernel))
    p.def_abstract_eval(partial(abstract, kernel))
    several = p.multiple_results
    lower = {None: in_plain_jax, "cpu": compiled}
    for platform, meaning in lower.items():
        rule = mlir.lower_fun(partial(meaning, kernel), multiple_results=several)
        mlir.register_lowering(p, rule, platform=platform)
    batching.primitive_batchers[p] = partial(batched, kernel)
    if several:
        ad.primitive_jvps[p] = partial(fused_tangent, kernel)
    else:
        ad.primitive_jvps[p] = partial(bilinear_tangent, kernel)
        ad.primitive_transposes[p] = partial(transposed, kernel)
    return p


PRIMITIVES |= {kernel: primitive(kernel) for kernel in PLAIN}
