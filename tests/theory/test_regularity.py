"""Theorems 3.2 and 3.3 and Lemma 3.4, at flat pairs that are proved to be flat."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.theory import (
    Bound,
    balance_lemma,
    counts_bound,
    d_balance,
    flattest_pair,
    imbalance_bound,
    incoherence,
    norm_bound,
    rescaled_matrix,
    weak_recovery_bound,
)

PARTIAL = ("dense", "rank one", "regenerated", "masked transform", "user's map", "entries")
ALL = (*PARTIAL, "whole")


def pair_of(L, R):
    return fr.FactorPair(L, R)


def nuclear(X):
    return np.linalg.norm(X, "nuc")


def from_svd(Z, D1, D2, k):
    """(D1⁻¹ U S^½, D2⁻¹ V S^½) of Z = U S Vᵀ, zero-padded to k columns: Theorem 3.2(c)."""
    U, s, Vt = np.linalg.svd(Z, full_matrices=False)
    s = np.where(s > 1e-13 * s[0], s, 0)
    n = min(k, s.size)
    L, R = np.linalg.solve(D1, U * np.sqrt(s)), np.linalg.solve(D2, Vt.T * np.sqrt(s))
    return tuple(np.pad(x[:, :n], ((0, 0), (0, k - n))) for x in (L, R))


def value(at, L, R):
    """F = ½(‖D1 L‖² + ‖D2 R‖²)."""
    return 0.5 * (np.sum((at.D[0] @ L) ** 2) + np.sum((at.D[1] @ R) ** 2))


def flat_pair(at, k=3):
    return from_svd(at.D[0] @ at.X @ at.D[1], *at.D, k)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("k", [1, 3, 9])
def test_the_flat_problem_is_the_rescaled_nuclear_norm(instance, name, k):
    """Theorem 3.2: val(F) = val(N_k), and the maps X̃ ↦ (D1⁻¹US^½, D2⁻¹VS^½), (L, R) ↦ D1LRᵀD2."""
    at = instance(name)
    b = np.asarray(at.problem.b)
    L, R = flat_pair(at, k)
    assert np.allclose(at.matrix @ (L @ R.T).ravel(), b, atol=1e-12 * np.linalg.norm(b))
    assert value(at, L, R) == pytest.approx(at.optimum, rel=1e-11)
    assert nuclear(at.D[0] @ L @ R.T @ at.D[1]) == pytest.approx(at.optimum, rel=1e-11)
    svd = rescaled_matrix(at.problem.rescaling, (L, R))
    assert np.asarray(svd.s).sum() == pytest.approx(at.optimum, rel=1e-11)
    pair = flattest_pair(at.problem.rescaling, svd, k)
    assert pair.rank == k
    assert value(at, np.asarray(pair.L), np.asarray(pair.R)) == pytest.approx(at.optimum, rel=1e-11)
    assert np.allclose(np.asarray(pair.L) @ np.asarray(pair.R).T, at.X, atol=1e-11)
    if k < 9 or name == "whole":  # otherwise other matrices of this rank fit
        return
    rng = np.random.default_rng(0)
    null = np.linalg.svd(at.matrix)[2][np.linalg.matrix_rank(at.matrix) :]
    for t in 10.0 ** -np.arange(4):
        X = at.X + t * (rng.standard_normal(null.shape[0]) @ null).reshape(at.X.shape)
        L, R = from_svd(at.D[0] @ X @ at.D[1], *at.D, k)
        assert np.allclose(at.matrix @ (L @ R.T).ravel(), b, atol=1e-11 * np.linalg.norm(b))
        assert value(at, L, R) > at.optimum
        B = np.eye(k) + 0.1 * rng.standard_normal((k, k))
        assert value(at, L @ B, R @ np.linalg.inv(B).T) > value(at, L, R)


@pytest.mark.parametrize("name", ALL)
def test_flat_pairs_are_balanced_after_rescaling_and_nearly_so_before(instance, name):
    """LᵀD1²L = RᵀD2²R; ‖LᵀL − RᵀR‖_* ≤ (1 − κ⁻²)(‖L‖² + ‖R‖²) ≤ 2(κ² − 1)‖M‖_*;
    ‖L‖² + ‖R‖² ≤ κ² min(‖L'‖² + ‖R'‖²) (Theorem 3.3, Lemma 3.4).
    """
    at = instance(name)
    rescaling = at.problem.rescaling
    L, R = flat_pair(at)
    pair = pair_of(L, R)
    assert d_balance(rescaling, pair) <= 1e-12
    assert at.least == pytest.approx(nuclear(at.X), rel=1e-11)
    norm = norm_bound(rescaling, pair, 2 * at.least, at.optimum)
    imbalance = imbalance_bound(rescaling, pair, nuclear(at.X), at.optimum)
    lemma = balance_lemma(rescaling, pair)
    spectrum = np.concatenate([np.linalg.eigvalsh(D) for D in at.D])
    kappa2 = (spectrum.max() / spectrum.min()) ** 2
    assert norm.left == pytest.approx(np.sum(L**2) + np.sum(R**2), rel=1e-12)
    assert norm.right == pytest.approx(2 * kappa2 * at.least, rel=1e-9)
    assert imbalance.left == pytest.approx(nuclear(L.T @ L - R.T @ R), abs=1e-10)
    assert imbalance.right == pytest.approx(2 * (kappa2 - 1) * at.least, abs=1e-8)
    assert lemma.right <= imbalance.right + 1e-10
    for bound in (norm, imbalance, lemma):
        assert bound.holds
        assert not bound.failing
        assert not bound.unchecked


@pytest.mark.parametrize("name", PARTIAL)
def test_norm_minimal_and_flat_differ(instance, name):
    """Both recover X here, and still the flat pair is longer, and not balanced."""
    at = instance(name)
    L, R = flat_pair(at)
    assert np.allclose(L @ R.T, at.X)
    assert np.sum(L**2) + np.sum(R**2) > 2 * at.least * (1 + 1e-7)
    assert nuclear(L.T @ L - R.T @ R) > 1e-3 * at.least


def test_flat_norm_minimal_and_balanced_are_one_for_the_identity_map(instance, oracle):
    """D1 = D2 = I/√m: str = 2(‖L‖² + ‖R‖²) on LRᵀ = M, at least 4‖M‖_*, with equality iff balanced;
    ∇φ(I) = LᵀL − RᵀR for φ(B) = ½(‖LB‖² + ‖RB⁻ᵀ‖²) (§1.3).
    """
    at = instance("whole")
    assert np.allclose(at.D[0], np.eye(8) / 48**0.5)
    assert np.allclose(at.D[1], np.eye(6) / 48**0.5)
    rng = np.random.default_rng(0)
    L, R = flat_pair(at, 2)
    assert np.allclose(L.T @ L, R.T @ R, atol=1e-12)
    for t in (0.0, 0.1, 1.0):
        B = np.eye(2) + t * rng.standard_normal((2, 2))
        P, Q = L @ B, R @ np.linalg.inv(B).T
        flatness = fr.flatness_of(at.problem, (P, Q))
        assert flatness.scaled_trace == pytest.approx(2 * flatness.squared_norm, rel=1e-12)
        gap = flatness.scaled_trace - 4 * nuclear(at.X)
        assert (abs(gap) <= 1e-11) == (flatness.imbalance <= 1e-11) == (t == 0)

        def phi(z, P=P, Q=Q):
            B = z.reshape(2, 2)
            return 0.5 * (np.sum((P @ B) ** 2) + np.sum((Q @ np.linalg.inv(B).T) ** 2))

        gradient = oracle.gradient(phi, np.eye(2).ravel()).reshape(2, 2)
        assert np.allclose(gradient, P.T @ P - Q.T @ Q, atol=1e-11)
    rows, cols = np.divmod(np.arange(at.X.size), at.X.shape[1])
    entries = fr.completion(rows, cols, at.X.ravel(), at.X.shape)
    assert np.allclose(entries.rescaling.D1, at.problem.rescaling.D1)
    assert float(entries.rescaling.kappa) == pytest.approx(1, abs=1e-15)


def test_hypotheses_that_fail_are_named(instance):
    at = instance("dense")
    L, R = flat_pair(at, 1)
    lemma = balance_lemma(at.problem.rescaling, pair_of(10 * L, R / 10))
    assert not lemma.holds
    assert lemma.failing == ("LᵀD1²L = RᵀD2²R",)
    assert "does not hold" in str(lemma)
    assert "fails: LᵀD1²L = RᵀD2²R" in str(lemma)
    trusted = norm_bound(at.problem.rescaling, pair_of(L, R), 2 * at.least)
    assert trusted.unchecked == ("the pair is flat",)
    assert str(trusted).endswith("on trust: the pair is flat")
    # A row without entries: D1 is singular, κ infinite, and the bound says nothing.
    problem = fr.completion([0, 0, 1], [0, 1, 1], np.ones(3), (3, 2))
    bound = norm_bound(problem.rescaling, pair_of(np.ones((3, 1)), np.ones((2, 1))), 1.0)
    assert bound.failing == ("D1 and D2 are nonsingular",)
    assert bound.slack == np.inf
    assert "slack infinite" in str(bound)
    assert not Bound("1 ≤ 0", 1.0, 0.0).holds


def test_a_pair_that_is_not_flat_is_charged_for_it(instance):
    """F = ρ·optimum: the bounds with ρ and ‖E‖_* still hold, at any pair that fits."""
    at = instance("rank one")
    L, R = flat_pair(at, 2)
    for scale in (1.1, 3.0, 30.0):
        pair = pair_of(scale * L, R / scale)
        assert norm_bound(at.problem.rescaling, pair, 2 * at.least, at.optimum).holds
        assert imbalance_bound(at.problem.rescaling, pair, at.least, at.optimum).holds


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) for n in ALL])
def test_what_the_solver_certifies_obeys_the_theorems(instance, name):
    at = instance(name)
    solution = fr.solve(at.problem, goal="flat", tol=1e-8)
    proof = solution.certificate
    assert solution.status is fr.Status.CERTIFIED
    assert proof.dual_bound <= at.optimum * (1 + 1e-12)
    assert proof.primal >= at.optimum * (1 - 1e-12)
    pair = solution.factors
    assert value(at, np.asarray(pair.L), np.asarray(pair.R)) == pytest.approx(at.optimum, rel=1e-7)
    rescaling = at.problem.rescaling
    assert d_balance(rescaling, pair) <= 1e-8
    assert norm_bound(rescaling, pair, 2 * at.least, proof.dual_bound).holds
    assert imbalance_bound(rescaling, pair, at.least, proof.dual_bound).holds
    assert balance_lemma(rescaling, pair).holds


def test_incoherence_by_its_definition():
    """μ: smallest with ‖Uᵢ‖² ≤ μr/d1, ‖Vⱼ‖² ≤ μr/d2; strong: |(UVᵀ)ᵢⱼ|² ≤ μr/(d1 d2)."""
    rng = np.random.default_rng(0)
    L, R = rng.standard_normal((7, 3)), rng.standard_normal((5, 3))
    found = incoherence(pair_of(np.hstack([L, 0 * L]), np.hstack([R, 0 * R])))
    U, _, Vt = np.linalg.svd(L @ R.T)
    U, V = U[:, :3], Vt[:3].T
    mu = max(7 / 3 * np.sum(U**2, axis=1).max(), 5 / 3 * np.sum(V**2, axis=1).max())
    assert found.rank == 3
    assert found.mu == pytest.approx(mu, rel=1e-10)
    joint = 35 / 3 * np.abs(U @ V.T).max() ** 2
    assert found.strong == pytest.approx(max(mu, joint), rel=1e-10)
    spread = incoherence(pair_of(np.ones((7, 1)), np.ones((5, 1))))
    assert (spread.mu, spread.strong) == pytest.approx((1, 1))
    spike = incoherence(pair_of(np.eye(7)[:, :1], np.eye(5)[:, :1]))
    assert (spike.mu, spike.strong) == pytest.approx((7, 35))
    with pytest.raises(ValueError, match="the matrix is zero"):
        incoherence(pair_of(np.zeros((7, 1)), np.zeros((5, 1))))


def test_weak_recovery_for_completion(instance):
    """‖LRᵀ − M‖_* ≤ γ‖M‖_*, γ = (C/p)√(μ r log d_max/d_min): 0 here, and an error shows as one."""
    at = instance("entries")
    L, R = flat_pair(at)
    truth = pair_of(at.X, np.eye(6))
    bound = weak_recovery_bound(pair_of(L, R), truth, 40)
    gamma = 48 / 40 * np.sqrt(incoherence(truth).mu * np.log(8) / 6)
    assert bound.right == pytest.approx(gamma * nuclear(at.X))
    assert bound.left <= 1e-12
    assert bound.holds
    off = weak_recovery_bound(pair_of(3 * L, R), truth, 40)
    assert off.left == pytest.approx(2 * nuclear(at.X))
    assert not off.holds
    assert weak_recovery_bound(pair_of(L, R), truth, 4).failing == ("γ < 1",)


def test_counts_of_entries_bound_kappa():
    """κ² ≤ (1 + t)/(1 − t), and κ² is the ratio of the extreme counts of rows and columns."""
    rng, shape, p = np.random.default_rng(0), (500, 400), 0.6
    seen = rng.random(shape) < p
    D = fr.completion(*np.nonzero(seen), rng.standard_normal(seen.sum()), shape).rescaling
    rates = np.concatenate([seen.mean(axis=1), seen.mean(axis=0)])
    bound = counts_bound(D, p, 1e-3)
    assert bound.left == pytest.approx(rates.max() / rates.min())
    t = np.sqrt(3 * np.log(2 * 900 / 1e-3) / (p * 400))
    assert bound.right == pytest.approx((1 + t) / (1 - t))
    assert bound.holds
    assert bound.unchecked == ("entries drawn independently at rate p",)
    assert counts_bound(D, 0.1, 1e-3).failing == ("t < 1",)
    with pytest.raises(ValueError, match="p must be above 0 and at most 1; got 0"):
        counts_bound(D, 0, 0.1)
    with pytest.raises(ValueError, match="failure_probability must be above 0"):
        counts_bound(D, 0.5, 2.0)


def test_the_chance_that_counts_leave_their_bound_is_small():
    """Of 400 draws at ε = ½ fewer than half may: Chernoff's inequality is generous."""
    rng, shape, p = np.random.default_rng(1), (60, 60), 0.95
    outside = 0
    for _ in range(400):
        seen = rng.random(shape) < p
        D = fr.completion(*np.nonzero(seen), np.ones(seen.sum()), shape).rescaling
        outside += not counts_bound(D, p, 0.5).holds
    assert outside <= 200
