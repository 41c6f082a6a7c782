"""Dual points strict off the tangent space: found where there are any, and only there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flatrank as fr
from flatrank.certificates import least_squares_dual, strict_dual

N = 32


def drawn(m, seed=3):
    """A problem of complex phase retrieval, and the real form of its signal."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((m, N)) + 1j * rng.standard_normal((m, N))
    z = rng.standard_normal(N) + 1j * rng.standard_normal(N)
    problem = fr.phase_retrieval(x, np.abs(x.conj() @ z) ** 2)
    return problem, np.concatenate([z.real, z.imag])[:, None]


def phase(m):
    """ℬ, and the truth decomposed."""
    problem, U = drawn(m)
    U = jnp.asarray(U)
    return problem.whitened, problem.cone.decompose(problem.whiten(fr.FactorPair(U, U)))


def dense(B, y):
    """ℬ*(y) as a complex matrix."""
    S = np.asarray(B.adjoint(y).right(jnp.eye(2 * N)[:, :N]))
    return S[:N] + 1j * S[N:]


def parts(B, svd, y):
    """‖ℬ*(y) u − u‖ and the largest eigenvalue off u."""
    u = np.asarray(svd.V)[:N, 0] + 1j * np.asarray(svd.V)[N:, 0]
    S = dense(B, y)
    P = np.eye(N) - np.outer(u, u.conj())
    return np.linalg.norm(S @ u - u), np.linalg.eigvalsh(P @ S @ P)[-1]


def test_where_the_shortest_fails_another_is_found():
    with jax.enable_x64(True):
        B, svd = phase(176)
        shortest = least_squares_dual(B, svd)
        strict = strict_dual(B, svd, shortest)
        before, after = (parts(B, svd, y) for y in (shortest, strict))
    assert before[0] <= 1e-9
    assert before[1] > 1
    assert after[0] <= 1e-9
    assert after[1] <= 0.99


@pytest.mark.slow
def test_where_others_fit_too_none_is_found():
    """m below the N² of a complex matrix by far, and too few for uniqueness."""
    with jax.enable_x64(True):
        B, svd = phase(80)
        assert strict_dual(B, svd, least_squares_dual(B, svd)) is None


@pytest.mark.parametrize("m", [pytest.param(60, marks=pytest.mark.slow), 120])
@pytest.mark.parametrize("shorter", [0.0, 1e-9, 1e-7, 5e-7])
def test_the_identity_made_shorter_proves_no_uniqueness(m, shorter):
    """The gap closes, and all of S is below 1: by what the gap hides. m = 60 is below 2N − 1."""
    problem, U = drawn(m)
    with jax.enable_x64(True):
        y = (1 - shorter) * np.asarray(problem.measurement.gram_weights()) / (m * 2 * N)
    certificate = fr.certify(problem, (U, U), y)
    assert certificate.certified(1e-6)
    assert certificate.operator_norm <= 1 - shorter + 1e-12
    assert not certificate.unique
    assert "not proved to be the only minimiser" in str(certificate)


@pytest.mark.slow
def test_below_the_degrees_of_freedom_the_truth_is_certified_and_not_unique():
    """It fits, and so is as flat as any other; what is proved does not single it out."""
    problem, U = drawn(60)
    certificate = fr.certify(problem, (U, U))
    assert problem.all_flattest
    assert not problem.with_lam(1.0).all_flattest
    assert problem.degrees(1) > problem.m
    assert certificate.certified(1e-9)
    assert not certificate.unique
