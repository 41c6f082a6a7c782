"""The theory on arrays of JAX: the numbers are NumPy's."""

import numpy as np
import pytest

import flatrank as fr
from flatrank import theory as th
from flatrank.arrays import leaves, scope, tree_map
from flatrank.flatness import Rescaling, measure_flatness, symmetric_trace

jnp = pytest.importorskip("jax.numpy")
pytestmark = pytest.mark.device


def hessians(A, S, pair, both, rng):
    b, c, z, u = (rng.standard_normal(n) for n in (9, 7, 18, 10))
    return (A, S, pair, both, b, c, z, u), lambda A, S, pair, both, b, c, z, u: [
        th.Hessian.at(A, pair, b, scaled=True)(z),
        th.SymmetricHessian.at(S, both, c)(u),
        th.SphereHessian.at(S, both, c)(u),
        symmetric_trace(S, both, c),
        th.plain_trace(A, pair),
        th.sharpness(A, pair, b).value,
        th.visibility(A, pair, 2),
    ]


def pairs(A, S, pair, both, rng):
    del S, both, rng

    def told(A, pair):
        D = Rescaling.of(A, 0.25)
        flat = th.flattest_pair(D, th.rescaled_matrix(D, pair))
        return [
            measure_flatness(A, pair, D).scaled_trace,
            flat.L @ flat.R.T,
            th.d_balance(D, pair),
            th.norm_bound(D, pair, 1.0).right,
            th.imbalance_bound(D, pair, 1.0).left,
            th.balance_lemma(D, pair).right,
            th.incoherence(pair).strong,
            th.weak_recovery_bound(pair, flat, 9).right,
        ]

    return (A, pair), told


def depth(A, S, pair, both, rng):
    del A, S, both
    return (rng.random(3), rng.standard_normal((2, 3)), pair), lambda w, v, pair: [
        th.hadamard_trace(w, v),
        th.least_hadamard_trace(w, v[0], 3),
        th.flattest_hadamard(v[0], 3),
        th.product_trace([pair.L, pair.R.T]),
        th.least_product_trace(pair, 3),
        *th.flattest_product(pair, 3),
    ]


@pytest.mark.parametrize("room", [hessians, pairs, depth])
def test_arrays_of_jax_have_the_same_answers(room):
    rng = np.random.default_rng(0)
    A = fr.sensing(rng.standard_normal((9, 5, 4)), np.zeros(9)).measurement
    S = fr.quadratic_network(rng.standard_normal((7, 5)), np.zeros(7)).measurement
    pair = fr.FactorPair(rng.standard_normal((5, 2)), rng.standard_normal((4, 2)))
    U = rng.standard_normal((5, 2))
    given, answers = room(A, S, pair, fr.FactorPair(U * [1, -1], U), rng)
    with scope():
        found = answers(*tree_map(jnp.asarray, given))
    for ours, theirs in zip(leaves(answers(*given)), leaves(found), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-12)
