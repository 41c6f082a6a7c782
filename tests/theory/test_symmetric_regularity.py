"""Theorems 3.2 and 3.3 for symmetric unknowns, at factors proved to be flat by NumPy alone."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

import flatrank as fr
from flatrank.theory import (
    balance_lemma,
    d_balance,
    flattest_pair,
    imbalance_bound,
    norm_bound,
    rescaled_matrix,
)

N = 5
FAMILIES = ["covariance", "quadratic network", "phase retrieval", "coded diffraction"]


def drawn(family, seed):
    """The problem, its vectors, and the matrix behind the data with its signs."""
    rng = np.random.default_rng(seed)
    x, M = rng.standard_normal((13, N)), rng.standard_normal((N, 2))
    signs = np.array([1.0, -1.0 if family == "quadratic network" else 1.0])
    if family in ("phase retrieval", "coded diffraction"):
        M, signs = (M[:, :1] + 1j * M[:, 1:]), signs[:1]
        x = rng.standard_normal((20, N)) + 1j * rng.standard_normal((20, N))
    masks = fr.measurements.coded_diffraction(N, 4, seed=seed)
    if family == "coded diffraction":
        x = np.fft.fft(np.eye(N))[None] * np.asarray(masks.masks)[:, None, :]
        x = x.reshape(-1, N).conj()
    b = np.abs(x.conj() @ M) ** 2 @ signs
    if family == "covariance":
        problem = fr.covariance(x, b)
    elif family == "quadratic network":
        problem = fr.quadratic_network(x, b)
    else:
        problem = fr.phase_retrieval(masks if family == "coded diffraction" else x, b)
    return problem, x, (M * signs) @ M.conj().T, b


def eigenpairs(X, k):
    w, Q = np.linalg.eigh(X)
    order = np.argsort(-np.abs(w))[:k]
    return w[order], Q[:, order]


def columns(X):
    """Hermitian matrices as columns of real numbers."""
    X = X.reshape(-1, N * N).T
    return np.concatenate([X.real, X.imag])


def dual(x, D, M, b, positive):
    """b·y where ‖D⁻¹𝒜*(y)D⁻¹‖ ≤ 1 (λ_max ≤ 1 if positive), a lower bound on the ‖D Z D‖_* of every
    Z that fits; None unless ‖D M D‖_* attains it.
    """
    white = np.linalg.solve(D, x.T).T
    w, Q = eigenpairs(D @ M @ D, np.linalg.matrix_rank(M))
    E = np.einsum("ip,iq->ipq", white, white.conj())
    # The part in the tangent space at D M D must be its sign; the rest is made small.
    outside = np.eye(N) - Q @ Q.conj().T
    rest = outside @ E @ outside
    tangent, rest = columns(E - rest), columns(rest)
    target = columns((Q * np.sign(w)) @ Q.conj().T)[:, 0]
    y = np.linalg.lstsq(tangent, target, rcond=1e-10)[0]
    free = np.linalg.svd(tangent)[2][np.linalg.matrix_rank(tangent, tol=1e-8) :].T
    y = y - free @ np.linalg.lstsq(rest @ free, rest @ y, rcond=1e-10)[0]
    values = np.linalg.eigvalsh(np.einsum("i,ipq->pq", y, E))
    inside = values[-1] <= 1 + 1e-11 and (positive or values[0] >= -1 - 1e-11)
    attained = abs(b @ y - np.abs(w).sum()) <= 1e-11 * np.abs(w).sum()
    return float(b @ y) if inside and attained else None


@cache
def instance(family):
    """The first draw whose matrix is proved to have least ‖D M D‖_*, and least ‖M‖_*."""
    for seed in range(60):
        problem, x, M, b = drawn(family, seed)
        weights = np.sum(np.abs(x) ** 2, axis=1)
        square = np.einsum("i,ip,iq->pq", weights, x, x.conj()) / (len(b) * N)
        w, Q = np.linalg.eigh(square)
        D, positive = (Q * np.sqrt(w)) @ Q.conj().T, family != "quadratic network"
        # Σ‖xᵢ‖² xᵢxᵢ* = m N D² proves it of positive matrices at once.
        optimum = float(weights @ b) / (len(b) * N) if positive else dual(x, D, M, b, positive)
        least = dual(x, np.eye(N), M, b, positive)
        if optimum is not None and least is not None:
            return SimpleNamespace(
                problem=problem, x=x, M=M, b=b, D=D, optimum=optimum, least=least
            )
    raise AssertionError(f"no proof closes for {family}")


def from_eigenpairs(X, D, k):
    """U = D⁻¹ Q |w|^½ of D M D = Q w Q*, zero-padded to k columns, and the signs of w."""
    w, Q = eigenpairs(X, np.linalg.matrix_rank(X))
    U = np.linalg.solve(D, Q * np.sqrt(np.abs(w)))
    return np.pad(U, ((0, 0), (0, k - w.size))), np.pad(np.sign(w), (0, k - w.size))


def pair_of(U, signs):
    U = np.concatenate([U.real, U.imag]) if np.iscomplexobj(U) else U
    return fr.FactorPair(np.asarray(U * signs), np.asarray(U))


def value(at, U):
    return np.linalg.norm(at.D @ U) ** 2


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("k", [2, 7])
def test_the_flat_factor_has_the_nuclear_norm_of_d_m_d(family, k):
    """min ‖D U‖² = min ‖D Z D‖_* over what fits, both maps: Z = Q w Q* ↦ D⁻¹ Q |w|^½, and back."""
    at = instance(family)
    X = at.D @ at.M @ at.D
    U, signs = from_eigenpairs(X, at.D, k)
    assert U.shape == (N, k)
    assert np.abs(at.x.conj() @ U) ** 2 @ signs == pytest.approx(at.b, rel=1e-10)
    assert value(at, U) == pytest.approx(at.optimum, rel=1e-11)
    assert np.allclose(at.D @ (U * signs) @ U.conj().T @ at.D, X, atol=1e-11)
    pair = pair_of(U, signs)
    # The library's maps: the same X̃, and a pair L = U E, R = U of the same matrix and value.
    both = (U * signs, U)
    svd = rescaled_matrix(at.problem.rescaling, both, at.problem.cone)
    left, s, right = (np.asarray(x) for x in svd)
    assert np.allclose((left * s) @ right.conj().T, X, atol=1e-11)
    back = flattest_pair(at.problem.rescaling, svd, k, at.problem.cone)
    assert np.allclose(np.abs(np.asarray(back.L)), np.abs(np.asarray(back.R)))
    L, R = (np.asarray(at.problem.cone.lift(x)) for x in (back.L, back.R))
    assert value(at, R) == pytest.approx(at.optimum, rel=1e-10)
    assert np.allclose(L @ R.conj().T, at.M, atol=1e-11)
    scaled = 8 * len(at.b) * at.optimum
    assert fr.flatness_of(at.problem, pair).scaled_trace == pytest.approx(scaled, rel=1e-10)
    if family == "quadratic network":
        # U1U1ᵀ − U2U2ᵀ stays where it is, and U grows.
        turn = np.eye(k)
        turn[:2, :2] = [[np.cosh(0.3), np.sinh(0.3)], [np.sinh(0.3), np.cosh(0.3)]]
        assert np.allclose((U @ turn * signs) @ (U @ turn).T, at.M, atol=1e-11)
        assert value(at, U @ turn) > at.optimum * 1.01


def test_other_matrices_that_fit_are_less_flat():
    at = instance("quadratic network")
    rng = np.random.default_rng(0)
    upper = np.triu_indices(N)
    forms = np.einsum("ip,iq->ipq", at.x, at.x) * (2 - np.eye(N))
    null = np.linalg.svd(forms[:, *upper])[2][len(at.b) :]
    assert null.shape[0] == 2
    for t in 10.0 ** -np.arange(3):
        Z = np.zeros((N, N))
        Z[upper] = t * rng.standard_normal(2) @ null
        Z = at.M + Z + np.triu(Z, 1).T
        assert np.einsum("ip,pq,iq->i", at.x, Z, at.x) == pytest.approx(at.b, rel=1e-9)
        U, signs = from_eigenpairs(at.D @ Z @ at.D, at.D, 7)
        assert np.allclose((U * signs) @ U.T, Z, atol=1e-10)
        assert value(at, U) > at.optimum


@pytest.mark.parametrize("family", FAMILIES)
def test_flat_factors_are_nearly_the_shortest(family):
    """α1 I ≤ D ≤ α2 I: ‖U1‖² + ‖U2‖² ≤ κ² min, and ‖EUᵀUE − UᵀU‖_* ≤ 2(κ² − 1)‖M‖_*."""
    at = instance(family)
    U, signs = from_eigenpairs(at.D @ at.M @ at.D, at.D, 3)
    pair, rescaling = pair_of(U, signs), at.problem.rescaling
    spectrum = np.linalg.eigvalsh(at.D)
    kappa2 = (spectrum[-1] / spectrum[0]) ** 2
    norm = norm_bound(rescaling, pair, 2 * at.least, at.optimum)
    imbalance = imbalance_bound(rescaling, pair, at.least, at.optimum)
    lemma = balance_lemma(rescaling, pair)
    assert d_balance(rescaling, pair) <= 1e-11
    assert norm.left == pytest.approx(2 * np.linalg.norm(U) ** 2, rel=1e-12)
    assert norm.right == pytest.approx(2 * kappa2 * at.least, rel=1e-8)
    assert imbalance.right == pytest.approx(2 * (kappa2 - 1) * at.least, rel=1e-6, abs=1e-8)
    for bound in (norm, imbalance, lemma):
        assert bound.holds
        assert not bound.failing + bound.unchecked
    if family == "quadratic network":
        assert norm.left > 2 * at.least * (1 + 1e-6)  # flat is not shortest
        assert imbalance.left > 1e-4 * at.least
    # Longer factors of the same matrix are charged for it, and break the bound if taken for flat.
    long = pair_of(2 * kappa2**0.5 * U, signs)
    assert not norm_bound(rescaling, long, 2 * at.least).holds
