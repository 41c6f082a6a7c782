"""Batches of small instances: the same map, rescaling and gap as the library's own."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.experiments.cells import RECOVERED, _roots, solve_cell, solve_draws
from flatrank.experiments.duality import duality_gap, least_squares_dual, off_tangent_norm, smallest
from flatrank.experiments.ensembles import Vectors, draw
from flatrank.experiments.interior import interior_point

SIZES = {"sensing": 40, "bilinear": 45, "completion": 0.7, "quadratic": 32}


def truth(rng, d=8, r=2):
    M = rng.standard_normal((d, r)) @ rng.standard_normal((r, d))
    return M / np.linalg.norm(M)


def signed(rng, d=8):
    U = rng.standard_normal((d, 2))
    M = (U * [1, -1]) @ U.T
    return M / np.linalg.norm(M)


def instance(family, seed=0):
    """An ensemble, M, and the library's problem of the same data."""
    rng = np.random.default_rng(seed)
    A, M = draw(family, 8, SIZES[family], rng), truth(rng)
    if family == "quadratic":
        M = signed(rng)
    b = A.forward(M)

    def problem(smoothing):
        if family == "sensing":
            return fr.sensing(A.A, b, smoothing=smoothing)
        if family == "bilinear":
            return fr.bilinear(A.a, A.c, b, smoothing=smoothing)
        if family == "quadratic":
            return fr.quadratic_network(A.a, b)
        rows, cols = A.a.argmax(1), A.c.argmax(1)
        return fr.completion(rows, cols, b, (8, 8), smoothing=smoothing)

    return A, M, b, problem


@pytest.mark.parametrize("family", SIZES)
def test_products_agree_with_the_matrices_written_out(family):
    rng = np.random.default_rng(1)
    A = draw(family, 5, 0.6 if family == "completion" else 9, rng)
    rows = A.rows()
    B = rows.reshape(A.m, 5, 5)
    X, y = rng.standard_normal((5, 5)), rng.standard_normal(A.m)
    np.testing.assert_allclose(A.forward(X), rows @ X.ravel(), atol=1e-13)
    np.testing.assert_allclose(A.matrix(y), np.einsum("m,mij->ij", y, B), atol=1e-13)
    np.testing.assert_allclose(A.gram(), rows @ rows.T, atol=1e-12)
    left, right = A.grams()
    np.testing.assert_allclose(left, np.einsum("mij,mkj->ik", B, B), atol=1e-12)
    np.testing.assert_allclose(right, np.einsum("mij,mik->jk", B, B), atol=1e-12)
    U, V = rng.standard_normal((2, 5, 3))
    left, right = A.on_frames(U, V)
    np.testing.assert_allclose(left, B @ V, atol=1e-12)
    np.testing.assert_allclose(right, B.transpose(0, 2, 1) @ U, atol=1e-12)
    symmetric = [S + S.T for S in rng.standard_normal((4, 5, 5))]
    (W1, W2, G1, G2), Y = symmetric, rng.standard_normal((5, 5))
    Bt = B.transpose(0, 2, 1)
    image = 0.5 * (X @ Bt @ Y + Y @ Bt @ X + W1 @ B @ G2 + G1 @ B @ W2)
    want = np.einsum("mij,nij->mn", B, image)
    np.testing.assert_allclose(A.schur((W1, W2, X), (G1, G2, Y)), want, atol=1e-10)
    np.testing.assert_allclose(
        A.whitened(W1, W2).rows(), (W1 @ B @ W2).reshape(A.m, -1), atol=1e-11
    )


@pytest.mark.parametrize(
    ("family", "smoothing"),
    [
        ("sensing", 0.0),
        ("quadratic", 0.0),
        pytest.param("bilinear", 0.0, marks=pytest.mark.slow),
        pytest.param("completion", 1.0, marks=pytest.mark.slow),
    ],
)
def test_gap_and_rescaling_are_those_of_the_certificate(family, smoothing):
    A, M, b, problem = instance(family)
    P = problem(smoothing)
    squares = [G / (A.m * 8) for G in A.grams()]
    (D1, Q1), (D2, Q2) = (_roots(square, smoothing) for square in squares)
    B = A.whitened(Q1, Q2)
    U, s, Vt = np.linalg.svd(D1 @ M @ D2)
    ours = least_squares_dual(B, U[:, :2], Vt[:2].T)
    X, interior = interior_point(B, b)
    for candidate, y in ((M, ours), (M, interior), (Q1 @ X @ Q2, interior)):
        gap = duality_gap(B, b, D1 @ candidate @ D2, y)
        u, s, vt = np.linalg.svd(candidate)
        k = int((s > 1e-13).sum())
        pair = (u[:, :k] * s[:k], vt[:k].T)
        proof = fr.certify(P, pair, y)
        assert gap.primal == pytest.approx(proof.primal, rel=1e-10)
        # The certificate bounds the norm by parts: never below ours, and equal at a solution.
        assert proof.dual_bound <= gap.dual * (1 + 1e-10)
        if gap.relative < 1e-6:
            assert gap.relative == pytest.approx(proof.relative_gap, abs=1e-6)
    theirs = P.whitened.adjoint(np.asarray(ours)).right(np.eye(8))
    np.testing.assert_allclose(np.asarray(theirs), B.matrix(ours), atol=1e-11)


@pytest.mark.parametrize("m", [15, 40])
def test_interior_points_are_feasible_and_close_the_gap(m):
    rng = np.random.default_rng(2)
    B, M = draw("sensing", 8, m, rng), truth(rng)
    b = B.forward(M)
    X, y = interior_point(B, b)
    assert np.linalg.norm(B.forward(X) - b) <= 1e-12 * np.linalg.norm(b)
    assert np.linalg.norm(B.matrix(y), 2) <= 1 + 1e-12
    assert -1e-13 <= duality_gap(B, b, X, y).relative <= 1e-7
    # Fewer data than degrees of freedom: certified, and not the truth.
    assert (np.linalg.norm(X - M) <= RECOVERED) == (m == 40)


def test_interior_points_agree_with_a_strict_dual():
    rng = np.random.default_rng(3)
    B, M = draw("sensing", 16, 230, rng), truth(rng, 16)
    U, _, Vt = np.linalg.svd(M)
    U, V = U[:, :2], Vt[:2].T
    y = least_squares_dual(B, U, V)
    S = B.matrix(y)
    np.testing.assert_allclose(S @ V, U, atol=1e-11)
    np.testing.assert_allclose(S.T @ U, V, atol=1e-11)
    assert off_tangent_norm(B, y, U, V) < 1
    assert duality_gap(B, B.forward(M), M, y).relative <= 1e-13
    assert np.linalg.norm(interior_point(B, B.forward(M))[0] - M) <= 1e-7


def test_of_symmetric_matrices_the_dual_is_the_shortest_and_interior_points_find_them():
    rng = np.random.default_rng(7)
    B, M = draw("quadratic", 12, 60, rng), signed(rng, 12)
    b = B.forward(M)
    U, _, Vt = np.linalg.svd(M)
    U, V = U[:, :2], Vt[:2].T
    y = least_squares_dual(B, U, V)
    np.testing.assert_allclose(B.matrix(y) @ U, V, atol=1e-11)
    # The shortest of all that do: it lies in the range of ℬ on the tangent space.
    rows = np.einsum("mi,mj->mij", B.a, B.a @ U).reshape(B.m, -1)
    np.testing.assert_allclose(y, np.linalg.lstsq(rows.T, V.ravel(), rcond=None)[0], atol=1e-11)
    X, _ = interior_point(B, b)
    np.testing.assert_allclose(X, X.T, atol=1e-9)
    assert np.linalg.norm(X - M) <= 1e-7


def test_a_misfit_is_charged():
    rng = np.random.default_rng(4)
    B, M = draw("sensing", 6, 20, rng), truth(rng, 6)
    b = B.forward(M)
    gap = duality_gap(B, b, 0.9 * M, np.zeros(B.m))
    repaired = 0.9 * M + smallest(B, b - B.forward(0.9 * M))
    np.testing.assert_allclose(B.forward(repaired), b, atol=1e-12)
    assert gap.primal >= np.linalg.norm(repaired, "nuc")
    assert gap.relative == 1.0


def test_data_outside_the_range_have_no_upper_bound():
    B = Vectors(np.ones((2, 3)), np.ones((2, 3)))
    gap = duality_gap(B, np.array([1.0, 2.0]), np.zeros((3, 3)), np.zeros(2))
    assert gap.relative == np.inf


def test_a_row_that_is_never_seen_is_not_recovered():
    rng = np.random.default_rng(5)
    rows, cols = np.nonzero(np.ones((6, 6)))
    seen = rows > 0
    A = Vectors(np.eye(6)[rows[seen]], np.eye(6)[cols[seen]])
    (one,) = solve_draws([A], truth(rng, 6))
    assert one.certified == (True, True)
    assert one.recovered == (False, False)
    assert one.kappa == np.inf
    assert np.isnan(one.excess)


def test_nothing_seen_gives_zero():
    M = truth(np.random.default_rng(6), 4)
    (one,) = solve_draws([Vectors(np.zeros((0, 4)), np.zeros((0, 4)))], M)
    assert one.error == pytest.approx((1.0, 1.0))
    assert one.gap == (0.0, 0.0)


def test_more_measurements_recover_more():
    shares = [solve_cell("sensing", 8, m, 2, 6, 0) for m in (20, 40, 60)]
    flat = [cell.share(0) for cell in shares]
    assert flat == sorted(flat)
    assert flat[0] == 0.0
    assert flat[-1] == 1.0
    assert sum(cell.uncertified for cell in shares) == 0


def test_a_cell_is_its_seed():
    first = solve_cell("bilinear", 6, 30, 2, 3, 1)
    assert first == solve_cell("bilinear", 6, 30, 2, 3, 1)
    assert first != solve_cell("bilinear", 6, 30, 2, 3, 2)
