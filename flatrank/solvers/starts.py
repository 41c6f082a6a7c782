"""Where a search begins: the leading singular triplets of ℬ*(b)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flatrank.certificates import top_pairs
from flatrank.factors import CompactSVD
from flatrank.kernels import scope
from flatrank.measurements import Measurement
from flatrank.problems import Problem


@eqx.filter_jit
def leading_pairs(
    B: Measurement, b: Float[Array, " m"], count: int, steps: int, key: Array
) -> CompactSVD:
    """Approximate leading singular triplets of ℬ*(b), `steps` + 1 products of width `count`."""
    d1, d2 = B.shape
    nothing = CompactSVD(jnp.zeros((d1, 1)), jnp.zeros(1), jnp.zeros((d2, 1)))
    return top_pairs(B.adjoint(b), nothing, count, steps, key)


def largest_lam(problem: Problem, seed: int = 0) -> float:
    """λ_max = ‖ℬ*(b)‖: from there on X = 0 is optimal. A Ritz value, from below, to about 1e-6."""
    with scope():
        count = min(4, *problem.shape)
        pairs = leading_pairs(problem.whitened, problem.b, count, 8, jax.random.key(seed))
        return float(pairs.s[0])
