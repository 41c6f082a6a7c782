"""Eliminating R solves the same system in fewer steps; singular blocks are no obstacle."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.arrays import scope
from flatrank.data import random_instance
from flatrank.experiments import Ensemble
from flatrank.experiments.cells import rival, seeds
from flatrank.factors import FactorPair
from flatrank.solvers.elimination import eliminated
from flatrank.solvers.newton import newton_step


@pytest.fixture(scope="module")
def point():
    """Entries of a 40 × 30 matrix of rank 3, and a balanced pair near it."""
    made = random_instance(40, 30, 3, oversampling=2.0, seed=0, min_per_line=4)
    problem = fr.completion(made.rows, made.cols, made.values, made.shape)
    rng = np.random.default_rng(1)
    with scope():
        pair, _ = problem.cone.balance(FactorPair(*(rng.standard_normal((d, 3)) for d in (40, 30))))
    return problem, pair


@pytest.mark.parametrize("lam", [0.0, 0.05])
def test_the_reduced_system_is_the_schur_complement(point, lam):
    problem, pair = point
    with scope():
        B, rng = problem.whitened, np.random.default_rng(2)
        H = B.curvature_at(pair)
        ridge = FactorPair(*(np.full((d, 1), lam) for d in (40, 30)))
        reduced, M = eliminated(H, H.blocks(), ridge)
        g = FactorPair(*(rng.standard_normal((d, 3)) for d in (40, 30)))
        P = rng.standard_normal((40, 3))
        step = reduced.completed(g, P)
        left = H(step)
        # The second half of the system holds, the first is the reduced one.
        size = 1e-10 * float(np.max(np.abs(left.L)))
        np.testing.assert_allclose(left.R + lam * step.R, -g.R, atol=size)
        np.testing.assert_allclose(
            left.L + lam * step.L + g.L, reduced(P) + reduced.gradient(g), atol=size
        )
        A = H.blocks()[0] + lam * np.eye(3)[None]
        np.testing.assert_allclose(M(np.einsum("iab,ib->ia", A, P)), P, atol=1e-10)


def test_both_ways_take_the_same_step_and_elimination_fewer_products(point):
    problem, pair = point
    with scope():
        lam = 1e-2 * float(np.mean(problem.whitened.curvature_diagonal(pair).L))
        ways = [
            newton_step(
                problem.whitened, problem.b, lam, pair, 1e-9, 500,
                0.0, False, None, eliminate,
            )
            for eliminate in (False, True)
        ]  # fmt: skip
    whole, less = ways
    assert int(less.inner) <= 0.6 * int(whole.inner)
    np.testing.assert_allclose(float(less.fall), float(whole.fall), rtol=1e-9)
    np.testing.assert_allclose(less.s, whole.s, rtol=1e-6)


def test_an_entry_by_itself_does_not_drown_the_others():
    """Of 145 entries one meets no other: its row and column die away, and their block with them."""
    problem, _ = Ensemble("completion", 2)(34, 0.12, seeds(0, 34, 0.12, 1)[0])
    _, plain = rival(problem)  # minimal norm
    assert fr.solve(plain, goal="flat").status is fr.Status.CERTIFIED
