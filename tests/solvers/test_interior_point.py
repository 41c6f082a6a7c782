"""The flattest interpolants of small problems by interior points."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.experiments.cells import rival, seeds
from flatrank.experiments.draws import Ensemble
from flatrank.measurements import explicit
from flatrank.solvers import Auto, InteriorPoint, Lagrangian
from flatrank.solvers.interior_point import InteriorPointState
from flatrank.solvers.lagrangian import LagrangianState
from flatrank.solvers.schur import gram, schur

FAMILIES = ("sensing", "bilinear", "completion", "quadratic")


def posed(family, m=34, d1=9, d2=8, seed=0, smoothing=0.0):
    """Fewer data than fix a matrix of rank 3: the flattest that fits is another one."""
    rng = np.random.default_rng(seed)
    L, R = rng.standard_normal((d1, 3)), rng.standard_normal((d2, 3))
    if family == "sensing":
        A = rng.standard_normal((m, d1, d2))
        return fr.sensing(A, np.einsum("mij,ij->m", A, L @ R.T), smoothing=smoothing)
    if family == "bilinear":
        a, c = rng.standard_normal((m, d1)), rng.standard_normal((m, d2))
        b = np.einsum("mi,ij,mj->m", a, L @ R.T, c)
        return fr.bilinear(a, c, b, smoothing=smoothing)
    if family == "quadratic":
        x = rng.standard_normal((m, d1))
        return fr.quadratic_network(x, ((x @ L) ** 2) @ [1, -1, 1])
    rows, cols = np.divmod(rng.permutation(d1 * d2)[:m], d2)
    return fr.completion(rows, cols, (L @ R.T)[rows, cols], (d1, d2), smoothing=smoothing)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_matrices_agree_with_the_whitened_measurement(family):
    problem, rng = posed(family), np.random.default_rng(1)
    rows, (d1, d2) = explicit(problem.whitened), problem.shape
    assert (rows.vectors() is None) == (family == "sensing")
    X, y = rng.standard_normal((d1, d2)), rng.standard_normal(problem.m)
    B, pair = problem.whitened, fr.FactorPair(X, np.eye(d2))
    np.testing.assert_allclose(rows.forward(X), B.forward(pair), atol=1e-12)
    np.testing.assert_allclose(rows.adjoint(y), B.adjoint(y).right(np.eye(d2)), atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_schur_complement_is_that_of_the_matrices_written_out(family):
    problem, rng = posed(family), np.random.default_rng(1)
    rows, (d1, d2) = explicit(problem.whitened), problem.shape
    B = np.array([rows.adjoint(e) for e in np.eye(problem.m)])
    Bt = B.transpose(0, 2, 1)
    W1, G1 = (S + S.T for S in rng.standard_normal((2, d1, d1)))
    W2, G2 = (S + S.T for S in rng.standard_normal((2, d2, d2)))
    X, Y = rng.standard_normal((2, d1, d2))
    image = 0.5 * (X @ Bt @ Y + Y @ Bt @ X + W1 @ B @ G2 + G1 @ B @ W2)
    want = np.einsum("mij,nij->mn", B, image)
    np.testing.assert_allclose(schur(rows, (W1, W2, X), (G1, G2, Y)), want, atol=1e-9)
    np.testing.assert_allclose(rows.squares(), np.einsum("mij,mij->m", B, B), atol=1e-10)
    np.testing.assert_allclose(gram(rows), np.einsum("mij,nij->mn", B, B), atol=1e-10)


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_answer_is_optimal(family, smoothing):
    problem = posed(family, smoothing=smoothing)
    solution = fr.solve(problem, solver=InteriorPoint())
    proof = solution.certificate
    assert solution.status is fr.Status.CERTIFIED
    assert proof.relative_gap <= 1e-7
    assert proof.feasibility <= 1e-8
    assert solution.counts.steps <= 25
    # Complementarity: S = ℬ*(y) has norm 1, and is U Vᵀ on the range of X̃.
    svd = problem.cone.decompose(problem.whiten(solution.factors))
    S = problem.whitened.adjoint(solution.y).right(np.eye(problem.shape[1]))
    assert np.linalg.norm(S, 2) <= 1 + 1e-12
    assert np.sum(svd.s * np.einsum("ik,ij,jk->k", svd.U, S, svd.V)) == pytest.approx(
        np.sum(svd.s), rel=1e-6
    )
    other = fr.solve(problem, solver=Lagrangian())
    assert proof.primal == pytest.approx(other.certificate.primal, rel=1e-6)
    assert solution.rank == other.rank


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_unit_transpose_and_order_change_nothing(scale):
    rng = np.random.default_rng(1)
    rows, cols = np.divmod(rng.permutation(72)[:34], 8)
    values = rng.standard_normal(34)
    one = fr.solve(fr.completion(rows, cols, values, (9, 8)), solver=InteriorPoint())
    order = rng.permutation(34)
    turned = fr.completion(cols[order], rows[order], scale * values[order], (8, 9))
    other = fr.solve(turned, solver=InteriorPoint())
    assert one.status is other.status is fr.Status.CERTIFIED
    assert (one.rank, one.counts.steps) == (other.rank, other.counts.steps)
    X, Y = (s.factors.L @ s.factors.R.T for s in (one, other))
    np.testing.assert_allclose(Y.T / scale, X, atol=1e-6 * np.linalg.norm(X))


def test_a_matrix_that_the_data_determine_is_found():
    solution = fr.solve(posed("sensing", m=70), solver=InteriorPoint())
    assert solution.rank == 3
    assert solution.certificate.certified(1e-6)


def test_a_row_without_data_and_no_data_but_zeros():
    rows, cols = np.divmod(np.arange(20), 5)
    problem = fr.completion(rows + 1, cols, np.arange(20.0), (5, 5))
    solution = fr.solve(problem, solver=InteriorPoint())
    assert solution.status is fr.Status.CERTIFIED
    nothing = fr.solve(fr.completion([0, 1], [1, 0], [0.0, 0.0], (3, 3)), solver=InteriorPoint())
    assert (nothing.status, nothing.rank) == (fr.Status.CERTIFIED, 0)


def test_the_default_takes_it_where_the_problem_is_small():
    problem, solver = posed("completion"), Auto(goal="flat")
    state = solver.init(problem)
    while state.phase != "flatten":
        state = solver.step(problem, state)
    assert isinstance(state.inner, InteriorPointState)
    assert fr.solve(problem, goal="flat").status is fr.Status.CERTIFIED


def test_what_is_left_out_of_the_rank_is_not_missed_in_the_fit():
    """Singular values of a hundredth of the tolerance together, of which the data see more."""
    problem, _ = Ensemble("quadratic", 3)(28, 165, seeds(0, 28, 165, 4)[3])
    solution = fr.solve(rival(problem)[1], goal="flat")
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.feasibility <= 1e-8


def test_dependent_measurements_are_left_to_the_multiplier_method():
    rng = np.random.default_rng(0)
    A, X = rng.standard_normal((20, 7, 7)), rng.standard_normal((7, 7))
    A = np.concatenate([A, A[:5]])
    problem = fr.sensing(A, np.einsum("mij,ij->m", A, X))
    assert fr.solve(problem, solver=InteriorPoint()).status is fr.Status.STALLED
    solver = Auto(goal="flat")
    state = solver.init(problem)
    while state.phase != "flatten":
        state = solver.step(problem, state)
    assert isinstance(state.inner, LagrangianState)
    assert fr.solve(problem, goal="flat").status is fr.Status.CERTIFIED


@pytest.mark.parametrize(
    "problem",
    [
        lambda: posed("completion").with_lam(1.0),
        lambda: fr.covariance(np.eye(3), np.ones(3)),
        lambda: fr.completion(np.arange(150), np.arange(150), np.ones(150), (150, 150)),
    ],
)
def test_what_it_is_not_for_is_refused(problem):
    with pytest.raises(ValueError, match="InteriorPoint needs lam = 0"):
        fr.solve(problem(), solver=InteriorPoint())
