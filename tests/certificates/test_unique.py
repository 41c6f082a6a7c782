"""Uniqueness is claimed where it is proved, and nowhere else."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.certificates import uniqueness
from flatrank.certificates.proofs import least_on_face, operator_size
from flatrank.certificates.uniqueness import least_on_tangent
from flatrank.factors import FactorPair


def pair_of(X):
    U, s, Vt = np.linalg.svd(X)
    return U * np.sqrt(s), Vt.T * np.sqrt(s)


def matrix(d, x):
    """Of nuclear norm 1 + 2d for all |x| ≤ d."""
    return np.array([[1.0, 0, 0], [0, d, x], [0, x, d]])


def mirrored(d, lam=0.0):
    """All of a 3 × 3 matrix is measured but for E₂₃ + E₃₂: every |x| ≤ d is optimal."""
    A = np.eye(9).reshape(9, 3, 3)
    A = np.delete(A, [5, 7], axis=0)
    A = np.concatenate([A, (np.eye(9)[5] - np.eye(9)[7]).reshape(1, 3, 3)])
    M = matrix(d, 0.0)
    b = np.einsum("ipj,pj->i", A, M)
    problem = fr.sensing(A, b, smoothing=1.0)
    if lam:  # at an optimum M + λ (D X D)' is measured, here M + λ D² I
        weight = float(problem.rescaling.D1[0] * problem.rescaling.D2[0])
        problem = fr.sensing(A, b + lam * weight * A[:, [0, 1, 2], [0, 1, 2]].sum(1), smoothing=1.0)
        problem = problem.with_lam(lam)
    return problem


@pytest.mark.parametrize("d", [0.5, 4e-3, 1e-7])
@pytest.mark.parametrize("x", [-1.0, 0.0, 0.3, 1.0])
def test_mirror_images_are_certified_and_none_is_the_only_one(d, x):
    for problem in (mirrored(d), mirrored(d, 1e-2), mirrored(d, 0.3)):
        certificate = fr.certify(problem, pair_of(matrix(d, x * d)))
        assert certificate.certified(1e-9)
        assert not certificate.unique


@pytest.mark.parametrize("x", [-1.0, 1.0])
@pytest.mark.parametrize("error", [1e-12, 1e-8, 1e-7])
def test_nor_is_one_that_is_nearly_optimal(x, error):
    """Two of them are 1.1 % apart, each within 1e-6 of the optimum."""
    d, rng = 4e-3, np.random.default_rng(0)
    problem = mirrored(d, 1e-2)
    X = matrix(d, x * d) + error * rng.standard_normal((3, 3))
    certificate = fr.certify(problem, pair_of(X))
    assert certificate.certified(1e-6)
    assert not certificate.unique


@pytest.mark.parametrize("d", [0.5, 1e-2, 1e-7])
@pytest.mark.parametrize("x", [-1.0, 0.5, 1.0])
def test_no_dual_point_of_the_user_makes_one_of_them_the_only_one(d, x):
    problem, X = mirrored(d), matrix(d, x * d)
    A = np.asarray(problem.measurement.A).reshape(problem.m, -1)
    weight = np.asarray(problem.rescaling.D1)[0] * np.asarray(problem.rescaling.D2)[0]
    U, s, Vt = np.linalg.svd(X)
    thin = U[:, s > 1e-12] @ Vt[s > 1e-12]
    for target in (np.eye(3), thin, 0.999 * np.eye(3), U @ Vt):
        y = np.linalg.lstsq(A.T, weight * target.ravel(), rcond=None)[0]
        for length in (1.0, 1 - 1e-9, 1 - 1e-6, 1e3):
            assert not fr.certify(problem, pair_of(X), length * y).unique


def sensed(m=25, noise=0.0, seed=0, shape=(6, 5)):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, *shape))
    L, R = (rng.standard_normal((d, 2)) for d in shape)
    b = np.einsum("ipj,pj->i", A, L @ R.T) + noise * rng.standard_normal(m)
    return fr.sensing(A, b), (L, R)


def observed():
    _, (L, R) = sensed()
    rows, cols = np.divmod(np.random.default_rng(1).permutation(30)[:25], 5)
    return fr.completion(rows, cols, (L @ R.T)[rows, cols], (6, 5), smoothing=0.5), (L, R)


def products():
    rng, (_, (L, R)) = np.random.default_rng(1), sensed()
    a, c = rng.standard_normal((25, 6)), rng.standard_normal((25, 5))
    return fr.bilinear(a, c, np.einsum("ip,pj,ij->i", a, L @ R.T, c)), (L, R)


@pytest.mark.parametrize("family", [sensed, observed, products])
def test_the_constants_are_bounds(family, monkeypatch):
    problem, (L, R) = family()
    B = problem.whitened
    svd = problem.cone.decompose(problem.whiten(FactorPair(np.asarray(L), np.asarray(R))))
    eyes = [np.eye(d) for d in B.shape]
    images = [
        np.asarray(B.forward(FactorPair(eyes[0][:, [i]], eyes[1][:, [j]])))
        for i in range(6)
        for j in range(5)
    ]
    beta = operator_size(B, 1e-9)
    tau = [least_on_tangent(B, svd, failure_probability=1e-9)]
    monkeypatch.setattr(uniqueness, "LIMIT", 0)
    tau.append(least_on_tangent(B, svd, failure_probability=1e-9))
    face = least_on_face(B, svd)
    F, U, V = np.array(images).T, np.asarray(svd.U), np.asarray(svd.V)
    off = np.kron(np.eye(6) - U @ U.T, np.eye(5) - V @ V.T)
    values, basis = np.linalg.eigh(np.eye(30) - off)
    tangent = np.linalg.svd(F @ basis[:, values > 0.5], compute_uv=False)[-1]
    inside = [np.outer(U[:, 0], V[:, 0]), np.outer(U[:, 1], V[:, 1])]
    inside.append((np.outer(U[:, 0], V[:, 1]) + np.outer(U[:, 1], V[:, 0])) / np.sqrt(2))
    least = np.linalg.svd(F @ np.array(inside).reshape(3, -1).T, compute_uv=False)[-1]
    size = np.linalg.norm(F, 2)
    assert size * (1 - 1e-12) <= beta <= 3 * size
    assert all(0.4 * tangent <= t <= tangent * (1 + 1e-9) for t in tau)
    assert least * (1 - 1e-9) <= face <= least * (1 + 1e-9)


def noisy(family):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((40, 6))
    u = rng.standard_normal((6, 2))
    noise = 0.05 * rng.standard_normal(40)
    if family == "sensing":
        return sensed(40, 0.1)[0]
    if family == "covariance":
        return fr.covariance(x, np.sum((x @ u) ** 2, axis=1) + noise)
    if family == "quadratic_network":
        return fr.quadratic_network(x, (x @ u) ** 2 @ np.array([1.0, -1.0]) + noise)
    z = x[:, :3] + 1j * x[:, 3:]
    return fr.phase_retrieval(z, np.abs(z @ u[:3, 0]) ** 2 + noise)


@pytest.mark.parametrize(
    "family",
    [
        "sensing",
        pytest.param("covariance", marks=pytest.mark.slow),
        pytest.param("quadratic_network", marks=pytest.mark.slow),
        pytest.param("phase_retrieval", marks=pytest.mark.slow),
    ],
)
def test_a_penalised_minimiser_is_proved_to_be_the_only_one(family):
    problem = noisy(family)
    problem = problem.with_lam(0.1 * fr.solvers.largest_lam(problem))
    solution = fr.solve(problem, tol=1e-8)
    assert solution.certificate.unique
    again = fr.certify(problem, fr.solve(problem, tol=1e-6).factors)  # polished where it must be
    assert again.unique


def test_zero_is_the_only_minimiser_above_the_largest_lam():
    problem, (L, R) = sensed(noise=0.1)
    largest = fr.solvers.largest_lam(problem)
    zero = (0 * L, 0 * R)
    assert fr.certify(problem.with_lam(1.01 * largest), zero).unique
    assert not fr.certify(problem.with_lam(0.99 * largest), zero).unique


def test_a_duplicated_measurement_changes_nothing_and_zero_ones_neither():
    problem, (L, R) = sensed(29)
    A, b = np.asarray(problem.measurement.A), np.asarray(problem.b)
    more = np.concatenate([A, A[:3], np.zeros((2, 6, 5))])
    doubled = fr.sensing(more, np.concatenate([b, b[:3], [0.0, 0.0]]))
    certificate = fr.certify(doubled, (L, R))
    assert certificate.certified(1e-9)
    assert certificate.unique
