"""Certificates of robust PCA hold for any pair and any dual variable."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.certificates import dense_norm, tiles

RNG = np.random.default_rng(5)
Y = RNG.standard_normal((30, 21))
FORMS = ({"sparsity": 0.3}, {"radius": 150.0})


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("form", FORMS)
def test_the_gap_of_any_pair_and_any_dual_is_not_negative(form, seed):
    rng = np.random.default_rng(seed)
    pair = (rng.standard_normal((30, 3)), rng.standard_normal((21, 3)))
    Lam = (10.0 ** rng.integers(-3, 3)) * rng.standard_normal(Y.shape)
    for y in (Lam, -Lam, Lam.ravel(), np.zeros_like(Y), Y, np.sign(Y), None):
        certificate = fr.certify(fr.robust_pca(Y, **form), pair, y)
        assert certificate.gap >= 0
        assert certificate.dual_bound >= 0


@pytest.mark.parametrize("form", FORMS)
def test_both_values_are_those_of_dense_matrices(form):
    L, R = RNG.standard_normal((30, 2)), 0.1 * RNG.standard_normal((21, 2))
    Lam = Y + RNG.standard_normal(Y.shape)
    found = fr.certify(fr.robust_pca(Y, **form), (L, R), Lam)
    nuclear = np.linalg.norm(L @ R.T, "nuc")
    E, norm, largest = Y - L @ R.T, np.linalg.norm(Lam, 2), np.abs(Lam).max()
    errors = np.abs(E).sum()
    if "sparsity" in form:
        primal, worst = nuclear + 0.3 * errors, max(norm, largest / 0.3)
        dual = np.vdot(Y, Lam) / worst
    else:
        share = 1 - 150.0 / errors
        assert share > 0
        primal, worst = nuclear + share * np.sqrt(21) * np.linalg.norm(E), norm
        dual = (np.vdot(Y, Lam) - 150.0 * largest) / worst
        repaired = L @ R.T + share * E
        assert np.abs(Y - repaired).sum() == pytest.approx(150.0)
        assert np.linalg.norm(repaired, "nuc") <= found.primal
        assert found.feasibility == pytest.approx((errors - 150.0) / np.abs(Y).sum())
    assert found.primal == pytest.approx(primal, rel=1e-12)
    assert found.dual_bound == pytest.approx(max(dual, 0.0), rel=1e-9)
    assert found.operator_norm == pytest.approx(worst, rel=1e-9)


def test_a_pair_alone_gets_a_sharp_dual_where_recovery_holds():
    rng = np.random.default_rng(0)
    L, R = rng.standard_normal((60, 2)), rng.standard_normal((50, 2))
    S = np.where(rng.random((60, 50)) < 0.05, 10.0, 0.0)
    for form in ({}, {"radius": S.sum()}):
        problem = fr.robust_pca(L @ R.T + S, **form)
        assert fr.certify(problem, (L, R)).relative_gap < 1e-8
        assert fr.certify(problem, (L, 1.01 * R)).relative_gap > 1e-3


@pytest.mark.parametrize("shape", [(5, 90), (200, 120), (120, 200)])
@pytest.mark.parametrize("cluster", [1, 40])
def test_the_dense_norm_is_a_close_upper_bound(shape, cluster):
    rng, d = np.random.default_rng(1), min(shape)
    U, _, Vt = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    s = np.linspace(1.0, 0.1, d)
    s[:cluster] = 1 - 1e-9 * rng.random(min(cluster, d))
    bound = dense_norm((U * s) @ Vt)
    assert s.max() * (1 - 1e-14) <= bound <= s.max() * (1 + 1e-8)


def test_the_dense_norm_of_nothing_and_of_nan():
    assert dense_norm(np.zeros((100, 80))) == 0
    assert dense_norm(np.full((3, 3), np.nan)) == np.inf


@pytest.mark.parametrize("shape", [(3, 2000), (2000, 3), (130, 1100), (1, 1)])
def test_tiles_cover_a_matrix_once(shape):
    seen = np.zeros(shape, dtype=int)
    for tile in tiles(shape):
        seen[tile] += 1
    assert np.all(seen == 1)


def test_a_dual_of_the_wrong_shape_is_refused():
    pair = (np.ones((30, 1)), np.ones((21, 1)))
    with pytest.raises(ValueError, match="y must be 630 finite numbers"):
        fr.certify(fr.robust_pca(Y), pair, Y.T)
