"""Shared factors of balanced pairs: on the left they cannot fit, on the right they can."""

import numpy as np
import pytest

from flatrank.factors import FactorPair
from flatrank.theory import shared_left_fit, shared_right_fit


def matrix(seed, shape=(8, 8), rank=3, size=2.0):
    rng = np.random.default_rng(seed)
    return size * rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))


@pytest.mark.parametrize("seed", range(3))
def test_shared_left_is_balanced_with_unit_singular_values_and_stays_above_its_floor(seed):
    M = matrix(seed)
    fit = shared_left_fit(M, 3, starts=4)
    for factor in (fit.pair.L, fit.pair.R):
        np.testing.assert_allclose(factor.T @ factor, np.eye(3), atol=1e-12)
    s = np.linalg.svd(fit.pair.L @ fit.pair.R.T, compute_uv=False)
    np.testing.assert_allclose(s[:3], 1.0)
    B = fit.pair.R
    value = 3 + np.sum(M**2) - 2 * np.linalg.norm(B.T @ M @ B, "nuc")
    assert fit.loss == pytest.approx(value)
    assert fit.loss >= fit.floor > 0.25 * np.sum(M**2)


def test_the_floor_is_reached_by_positive_semidefinite_matrices():
    U = np.random.default_rng(0).standard_normal((7, 4))
    M = U @ U.T
    fit = shared_left_fit(M, 2, starts=3)
    s = np.linalg.svd(M, compute_uv=False)
    assert fit.floor == pytest.approx(np.sum((s[:2] - 1) ** 2) + np.sum(s[2:] ** 2))
    assert fit.loss == pytest.approx(fit.floor, rel=1e-9)


def test_an_orthogonal_projection_is_what_it_can_fit():
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 2)))[0]
    assert shared_left_fit(Q @ Q.T, 2, starts=2).loss < 1e-20


def test_more_turns_are_no_worse():
    losses = [shared_left_fit(matrix(3), 2, starts=1, steps=n).loss for n in (1, 5, 50)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("shape", [(8, 8), (9, 5)])
def test_shared_right_is_balanced_and_best(shape):
    M = matrix(4, shape)
    for k in (1, 2, 3):
        fit = shared_right_fit(M, k)
        L, R = fit.pair.L, fit.pair.R
        np.testing.assert_allclose(L.T @ L, R.T @ R, atol=1e-12)
        s = np.linalg.svd(M, compute_uv=False)
        assert fit.floor == pytest.approx(np.sum(s[k:] ** 2), rel=1e-12, abs=1e-20)
        assert fit.loss == pytest.approx(fit.floor, abs=1e-24 + 1e-14 * np.sum(M**2))


@pytest.mark.parametrize(
    ("M", "k", "message"),
    [
        (np.ones((3, 2)), 1, r"M must be square; got shape \(3, 2\)"),
        (np.ones(3), 1, r"M must be a matrix of finite numbers; got shape \(3,\)"),
        (np.full((2, 2), np.nan), 1, "M must be a matrix of finite numbers"),
        (np.eye(2), 3, r"k must be at most min\(d1, d2\) = 2; got 3"),
        (np.eye(2), 0, "k must be"),
    ],
)
def test_refusals(M, k, message):
    with pytest.raises(ValueError, match=message):
        shared_left_fit(M, k)


def test_pairs_are_pairs():
    assert isinstance(shared_right_fit(np.eye(2), 1).pair, FactorPair)
