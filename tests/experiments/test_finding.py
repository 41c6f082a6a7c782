"""What fits is found from the data alone, for several instances together."""

import numpy as np
import pytest

from flatrank.experiments.cells import CERTIFIED, solve_instances
from flatrank.experiments.duality import tangent_map
from flatrank.experiments.ensembles import Rescaled, Vectors, draw
from flatrank.experiments.finding import find

SIZES = {"sensing": 90, "bilinear": 110, "completion": 0.75, "quadratic": 60}


def instances(family, *, d=12, r=2, count=4, size=None):
    rng = np.random.default_rng(11)
    U, V = rng.standard_normal((2, d, r))
    M = (U * (-1.0) ** np.arange(r)) @ U.T if family == "quadratic" else U @ V.T
    M /= np.linalg.norm(M)
    ensembles = [draw(family, d, size or SIZES[family], rng) for _ in range(count)]
    return M, ensembles, [A.forward(M) for A in ensembles]


@pytest.mark.parametrize("r", [1, 2, 3])
@pytest.mark.parametrize("family", SIZES)
def test_the_truth_is_found_without_its_rank(family, r):
    size = 0.9 if family == "completion" else 105
    M, ensembles, data = instances(family, r=r, size=size)
    if family == "completion":  # draws of several lengths in one stack
        assert len({A.m for A in ensembles}) > 1
    for X in find(ensembles, data):
        np.testing.assert_allclose(X, M, rtol=0, atol=1e-10)


def test_as_many_measurements_as_unknowns_fix_any_rank():
    # 30 measurements of symmetric 7 × 7 matrices, which have 28 entries: the rank does not matter.
    M, ensembles, data = instances("quadratic", d=7, r=7, size=30, count=20)
    for X in find(ensembles, data):
        np.testing.assert_allclose(X, M, rtol=0, atol=1e-9)
    assert all(one.gap <= CERTIFIED for one in solve_instances(ensembles, data, 1.0))


def test_together_and_alone_is_the_same():
    _, ensembles, data = instances("completion")
    together = find(ensembles, data)
    for A, b, X in zip(ensembles, data, together, strict=True):
        (alone,) = find([A], [b])
        np.testing.assert_allclose(X, alone, rtol=0, atol=1e-10)


def test_too_few_measurements_find_nothing():
    _, ensembles, data = instances("sensing", size=20)
    assert find(ensembles, data) == [None] * 4


def test_noise_is_fitted_by_nothing():
    _, ensembles, data = instances("sensing")
    rng = np.random.default_rng(0)
    data[1] = rng.standard_normal(data[1].size)
    found = find(ensembles, data)
    assert [X is None for X in found] == [False, True, False, False]


def test_no_data_are_fitted_by_zero():
    nothing = Vectors(np.zeros((0, 4)), np.zeros((0, 4)))
    (X,) = find([nothing], [np.zeros(0)])
    np.testing.assert_array_equal(X, np.zeros((4, 4)))


@pytest.mark.parametrize("family", SIZES)
def test_rescaled_products_are_those_of_the_matrices_formed(family):
    rng = np.random.default_rng(1)
    A = draw(family, 5, 0.6 if family == "completion" else 9, rng)
    Q1, Q2 = (Q + Q.T for Q in rng.standard_normal((2, 5, 5)))
    Q2 = Q1 if A.symmetric else Q2
    B, formed = Rescaled(A, Q1, Q2), A.whitened(Q1, Q2)
    X, y = rng.standard_normal((5, 5)), rng.standard_normal(A.m)
    np.testing.assert_allclose(B.forward(X), formed.forward(X), atol=1e-11)
    np.testing.assert_allclose(B.matrix(y), formed.matrix(y), atol=1e-11)
    np.testing.assert_allclose(B.rows(), formed.rows())
    np.testing.assert_allclose(B.gram(), formed.gram())
    for one, other in zip(B.on_frames(X, X.T), formed.on_frames(X, X.T), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11)


@pytest.mark.parametrize("family", ["bilinear", "quadratic"])
def test_the_tangent_map_and_what_it_cannot_see(family):
    rng = np.random.default_rng(2)
    A = draw(family, 6, 30, rng)
    U, V = (np.linalg.qr(rng.standard_normal((6, 2)))[0] for _ in range(2))
    V = U * [1, -1] if family == "quadratic" else V
    J, fixed = tangent_map(A, U, V)
    z = rng.standard_normal(J.shape[1])
    if family == "quadratic":
        X = z.reshape(6, 2) @ U.T
    else:
        X = z[:12].reshape(6, 2) @ V.T + U @ z[12:].reshape(6, 2).T
    np.testing.assert_allclose(J @ z, A.forward(X), atol=1e-12)
    np.testing.assert_allclose(fixed @ fixed, fixed, atol=1e-12)
    np.testing.assert_allclose(J @ fixed, 0, atol=1e-12)
    assert round(float(np.trace(fixed))) == (1 if family == "quadratic" else 4)


@pytest.mark.parametrize("family", SIZES)
@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_every_answer_carries_its_gap(family, smoothing):
    size = {"completion": 0.9, "quadratic": 30}.get(family, 55)
    M, ensembles, data = instances(family, d=8, r=1, count=3, size=size)
    data[2] = 1e-3 * np.random.default_rng(0).standard_normal(data[2].size)  # no low rank fits
    solved = solve_instances(ensembles, data, smoothing)
    assert all(one.gap <= CERTIFIED for one in solved)
    for n, one in enumerate(solved):
        np.testing.assert_allclose(ensembles[n].forward(one.X), data[n], atol=1e-9)
    assert np.linalg.norm(solved[0].X - M) <= 1e-6
