"""What D1 and D2 are on average, and how near they come (theory §1.5, §1.6, Lemma 4.9)."""

import numpy as np
import pytest

import flatrank as fr

SHAPE, M = (4, 3), 8000


def squares(problem):
    """D1² and D2²."""
    sides = problem.rescaling.D1, problem.rescaling.D2
    return [np.asarray(D) @ np.asarray(D) for D in sides]


def bilinear(shape, m, seed):
    rng = np.random.default_rng(seed)
    a, c = (rng.standard_normal((m, d)) for d in shape)
    return fr.bilinear(a, c, np.zeros(m))


def quadratic(family):
    x = np.random.default_rng(0).standard_normal((M, SHAPE[0]))
    return getattr(fr, family)(x, np.zeros(M))


def variances(kind, d, other):
    """m times the variance of an entry of D²: on the diagonal, and off it.

    Σ_j A_pj A_qj/d2 is a mean of d2 products; ‖c‖²/d2 of mean square 1 + 2/d2 times a_p a_q; and
    E ‖x‖⁴ x_p⁴ = 3(d + 4)(d + 6), E ‖x‖⁴ x_p² x_q² = (d + 4)(d + 6) for ‖x‖² x_p x_q/d.
    """
    if kind == "sensing":
        return 2 / other, 1 / other
    if kind == "bilinear":
        return 3 * (1 + 2 / other) - 1, 1 + 2 / other
    off = (d + 4) * (d + 6) / d**2
    return 3 * off - (1 + 2 / d) ** 2, off


@pytest.mark.parametrize(
    "family", ["dense", "regenerated", "bilinear", "covariance", "quadratic_network"]
)
def test_the_mean_of_the_rescalings(measure, family):
    """E D1² = E D2² = I for Gaussian sensing and bilinear, ((d + 2)/d) I for quadratic forms: every
    entry within five of its standard errors, and their spread as large as those say.
    """
    kind = {"dense": "sensing", "regenerated": "sensing", "bilinear": "bilinear"}.get(family)
    if kind is None:
        problem, mean = quadratic(family), 1 + 2 / SHAPE[0]
    elif kind == "bilinear":
        problem, mean = bilinear(SHAPE, M, 0), 1.0
    else:
        problem, mean = fr.sensing(measure(family, SHAPE, M), np.zeros(M)), 1.0
    scores = []
    for square, other in zip(squares(problem), SHAPE[::-1], strict=True):
        d = square.shape[0]
        diagonal, off = variances(kind, d, other)
        errors = np.sqrt((off + (diagonal - off) * np.eye(d)) / M)
        scores.append(((square - mean * np.eye(d)) / errors)[np.triu_indices(d)])
    scores = np.concatenate(scores if kind else scores[:1])
    assert np.abs(scores).max() <= 5
    assert 0.4 <= np.sqrt(np.mean(scores**2)) <= 1.8


@pytest.mark.parametrize("delta", [0.5, 0.25])
def test_bilinear_rescalings_are_near_the_identity(delta):
    """(1 − δ)I ≤ D_i ≤ (1 + δ)I with m ≥ c d_max/δ² and log m ≤ c' δ² d_min (Lemma 4.9), here with
    c = 8 in 20 of 20 draws; the constants the lemma leaves open.
    """
    for seed in range(20):
        problem = bilinear((12, 10), int(8 * 12 / delta**2), seed)
        low, top = (float(x) for x in problem.rescaling.extremes)
        assert 1 - delta <= low <= top <= 1 + delta
