"""Lemmas 4.6 to 4.8, and the search for the most and the least visible matrix of a rank."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.theory import (
    Isometry,
    isometry_of_rescaling,
    rescaled_isometry_bounds,
    rescaling_bounds,
    search_isometry,
    uniqueness_bound,
    visibility,
)

FAMILIES = ("dense", "rank one", "regenerated", "masked transform", "user's map", "entries")


def exact(matrix, rank):
    """(δ1, δ2) at the full rank: the extreme singular values of 𝒜/√m."""
    s = np.linalg.svd(matrix)[1] / np.sqrt(matrix.shape[0])
    full = matrix.shape[0] >= matrix.shape[1]
    return Isometry(rank, 2, float(s[-1]) if full else 0.0, float(s[0]), exact=True)


@pytest.mark.parametrize("name", [*FAMILIES, "whole"])
def test_isometry_bounds_the_rescaling_and_survives_it(instance, name):
    """δ1 ≤ D_i ≤ δ2 (Lemma 4.8), and (δ1/α2², δ2/α1²) for ℬ (Lemma 4.6)."""
    at = instance(name)
    rescaling = at.problem.rescaling
    before = exact(at.matrix, 6)
    for bound in rescaling_bounds(rescaling, before):
        assert bound.holds
        assert not bound.failing + bound.unchecked
    inside = isometry_of_rescaling(rescaling)
    assert before.delta1 <= inside.delta1 * (1 + 1e-12)
    assert inside.delta2 <= before.delta2 * (1 + 1e-12)
    m = at.matrix.shape[0]
    whitened = np.linalg.solve(at.D[0], at.matrix.reshape(m, 8, 6)) @ np.linalg.inv(at.D[1])
    for bound in rescaled_isometry_bounds(rescaling, before, exact(whitened.reshape(m, -1), 6)):
        assert bound.holds
        assert not bound.failing + bound.unchecked


def test_d_is_a_mean_of_rank_one_visibilities(instance):
    """uᵀD1²u = (1/d2) Σⱼ ‖𝒜(u eⱼᵀ)‖²/m, the step that makes D's eigenvalues inner bounds."""
    at = instance("dense")
    u = np.random.default_rng(0).standard_normal(8)
    seen = [np.sum((at.matrix @ np.outer(u, e).ravel()) ** 2) for e in np.eye(6)]
    assert u @ at.D[0] @ at.D[0] @ u == pytest.approx(np.mean(seen) / 40, rel=1e-12)


def test_hypotheses_of_uniqueness():
    """Lemma 4.7: κ² δ2/δ1 ≤ 1.1/0.9 at rank 5r, or < √l at rank l·r for ℓ1/ℓ2."""
    good = uniqueness_bound(Isometry(5, 2, 0.95, 1.05, exact=True), 1.0, 1)
    assert good.holds
    assert not good.failing + good.unchecked
    assert not uniqueness_bound(Isometry(5, 2, 0.95, 1.05), 1.2, 1).holds
    short = uniqueness_bound(Isometry(4, 2, 0.95, 1.05), 1.0, 1)
    assert short.failing == ("the property reaches rank 5r",)
    assert short.unchecked == ("δ1 and δ2 are exact",)
    assert uniqueness_bound(Isometry(9, 1, 0.5, 1.4), 1.0, 1).right == 3
    assert not uniqueness_bound(Isometry(5, 2, 0.0, 1.0), 1.0, 1).holds


@pytest.mark.parametrize(
    "name", ["dense", *(pytest.param(n, marks=pytest.mark.slow) for n in FAMILIES[1:])]
)
def test_the_search_bounds_from_inside_and_beats_sampling(instance, name):
    """δ1 ≤ found ≤ every sampled value, between the exact constants of the full rank; ℓ1 ≤ ℓ2."""
    at = instance(name)
    A, outer, rng = at.problem.measurement, exact(at.matrix, 6), np.random.default_rng(0)
    L, R = rng.standard_normal((4000, 8, 1)), rng.standard_normal((4000, 6, 1))
    X = (L * R.transpose(0, 2, 1)).reshape(4000, -1)
    z = X @ at.matrix.T / np.linalg.norm(X, axis=1, keepdims=True)
    sampled = {1: np.mean(np.abs(z), axis=1), 2: np.sqrt(np.mean(z**2, axis=1))}
    found = {p: search_isometry(A, 1, p=p, starts=8, sweeps=15) for p in (1, 2)}
    for p, (isometry, witnesses) in found.items():
        for X, claimed in zip(witnesses, (isometry.delta1, isometry.delta2), strict=True):
            x = np.asarray(X.L) @ np.asarray(X.R).T
            seen = at.matrix @ x.ravel() / np.linalg.norm(x)
            size = np.mean(np.abs(seen)) if p == 1 else np.sqrt(np.mean(seen**2))
            assert claimed == pytest.approx(size, rel=1e-10, abs=1e-12)
            assert np.linalg.matrix_rank(x) == 1
            assert float(visibility(A, X, p)) == pytest.approx(claimed, rel=1e-12, abs=1e-14)
        assert isometry.delta1 <= sampled[p].min()
        assert isometry.delta2 >= sampled[p].max()
    (one, _), (two, _) = found[1], found[2]
    assert outer.delta1 - 1e-12 <= two.delta1
    assert two.delta2 <= outer.delta2 + 1e-12
    assert one.delta1 <= two.delta1 + 1e-12
    assert one.delta2 <= two.delta2 + 1e-12


def test_the_search_is_exact_at_full_rank(measure):
    """At rank min(d1, d2) both ends are singular values of 𝒜: nothing is left to search."""
    A = measure("dense", (4, 3), 30)
    isometry, _ = search_isometry(A, 3, starts=2, sweeps=15)
    s = np.linalg.svd(np.asarray(A.A).reshape(30, -1))[1] / np.sqrt(30)
    assert (isometry.delta1, isometry.delta2) == pytest.approx((s[-1], s[0]), rel=1e-9)


@pytest.mark.parametrize(
    ("rank", "options", "message"),
    [
        (0, {}, "rank must be a whole number >= 1; got 0"),
        (4, {}, r"rank=4 exceeds min\(d1, d2\)=3"),
        (1, {"p": 3}, "p must be 1 or 2, the norm on the measured side; got 3"),
        (1, {"starts": 0}, "starts must be a whole number >= 1"),
        (1, {"sweeps": 0.5}, "sweeps must be a whole number >= 1"),
        (1, {"seed": -1}, "seed must be a whole number >= 0"),
    ],
)
def test_the_search_refuses_wrong_numbers(rank, options, message):
    with pytest.raises(ValueError, match=message):
        search_isometry(fr.measurements.WholeMatrix(4, 3), rank, **options)


def test_the_identity_map_sees_everything_alike():
    A = fr.measurements.WholeMatrix(4, 3)
    X = fr.FactorPair(np.ones((4, 1)), np.ones((3, 1)))
    assert float(visibility(A, X, 2)) == pytest.approx(12**-0.5, rel=1e-14)


@pytest.mark.parametrize("name", ["dense", pytest.param("entries", marks=pytest.mark.slow)])
def test_the_search_is_at_least_as_tight_as_the_spectrum_of_d(instance, name):
    """δ1 ≤ found ≤ λ_min(D) and λ_max(D) ≤ found ≤ δ2 at rank 1 already, where D's are means."""
    at = instance(name)
    free = isometry_of_rescaling(at.problem.rescaling)
    found, _ = search_isometry(at.problem.measurement, 1, starts=8, sweeps=15)
    assert 0 < free.delta1 < free.delta2
    assert found.delta1 <= free.delta1 * (1 + 1e-9)
    assert found.delta2 >= free.delta2 * (1 - 1e-9)
    assert found.spread >= free.spread
