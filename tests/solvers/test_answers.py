"""What comes back is what was asked for: complex entries, rank zero, factors of any kind."""

import numpy as np
import pytest

import flatrank as fr

N = 3


def complex_vectors(m, n=N, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, n)) + 1j * rng.standard_normal((m, n))


def answer(problem, z):
    """z z* as the solution of a problem about it."""
    U = np.asarray(np.concatenate([z.real, z.imag])[:, None])
    pair, y = fr.FactorPair(U, U), np.zeros(problem.m)
    status, counts = fr.Status.STATIONARY, fr.solvers.Counts()
    return np.outer(z, z.conj()), fr.Solution(pair, y, None, status, counts, [], 0.0, problem)


@pytest.fixture(scope="module")
def state():
    """A pure state, and exact data about it."""
    (z,) = complex_vectors(1, seed=1)
    z = z / np.linalg.norm(z)
    x = complex_vectors(14)
    effects = x[:, :, None] * x[:, None, :].conj()
    return answer(fr.tomography(effects, np.abs(x.conj() @ z) ** 2), z)


@pytest.fixture(scope="module")
def phase():
    """A complex signal of which coordinate 3 is not looked at."""
    x = complex_vectors(16, N + 1)
    x[:, N] = 0
    (z,) = complex_vectors(1, N + 1, seed=1)
    return answer(fr.phase_retrieval(x, np.abs(x.conj() @ z) ** 2), z)


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(0)
    return fr.sensing(rng.standard_normal((12, 4, 3)), np.zeros(12))


def test_entries_of_a_state_are_complex_and_its_own(state):
    rho, solution = state
    rows, cols = np.divmod(np.arange(N * N), N)
    values = np.asarray(solution.entries(rows, cols))
    assert np.abs(values.reshape(N, N) - rho).max() <= 1e-6
    with pytest.raises(ValueError, match="rows must lie between 0 and 2"):
        solution.entries([N], [0])
    assert str(solution).startswith("3 x 3, 14 measurements")


def test_entries_that_no_complex_measurement_sees_are_nan(phase):
    Z, solution = phase
    values = np.asarray(solution.entries([0, 1, 0, 3], [1, 0, 3, 3]))
    assert np.abs(values[:2] - [Z[0, 1], Z[1, 0]]).max() <= 1e-6 * np.abs(Z).max()
    assert np.isnan(values[2:]).all()
    assert solution.unidentifiable["rows"] == [N]
    assert solution.unidentifiable["cols"] == [N]


@pytest.mark.parametrize(
    ("rows", "cols", "message"),
    [
        ([0.5], [0], r"rows must be whole numbers; 1 are not, first rows\[0\] = 0.5"),
        ([0], [[0]], r"cols must be a vector of integers.*shape \(1, 1\) of int64"),
        ([0, 1], [0], "rows and cols must have one length.*got 2 and 1"),
    ],
)
def test_places_are_whole_numbers_in_pairs(state, rows, cols, message):
    with pytest.raises(ValueError, match=message):
        state[1].entries(rows, cols)


def test_no_places_no_entries(state):
    assert state[1].entries([], []).shape == (0,)


def test_complex_factors_are_taken_for_what_they_are(state):
    _, solution = state
    problem, U = solution.problem, np.asarray(solution.U)
    expected = fr.certify(problem, solution.factors)
    for given in ((U, U), solution.U, (U * 1j, U * 1j)):
        certificate = fr.certify(problem, given)
        assert certificate.primal == pytest.approx(expected.primal, rel=1e-12)
        assert certificate.unique
        flatness = fr.flatness_of(problem, given)
        assert flatness.scaled_trace == pytest.approx(solution.flatness.scaled_trace, rel=1e-6)


@pytest.mark.slow
def test_a_search_starts_from_complex_factors(phase):
    _, solution = phase
    expected = fr.solve(solution.problem, start=solution.factors)
    again = fr.solve(solution.problem, start=solution.U)
    assert np.array_equal(again.factors.R, expected.factors.R)
    assert again.counts == expected.counts


def test_complex_numbers_are_not_made_real(state, small):
    pair = (np.ones((4, 1)), np.ones((3, 1)))
    for given in ((1j * pair[0], pair[1]), (pair[0], 1j * pair[1])):
        for ask in (
            lambda given: fr.certify(small, given),
            lambda given: fr.flatness_of(small, given),
            lambda given: fr.solve(small, start=given),
        ):
            with pytest.raises(ValueError, match="X is real and has real factors; got complex128"):
                ask(given)
    with pytest.raises(ValueError, match="y must be 12 finite numbers.*none complex.*complex128"):
        fr.certify(small, pair, 1j * np.ones(12))
    tall = 1j * np.ones((2 * N, 1))
    with pytest.raises(ValueError, match="the real over the imaginary parts, or complex ones of n"):
        fr.certify(state[1].problem, (tall, tall))
    with pytest.raises(ValueError, match=r"L \(6, k\) and R \(6, k\), or complex ones of 3 rows"):
        fr.certify(state[1].problem, (np.ones((2, 1)), np.ones((2, 1))))


@pytest.mark.parametrize("given", [np.ones((4, 3)), [1, 2, 3], None])
def test_a_matrix_is_not_a_pair(small, given):
    with pytest.raises(ValueError, match=r"factors must be a FactorPair or \(L, R\).*numpy.linalg"):
        fr.certify(small, given)
    if given is not None:
        with pytest.raises(ValueError, match="factors must be a FactorPair"):
            fr.solve(small, start=given)


def test_a_state_is_not_its_own_factor(state):
    with pytest.raises(ValueError, match=r"of X = U U\* they are \(U, U\)"):
        fr.certify(state[1].problem, state[0])


def test_factors_hold_numbers(small):
    with pytest.raises(ValueError, match="factors must be arrays of numbers; got <U1"):
        fr.certify(small, ("a", "b"))


def test_rank_zero_is_an_answer(small):
    solution = fr.solve(small)
    assert solution.rank == 0
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.gap == 0
    nothing = (np.zeros((4, 0)), np.zeros((3, 0)))
    assert fr.certify(small, nothing).relative_gap == 0
    rng = np.random.default_rng(1)
    A, b = rng.standard_normal((12, 4, 3)), rng.standard_normal(12)
    for lam in (0.0, 0.5):
        of_nothing = fr.certify(fr.sensing(A, b, lam=lam), nothing)
        of_zero = fr.certify(fr.sensing(A, b, lam=lam), (np.zeros((4, 1)), np.zeros((3, 1))))
        assert of_nothing == of_zero
    table = fr.robust_pca(rng.standard_normal((4, 3)))
    assert fr.certify(table, nothing).primal > 0


def test_a_misfit_is_told_where_the_data_are_zero(state, small):
    X = np.outer([1.0, 2, 0, 1], [1.0, 0, 1])
    misfit = np.linalg.norm(np.einsum("ipj,pj->i", np.asarray(small.measurement.A), X))
    certificate = fr.certify(small, (X, np.eye(3)))
    assert certificate.feasibility == pytest.approx(misfit, rel=1e-5)
    problem = state[1].problem
    zero = fr.tomography(problem.measurement, np.zeros(problem.m))
    of_zero = fr.certify(zero, state[1].factors)
    assert of_zero.feasibility == pytest.approx(np.linalg.norm(np.asarray(problem.b)), rel=1e-6)
    table = fr.robust_pca(np.zeros((4, 3)))
    assert fr.certify(table, (X, np.eye(3))).feasibility == pytest.approx(np.abs(X).sum())


@pytest.mark.parametrize("chance", [-0.1, 1.0, 2, np.nan, np.inf, "small", None, [1e-9]])
def test_a_chance_lies_between_zero_and_one(small, chance):
    pair = (np.ones((4, 1)), np.ones((3, 1)))
    message = r"failure_probability must be a number in \[0, 1\)"
    with pytest.raises(ValueError, match=message):
        fr.certify(small, pair, failure_probability=chance)


def test_a_solvers_chance_is_looked_at_too(small):
    with pytest.raises(ValueError, match=r"failure_probability must be a number in \[0, 1\)"):
        fr.solve(small, solver=fr.solvers.Auto(failure_probability=float("nan")))


@pytest.mark.parametrize("lam", [-1, np.nan, np.inf])
def test_another_lam_is_looked_at_as_the_first_was(small, state, lam):
    for problem in (small, state[1].problem):
        with pytest.raises(ValueError, match="lam must be a finite number >= 0"):
            problem.with_lam(lam)


@pytest.mark.parametrize("given", [np.ones((3, 3)), None, (1, 2)])
def test_what_is_no_problem_is_refused(given):
    pair = (np.ones((3, 1)), np.ones((3, 1)))
    for ask in (
        lambda: fr.solve(given),
        lambda: fr.certify(given, pair),
        lambda: fr.flatness_of(given, pair),
        lambda: fr.path(given),
    ):
        with pytest.raises(ValueError, match="expected a Problem, made by a front door"):
            ask()


def test_a_solver_is_an_instance_of_one(small):
    with pytest.raises(ValueError, match=r"such as flatrank.solvers.GaussNewton\(\); got 'als'"):
        fr.solve(small, solver="als")
    with pytest.raises(ValueError, match=r"such as flatrank.solvers.Lagrangian\(\); got <class"):
        fr.solve(small, solver=fr.solvers.Lagrangian)
