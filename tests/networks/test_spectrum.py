"""Top eigenvalues, multiple ones too, the ceiling over them, and the distribution of all."""

import numpy as np
import pytest

from flatrank.networks import Budget, given_curvature, largest_eigenvalues, spectral_density


def rotated(values, seed=0):
    s = np.asarray(values, float)
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((s.size, s.size)))[0]
    return given_curvature(lambda v: Q @ (s * (Q.T @ v)), s.size)


@pytest.mark.parametrize(
    "values",
    [
        np.r_[5.0, 5, 5, 4, 4, np.linspace(0, 1, 40)],
        np.r_[5.0, 4.9, 4.8, 4, 3, -6, np.linspace(-1, 1, 40)],
        np.full(12, 2.0),
        np.zeros(9),
        np.r_[1.0, np.zeros(20)],
        -np.arange(1.0, 8.0),
    ],
    ids=["multiple", "of both signs", "identity", "zero", "rank one", "negative"],
)
def test_the_largest_with_multiplicity(values):
    H = rotated(values)
    found = largest_eigenvalues(H, 5, budget=Budget(eigenvalue_tol=1e-8))
    expected = np.sort(values)[:-6:-1]
    size = np.max(np.abs(values))
    assert [e.value for e in found.eigenvalues] == pytest.approx(expected, abs=1e-8 * size + 1e-12)
    for value, residual, (v,) in found.pairs:
        assert np.linalg.norm(H((v,))[0] - value * v) == pytest.approx(residual, abs=1e-12)
    V = np.stack([pair.vector[0] for pair in found.pairs])
    assert np.allclose(V @ V.T, np.eye(5), atol=1e-10)


def test_few_products_leave_a_residual_that_bounds_the_error_and_a_ceiling_that_holds():
    """λ_max of a spectrum dense at its top: below the ceiling in 95 %, above each value."""
    values = np.sqrt(np.linspace(0, 1, 100))
    held, distance = 0, []
    for seed in range(50):
        found = largest_eigenvalues(
            rotated(values), seed=seed, budget=Budget(max_products=80, eigenvalue_tol=1e-9)
        )
        e = found.eigenvalues[0]
        assert np.min(np.abs(values - e.value)) <= e.residual
        assert e.value <= 1 + 1e-12
        held += e.ceiling >= 1
        distance.append(e.ceiling - 1)
    # The bound is for the worst spectrum: it holds every time here, a third above λ_max.
    assert held >= 48
    assert np.mean(distance) < 0.5


@pytest.mark.parametrize("steps", [4, 30])
def test_shares_lie_in_their_intervals(steps):
    """Of 60 seeds and 3 places at most 5 % of the intervals miss, and six more by chance."""
    values = np.r_[np.linspace(-1, 1, 80), 4, 5]
    H, missed, widths = rotated(values), 0, []
    for seed in range(60):
        density = spectral_density(H, steps=steps, starts=6, seed=seed)
        for x in (-0.5, 0.3, 2.0):
            share = density.share_below(x)
            missed += not share.interval[0] <= np.mean(values <= x) <= share.interval[1]
            widths.append(share.half_width)
    assert missed <= 15
    # The quadrature encloses to within two of its weights, which fall as one over the steps.
    assert np.mean(widths) < (0.6 if steps == 4 else 0.2)


def test_smooth_density_integrates_to_one_and_invariant_spaces_end_early():
    density = spectral_density(rotated(np.r_[np.ones(10), np.zeros(10)]), starts=30)
    x = np.linspace(-2, 3, 501)
    values = np.array([density.smooth(at, 0.2).value for at in x])
    assert np.sum(values) * (x[1] - x[0]) == pytest.approx(1, abs=1e-6)
    # 30 starts, each a share of 10 of 20 squares: a standard error of 0.02.
    assert density.share_below(0.5).value == pytest.approx(0.5, abs=0.08)
    assert density.n == 20
    assert np.allclose(np.sum(density.weights, axis=1), 1)
    with pytest.raises(ValueError, match="width must be positive"):
        density.smooth(0.0, 0.0)
    with pytest.raises(ValueError, match="starts must be a whole number >= 2"):
        spectral_density(rotated(np.ones(3)), starts=1)
