"""Exact data of measurements of any condition: solved where something fits, and said when not."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.problems import equalised

SHAPE, COUNT = (8, 7), 45


def conditioned(condition, seed, rank):
    """Aᵢ of full row rank with this condition number, and exact data of a matrix."""
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.standard_normal((COUNT, COUNT)))[0]
    V = np.linalg.qr(rng.standard_normal((SHAPE[0] * SHAPE[1], COUNT)))[0]
    A = ((U * np.geomspace(1, 1 / condition, COUNT)) @ V.T).reshape(COUNT, *SHAPE)
    X = rng.standard_normal((SHAPE[0], rank)) @ rng.standard_normal((rank, SHAPE[1]))
    return A, A.reshape(COUNT, -1) @ X.reshape(-1), X


def product(solution):
    return np.asarray(solution.factors.L) @ np.asarray(solution.factors.R).T


FEW = [(1e4, 0, 1), (1e8, 1, 1), (1e6, 2, 7)]
ALL = [(c, s, r) for c in 10.0 ** np.arange(0, 9, 2) for s in range(10) for r in (1, 7)]


# Rank 7 has as many degrees of freedom as there are data, or more: the default call says so.
@pytest.mark.filterwarnings("ignore::flatrank.solvers.solve.NoisyDataWarning")
@pytest.mark.parametrize(
    ("condition", "seed", "rank"),
    FEW + [pytest.param(*case, marks=pytest.mark.slow) for case in ALL if case not in FEW],
)
def test_exact_data_are_fitted_and_certified_whatever_the_condition(condition, seed, rank):
    A, b, X = conditioned(condition, seed, rank)
    for goal in ("recover", "flat"):
        solution = fr.solve(fr.sensing(A, b), goal=goal)
        assert solution.status is fr.Status.CERTIFIED
        assert solution.certificate.feasibility <= 1e-6
        misfit = A.reshape(COUNT, -1) @ product(solution).reshape(-1) - b
        assert np.linalg.norm(misfit) <= 1e-6 * np.linalg.norm(b)
        if rank == 1:
            # At 1e8 rounding leaves the conditions that imply it no room.
            assert solution.certificate.unique or condition > 1e7
            assert np.linalg.norm(product(solution) - X) <= 1e-16 * 1e2 * condition + 1e-9
        assert solution.y.shape == (COUNT,)


def test_a_certificate_from_outside_agrees():
    """With the dual point of the answer, from the factors alone, and of a worse pair."""
    A, b, X = conditioned(1e6, 0, 1)
    problem = fr.sensing(A, b)
    solution = fr.solve(problem)
    for y in (solution.y, None):
        again = fr.certify(problem, solution.factors, y)
        assert again.certified(1e-6)
        assert again.primal == pytest.approx(solution.certificate.primal, rel=1e-6)
    worse = fr.certify(problem, (np.zeros((SHAPE[0], 1)), np.zeros((SHAPE[1], 1))), solution.y)
    assert worse.primal >= solution.certificate.dual_bound
    assert worse.feasibility == 1.0
    # The dual point in the user's own equations.
    whitened = [np.asarray(D) for D in problem.rescaling.inverse]
    S = whitened[0] @ np.einsum("i,ipq->pq", np.asarray(solution.y), A) @ whitened[1]
    assert np.linalg.norm(S, 2) <= 1 + 1e-8
    assert b @ np.asarray(solution.y) == pytest.approx(solution.certificate.primal, rel=1e-6)


def test_better_equations_have_the_same_solutions_and_duals():
    A, b, _ = conditioned(1e5, 3, 7)
    problem = fr.sensing(A, b)
    even = equalised(problem)
    s = np.linalg.svd(np.asarray(even.problem.measurement.A).reshape(COUNT, -1))[1]
    M = problem.whitened.written().reshape(COUNT, -1)
    y = np.random.default_rng(0).standard_normal(COUNT)
    other = np.asarray(even.dual_of(np.asarray(y)))
    assert s[0] <= 1
    assert s[-1] >= 0.9
    assert np.asarray(even.back(np.asarray(other))) == pytest.approx(y, rel=1e-9)
    assert other @ np.asarray(even.problem.b) == pytest.approx(y @ b, rel=1e-9)
    rows = np.asarray(even.problem.measurement.A).reshape(COUNT, -1)
    assert np.allclose(other @ rows, y @ M, atol=1e-10)


@pytest.mark.parametrize("kind", ["well conditioned", "penalised", "entries", "large"])
def test_other_problems_are_left_as_they_are(kind):
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((20, *SHAPE)), rng.standard_normal(20)
    ill, data, _ = conditioned(1e6, 0, 1)
    problem = {
        "well conditioned": lambda: fr.sensing(A, b),
        "penalised": lambda: fr.sensing(ill, data, lam=0.1),
        "entries": lambda: fr.completion([0, 1], [1, 0], [1.0, 2.0], (2, 2)),
        "large": lambda: fr.sensing(fr.measurements.gaussian((30, 30), 4000), np.ones(4000)),
    }[kind]()
    assert equalised(problem) is None


def contradiction(kind):
    """A problem that nothing fits."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((30, 6, 5))
    X = np.outer(rng.standard_normal(6), rng.standard_normal(5))
    if kind == "twice the same":
        A[1] = A[0]
        return fr.sensing(A, np.einsum("ipq,pq->i", A, X) + np.eye(30)[0])
    if kind == "noise":
        A = rng.standard_normal((40, 6, 5))
        return fr.sensing(A, np.einsum("ipq,pq->i", A, X) + 1e-6 * rng.standard_normal(40))
    if kind == "ill-conditioned":
        A, b, _ = conditioned(1e6, 0, 1)
        A[1] = A[0]
        return fr.sensing(A, b)
    if kind == "bilinear":
        a, c = rng.standard_normal((40, 6)), rng.standard_normal((40, 5))
        return fr.bilinear(a, c, rng.standard_normal(40))
    x = rng.standard_normal((30, 6))
    return fr.quadratic_network(x, rng.standard_normal(30))


@pytest.mark.parametrize("kind", ["twice the same", "noise", "ill-conditioned", "bilinear", "net"])
def test_a_contradiction_is_proved_by_a_combination_of_the_measurements(kind):
    """Farkas: ℬ*(y) = 0 to rounding and bᵀy > 0, and so the certificate and the status say."""
    problem = contradiction(kind)
    solution = fr.solve(problem)
    assert solution.status is fr.Status.INFEASIBLE
    assert solution.certificate.infeasible
    assert solution.certificate.gap == solution.certificate.relative_gap == np.inf
    assert "no matrix was found to fit, and none can" in str(solution.certificate)
    y, b = np.asarray(solution.y), np.asarray(problem.b)
    S = np.einsum("i,ipq->pq", y, problem.measurement.written())
    assert np.linalg.norm(S) <= 1e-12 * np.linalg.norm(y)
    assert b @ y >= 1e-8 * np.linalg.norm(b) * np.linalg.norm(y) > 0


def test_what_is_neither_fitted_nor_refuted_says_so():
    """So ill-conditioned that rounding decides: a misfit is named, and no impossibility."""
    A, b, _ = conditioned(1e12, 0, 7)
    certificate = fr.certify(fr.sensing(A, b), (np.zeros((8, 1)), np.zeros((7, 1))))
    assert not certificate.infeasible
    solution = fr.solve(fr.sensing(A, b), max_seconds=30)
    assert solution.status is not fr.Status.INFEASIBLE
    open_ = fr.Certificate(np.inf, 2.0, np.inf, np.inf, 3e-5, 1.0, "exact", 0.0, False)
    assert "the misfit left, 3.0e-05 of the data, was not made to vanish" in str(open_)
    assert "at least 2 " in str(open_)
    assert not open_.infeasible
