"""Dual points strict off the tangent space: found where there are any, and only there."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.certificates import least_squares_dual, strict_dual, whole_dual

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
    U = np.asarray(U)
    return problem.whitened, problem.cone.decompose(problem.whiten(fr.FactorPair(U, U)))


def dense(B, y):
    """ℬ*(y) as a complex matrix."""
    S = np.asarray(B.adjoint(y).right(np.eye(2 * N)[:, :N]))
    return S[:N] + 1j * S[N:]


def parts(B, svd, y):
    """‖ℬ*(y) u − u‖ and the largest eigenvalue off u."""
    u = np.asarray(svd.V)[:N, 0] + 1j * np.asarray(svd.V)[N:, 0]
    S = dense(B, y)
    P = np.eye(N) - np.outer(u, u.conj())
    return np.linalg.norm(S @ u - u), np.linalg.eigvalsh(P @ S @ P)[-1]


def test_where_the_shortest_fails_another_is_found():
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
    B, svd = phase(80)
    assert strict_dual(B, svd, least_squares_dual(B, svd)) is None


@pytest.mark.parametrize("m", [pytest.param(60, marks=pytest.mark.slow), 120])
@pytest.mark.parametrize("shorter", [0.0, 1e-9, 1e-7, 5e-7])
def test_the_identity_made_shorter_proves_no_uniqueness(m, shorter):
    """The gap closes, and all of S is below 1: by what the gap hides. m = 60 is below 2N − 1."""
    problem, U = drawn(m)
    y = (1 - shorter) * np.asarray(problem.measurement.gram_weights()) / (m * N)
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


def sensed(m, rank, seed, shape=(6, 5)):
    """A problem of matrix sensing, and the factors of what was measured."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, *shape))
    L, R = (rng.standard_normal((d, rank)) for d in shape)
    return fr.sensing(A, np.einsum("ipj,pj->i", A, L @ R.T)), (L, R)


def networked(m, seed, d=6):
    """A network of two squares, one of them negative, and the factors of its matrix."""
    rng = np.random.default_rng(seed)
    x, U = rng.standard_normal((m, d)), rng.standard_normal((d, 2))
    signs = np.array([1.0, -1.0])
    return fr.quadratic_network(x, (x @ U) ** 2 @ signs), (U * signs, U)


def off_tangent(B, svd, y):
    """‖ℬ*(y) V − U‖ and ‖W‖."""
    S = np.asarray(B.adjoint(y).right(np.eye(B.shape[1])))
    U, V = np.asarray(svd.U), np.asarray(svd.V)
    W = (S - U @ (U.T @ S)) @ (np.eye(B.shape[1]) - V @ V.T)
    return np.linalg.norm(S @ V - U), np.linalg.norm(W, 2)


def whitened(problem, pair):
    """ℬ and the truth decomposed."""
    pair = fr.FactorPair(*(np.asarray(x) for x in pair))
    return problem.whitened, problem.cone.decompose(problem.whiten(pair))


@pytest.mark.parametrize(
    "drawn",
    [sensed(31, 3, 1), pytest.param(networked(23, 1), marks=pytest.mark.slow)],
    ids=["any", "symmetric"],
)
def test_what_sees_every_direction_determines_every_matrix(drawn):
    """m is at least the dimension of the space, and the shortest dual point is too long off T."""
    problem, pair = drawn
    B, svd = whitened(problem, pair)
    shortest = off_tangent(B, svd, least_squares_dual(B, svd))
    whole = off_tangent(B, svd, whole_dual(B, svd))
    assert shortest[1] > 1
    assert max(whole) <= 1e-9
    certificate = fr.certify(problem, pair)
    assert certificate.certified(1e-9)
    assert certificate.unique


@pytest.mark.parametrize(
    "drawn",
    [pytest.param(sensed(20, 1, 2), marks=pytest.mark.slow), networked(20, 1)],
    ids=["any", "symmetric"],
)
def test_a_strict_dual_point_is_found_among_matrices_of_any_sign(drawn):
    """m is below the dimension of the space, and the shortest dual point is too long off T."""
    problem, pair = drawn
    B, svd = whitened(problem, pair)
    y = least_squares_dual(B, svd)
    before, found = (off_tangent(B, svd, z) for z in (y, strict_dual(B, svd, y)))
    assert before[1] > 1
    assert found[0] <= 1e-9
    assert found[1] <= 0.99
    certificate = fr.certify(problem, pair)
    assert certificate.certified(1e-9)
    assert certificate.unique


def test_too_few_measurements_prove_nothing_of_a_matrix_of_any_sign():
    """Flatter matrices fit as well: no dual point is found, and the gap stays open."""
    problem, pair = sensed(20, 3, 1)
    certificate = fr.certify(problem, pair)
    assert certificate.relative_gap > 1e-3
    assert not certificate.unique
