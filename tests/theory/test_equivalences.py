"""Factor problems and the convex problems behind them: values, weights, maps, uniqueness."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.flatness import Rescaling
from flatrank.theory import balance_lemma, d_balance, flattest_pair, rescaled_matrix

FAMILIES = (
    "dense", "rank one", "regenerated", "masked transform", "user's map", "entries", "whole",
)  # fmt: skip


def drawn(seed, k=3):
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal((d, k)) for d in (8, 6))


def definite(d, rng):
    """A random symmetric matrix with eigenvalues from 1/2 to 2, and its inverse."""
    Q, w = np.linalg.qr(rng.standard_normal((d, d)))[0], rng.uniform(0.5, 2, d)
    return (Q * w) @ Q.T, (Q / w) @ Q.T


def weights(seed):
    rng = np.random.default_rng(seed)
    (Q1, inverse1), (Q2, inverse2) = definite(8, rng), definite(6, rng)
    D = [np.asarray(x) for x in (Q1, Q2, inverse1, inverse2)]
    return Q1, Q2, Rescaling(D[0], D[1], (D[2], D[3]))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_penalised_problems_are_one(instance, name):
    """½‖𝒜(LRᵀ) − b‖² + λ/2(‖D1L‖² + ‖D2R‖²) ≥ ½‖ℬ(X̃) − b‖² + λ‖X̃‖_* with X̃ = D1LRᵀD2, and the pair
    of X̃ attains it: the two problems have one value, and the maps take minimisers to minimisers.
    """
    at, lam = instance(name), 0.3
    D1, D2 = at.D
    m = at.matrix.shape[0]
    b = np.random.default_rng(0).standard_normal(m)
    whitened = np.linalg.solve(D1, at.matrix.reshape(m, 8, 6)) @ np.linalg.inv(D2)

    def factored(L, R):
        squared = np.sum((D1 @ L) ** 2) + np.sum((D2 @ R) ** 2)
        return 0.5 * np.sum((at.matrix @ (L @ R.T).ravel() - b) ** 2) + 0.5 * lam * squared

    def convex(X):
        misfit = whitened.reshape(m, -1) @ X.ravel() - b
        return 0.5 * np.sum(misfit**2) + lam * np.linalg.norm(X, "nuc")

    L, R = drawn(1)
    svd = rescaled_matrix(at.problem.rescaling, (L, R))
    U, s, V = (np.asarray(x) for x in svd)
    X = (U * s) @ V.T
    assert np.allclose(X, D1 @ L @ R.T @ D2, atol=1e-11)
    flat = flattest_pair(at.problem.rescaling, svd)
    values = factored(L, R), factored(np.asarray(flat.L), np.asarray(flat.R)), convex(X)
    assert values[1] == pytest.approx(values[2], rel=1e-11)
    assert values[0] > values[2] + 1e-3 * lam * s.sum()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("a", "c"), [(1.0, 1.0), (0.2, 3.0)])
def test_the_shares_of_the_two_sides_do_not_choose_the_matrix(seed, a, c):
    """a‖D1L‖² + c‖D2R‖² ≥ 2√(ac)‖D1XD2‖_*, with equality iff a LᵀD1²L = c RᵀD2²R: the scaled trace
    and the plain one select the same X.
    """
    D1, D2, rescaling = weights(seed)
    L, R = drawn(seed)

    def value(L, R):
        return a * np.sum((D1 @ L) ** 2) + c * np.sum((D2 @ R) ** 2)

    def defect(L, R):
        return np.linalg.norm(a * L.T @ D1 @ D1 @ L - c * R.T @ D2 @ D2 @ R, "nuc")

    least = 2 * np.sqrt(a * c) * np.linalg.norm(D1 @ L @ R.T @ D2, "nuc")
    assert value(L, R) > least * 1.001
    assert defect(L, R) > 1e-3 * least
    flat = flattest_pair(rescaling, rescaled_matrix(rescaling, (L, R)))
    share = (c / a) ** 0.25
    best = share * np.asarray(flat.L), np.asarray(flat.R) / share
    assert value(*best) == pytest.approx(least, rel=1e-12)
    assert defect(*best) <= 1e-11 * least
    assert np.allclose(best[0] @ best[1].T, L @ R.T, atol=1e-11)
    if a == c:
        assert d_balance(rescaling, flat) <= 1e-12


def test_the_lemma_for_any_weights():
    """The minimiser of ½(‖Q1L‖² + ‖Q2R‖²) subject to Q1LRᵀQ2 = X has
    ‖LᵀL − RᵀR‖_* ≤ (1 − κ⁻²)(‖L‖² + ‖R‖²) (Lemma 3.4), for any Q1, Q2 and X.
    """
    shares = []
    for seed in range(20):
        Q1, Q2, rescaling = weights(seed)
        X = np.multiply.outer(*(x[:, 0] for x in drawn(seed)))
        U, s, Vt = np.linalg.svd(X, full_matrices=False)
        pair = flattest_pair(rescaling, (U[:, :3], s[:3] * [1, 0, 0], Vt[:3].T))
        L, R = np.asarray(pair.L), np.asarray(pair.R)
        assert np.allclose(Q1 @ L @ R.T @ Q2, X, atol=1e-11)
        lemma = balance_lemma(rescaling, pair)
        spectrum = np.concatenate([np.linalg.eigvalsh(Q) for Q in (Q1, Q2)])
        share = 1 - (spectrum.min() / spectrum.max()) ** 2
        assert lemma.left == pytest.approx(np.linalg.norm(L.T @ L - R.T @ R, "nuc"), rel=1e-10)
        assert lemma.right == pytest.approx(share * (np.sum(L**2) + np.sum(R**2)), rel=1e-9)
        assert lemma.holds
        assert not lemma.failing + lemma.unchecked
        shares.append(lemma.left / lemma.right)
    assert max(shares) > 0.3  # of the right size: 20 draws are not far from it


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dense", "entries"])
def test_where_the_minimiser_is_unique_all_flat_pairs_have_its_product(instance, name):
    """If D1MD2 is the only minimiser of (N), every flat solution has LRᵀ = M: of certified unique
    instances, from two starts, with pairs that are not one another's.
    """
    at = instance(name)
    found = [fr.solve(at.problem, goal="flat", start=start) for start in (None, drawn(0, 5))]
    for solution in found:
        assert solution.status is fr.Status.CERTIFIED
        assert solution.certificate.unique
        L, R = (np.asarray(x) for x in (solution.factors.L, solution.factors.R))
        assert np.linalg.norm(L @ R.T - at.X) <= 1e-6 * np.linalg.norm(at.X)
        # Turned, and with columns of zeros: as flat, another pair, and the same product.
        turn = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
        wide = [np.pad(x, ((0, 0), (0, 4 - x.shape[1]))) @ turn for x in (L, R)]
        again = fr.certify(at.problem, tuple(wide))
        assert again.unique
        assert again.primal == pytest.approx(solution.certificate.primal, rel=1e-9)
        assert fr.flatness_of(at.problem, tuple(wide)).excess == pytest.approx(1, abs=1e-9)


def test_maps_refuse_what_is_no_matrix():
    D1, D2, rescaling = weights(0)
    U, s, Vt = np.linalg.svd(np.outer(np.ones(8), np.ones(6)), full_matrices=False)
    for matrix, message in (
        ((U[:, :3], s[:3], Vt[:3]), "V and not its transpose"),
        ((U, -s, Vt.T), "s must be a vector of singular values >= 0"),
        ((U[:5], s, Vt.T), r"factors must be L \(8, k\) and R \(6, k\)"),
    ):
        with pytest.raises(ValueError, match=message):
            flattest_pair(rescaling, matrix)
    with pytest.raises(ValueError, match=r"k=2 columns do not hold s\[2\] = 1"):
        flattest_pair(rescaling, (U, np.ones(6), Vt.T), 2)
    half = Rescaling(1.0 * (np.arange(8) > 0), np.ones(6))
    flat = flattest_pair(half, rescaled_matrix(half, (np.ones((8, 1)), np.ones((6, 1)))), 2)
    seen = np.outer(np.arange(8) > 0, np.ones(6))
    assert np.allclose(np.asarray(flat.L) @ np.asarray(flat.R).T, seen)
