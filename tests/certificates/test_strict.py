"""Dual points strict off the tangent space: found where there are any, and only there."""

import jax
import jax.numpy as jnp
import numpy as np

import flatrank as fr
from flatrank.certificates import least_squares_dual, strict_dual

N = 40


def phase(m, seed=3):
    """ℬ, the truth decomposed, and whitened vectors, of complex phase retrieval."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((m, N)) + 1j * rng.standard_normal((m, N))
    z = rng.standard_normal(N) + 1j * rng.standard_normal(N)
    problem = fr.phase_retrieval(x, np.abs(x.conj() @ z) ** 2)
    U = jnp.asarray(np.concatenate([z.real, z.imag])[:, None])
    svd = problem.cone.decompose(problem.whiten(fr.FactorPair(U, U)))
    return problem.whitened, svd


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
        B, svd = phase(220)
        shortest = least_squares_dual(B, svd)
        strict = strict_dual(B, svd, shortest)
        before, after = (parts(B, svd, y) for y in (shortest, strict))
    assert before[0] <= 1e-9
    assert before[1] > 1
    assert after[0] <= 1e-9
    assert after[1] <= 0.99


def test_where_others_fit_too_none_is_found():
    """m below the N² of a complex matrix by far, and too few for uniqueness."""
    with jax.enable_x64(True):
        B, svd = phase(100)
        assert strict_dual(B, svd, least_squares_dual(B, svd)) is None
