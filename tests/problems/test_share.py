"""λ as a share of λ_max at every front door."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.problems.share import largest
from flatrank.solvers import largest_lam

RNG = np.random.default_rng(0)
X, C, Y = RNG.standard_normal((40, 6)), RNG.standard_normal((40, 5)), RNG.standard_normal(40)
A = RNG.standard_normal((40, 6, 5))
ROWS, COLS = np.divmod(RNG.permutation(80 * 70)[:1500], 70)
SEEN = RNG.standard_normal(1500)

DOORS = {
    "completion": lambda **o: fr.completion(ROWS, COLS, SEEN, (80, 70), smoothing=0.5, **o),
    "sensing": lambda **o: fr.sensing(A, Y, **o),
    "bilinear": lambda **o: fr.bilinear(X, C, Y, **o),
    "covariance": lambda **o: fr.covariance(X, Y**2, **o),
    "quadratic_network": lambda **o: fr.quadratic_network(X, Y, **o),
    "phase_retrieval": lambda **o: fr.phase_retrieval(X, Y**2, **o),
    "complex": lambda **o: fr.phase_retrieval(X + 1j * X[::-1], Y**2, **o),
    "masks": lambda **o: fr.phase_retrieval(
        fr.measurements.coded_diffraction(6, 4), RNG.random(24), **o
    ),
}


@pytest.mark.parametrize("name", DOORS)
def test_a_share_is_a_share_of_the_largest(name):
    problem = DOORS[name](lam_ratio=0.25)
    assert problem.lam == pytest.approx(0.25 * largest_lam(problem), rel=1e-5)
    assert problem.lam == pytest.approx(0.25 * largest(problem), rel=1e-14)
    assert DOORS[name](lam_ratio=0).lam == 0


def test_the_largest_is_the_norm_by_the_formula():
    seen = np.zeros((80, 70))
    seen[ROWS, COLS] = 1
    n, c = seen.sum(1) / (1500 * 70), seen.sum(0) / (1500 * 80)
    D1, D2 = (np.sqrt(0.5 * x + 0.5 * x.mean()) for x in (n, c))
    seen[ROWS, COLS] = SEEN
    top = np.linalg.norm(seen / D1[:, None] / D2[None, :], 2)
    assert DOORS["completion"](lam_ratio=1).lam == pytest.approx(top, rel=1e-12)


def test_at_the_largest_the_answer_is_zero_and_below_it_is_not():
    assert fr.solve(DOORS["sensing"](lam_ratio=1)).rank == 0
    assert fr.solve(DOORS["sensing"](lam_ratio=0.999)).rank == 1


def test_data_that_only_a_negative_matrix_fits_have_nothing_to_weigh():
    assert largest(fr.covariance(X, -(Y**2) - 1)) == 0


@pytest.mark.parametrize("d", [70, 5])
@pytest.mark.parametrize("kind", ["any", "positive", "Hermitian"])
def test_iterations_find_what_a_decomposition_does(d, kind):
    """Above 64 rows S is not formed."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((90, d)), rng.standard_normal(90)
    make = {
        "any": lambda: fr.quadratic_network(x, y),
        "positive": lambda: fr.covariance(x, y),
        "Hermitian": lambda: fr.phase_retrieval(x + 1j * x[::-1], y),
    }
    problem = make[kind]()
    order = problem.shape[0]
    S = problem.whitened.adjoint(problem.b).right(np.eye(order))
    w = np.linalg.eigvalsh(S)
    top = np.abs(w).max() if kind == "any" else w.max()
    assert largest(problem) == pytest.approx(top, rel=1e-10)


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lam": 1.0, "lam_ratio": 0.1}, "give lam or lam_ratio = lam/lam_max, not both; got lam"),
        ({"lam_ratio": 1.1}, r"lam_ratio must lie between 0 \(interpolate\) and 1 .*; got 1.1"),
        ({"lam_ratio": float("nan")}, "lam_ratio must lie between 0"),
        ({"lam_ratio": "much"}, "lam_ratio must be a number; got 'much'"),
    ],
)
def test_what_is_no_share_is_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        DOORS[name](**options)
