"""Every function of a pair takes it in every form, and refuses what is none by name."""

from types import SimpleNamespace

import numpy as np
import pytest

import flatrank as fr
from flatrank import theory as th
from flatrank.factors import ComplexPair
from flatrank.measurements import pauli_strings

N = 4


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    return fr.sensing(rng.standard_normal((12, 4, 3)), np.zeros(12))


def functions(problem):
    """By name, of a pair alone."""
    A, D = problem.measurement, problem.rescaling
    truth = np.ones((4, 1)), np.ones((3, 1))
    return {
        "flatness_of": lambda pair: fr.flatness_of(problem, pair),
        "certify": lambda pair: fr.certify(problem, pair).primal,
        "measure_flatness": lambda pair: fr.flatness.measure_flatness(A, pair, D),
        "d_balance": lambda pair: th.d_balance(D, pair),
        "norm_bound": lambda pair: th.norm_bound(D, pair, 1.0),
        "imbalance_bound": lambda pair: th.imbalance_bound(D, pair, 1.0),
        "balance_lemma": lambda pair: th.balance_lemma(D, pair),
        "rescaled_matrix": lambda pair: th.rescaled_matrix(D, pair).s.tolist(),
        "plain_trace": lambda pair: th.plain_trace(A, pair),
        "Hessian": lambda pair: float(th.Hessian.at(A, pair).n),
        "sharpness": lambda pair: th.sharpness(A, pair),
        "visibility": lambda pair: float(th.visibility(A, pair, 2)),
        "incoherence": th.incoherence,
        "weak_recovery_bound": lambda pair: th.weak_recovery_bound(pair, truth, 7),
        "least_product_trace": lambda pair: th.least_product_trace(pair, 3),
        "flattest_product": lambda pair: th.flattest_product(pair, 3)[1].tolist(),
    }


OF_SHAPE = (
    "flatness_of", "certify", "measure_flatness", "d_balance", "norm_bound", "imbalance_bound",
    "balance_lemma", "rescaled_matrix", "plain_trace", "Hessian", "sharpness", "visibility",
    "weak_recovery_bound",
)  # fmt: skip
OF_ANY = ("incoherence", "least_product_trace", "flattest_product")


@pytest.mark.parametrize("name", OF_SHAPE + OF_ANY)
def test_a_pair_its_arrays_and_its_solution_are_the_same(problem, name):
    function = functions(problem)[name]
    rng = np.random.default_rng(1)
    L, R = rng.standard_normal((4, 2)), rng.standard_normal((3, 2))
    pair = fr.FactorPair(np.asarray(L), np.asarray(R))
    solution = SimpleNamespace(factors=pair)
    expected = function(pair)
    assert function((L, R)) == expected
    assert function(solution) == expected
    with pytest.raises(ValueError, match="factors hold NaN or infinite numbers"):
        function((np.full((4, 2), np.nan), R))
    with pytest.raises(ValueError, match=r"factors must be L .* and R .*got \(4, 2\) and \(3, 1\)"):
        function((L, R[:, :1]))
    with pytest.raises(ValueError, match=r"factors must be a FactorPair or \(L, R\)"):
        function(L)
    if name in OF_SHAPE:
        expects = r"\(4, k\) and R \(3, k\).*got \(3, 2\) and \(4, 2\)"
        with pytest.raises(ValueError, match=expects):
            function((R, L))
    if name == "incoherence":  # of complex matrices too
        return
    with pytest.raises(ValueError, match="X (is real and )?has real factors"):
        function((1j * L, R))
    with pytest.raises(ValueError, match="expected factors of a real X|Hermitian .*is square"):
        function(ComplexPair(pair.L, pair.R))


@pytest.fixture(scope="module")
def hermitian():
    """A problem about a state of four levels, U of rank two, and a solution that holds it."""
    rng = np.random.default_rng(2)
    U = rng.standard_normal((N, 2)) + 1j * rng.standard_normal((N, 2))
    U /= np.linalg.norm(U)
    problem = fr.tomography(pauli_strings(2, [0, 1, 6, 11, 14]), np.zeros(5))
    rows = np.asarray(np.concatenate([U.real, U.imag]))
    pair, y = fr.FactorPair(rows, rows), np.zeros(5)
    counts = fr.solvers.Counts()
    solution = fr.Solution(pair, y, None, fr.Status.STATIONARY, counts, [], 0.0, problem)
    return problem, U, solution


def test_complex_factors_say_so_and_are_measured_as_such(hermitian):
    """μ and ‖𝒜(X)‖/‖X‖ of X = U U*, not of the real 2n × 2n matrix that its factors make."""
    problem, U, solution = hermitian
    assert isinstance(solution.factors, ComplexPair)
    assert isinstance(problem.whiten(solution.factors).resized(4), ComplexPair)
    X = U @ U.conj().T
    Q = np.linalg.svd(U)[0][:, :2]
    mu = N / 2 * np.sum(np.abs(Q) ** 2, axis=1).max()
    joint = N**2 / 2 * np.abs(Q @ Q.conj().T).max() ** 2
    seen = fr.measurements.pauli_strings(2, [0, 1, 6, 11, 14])
    turned = U @ np.linalg.qr(np.array([[1, 2j], [3, 1]]))[0]
    forms = (solution, solution.factors, (U, U), (turned, turned))
    for given in forms:
        found = th.incoherence(given)
        assert found.mu == pytest.approx(mu, rel=1e-10)
        assert found.strong == pytest.approx(max(mu, joint), rel=1e-10)
        for p in (1, 2):
            z = np.asarray(seen.forward(fr.FactorPair(solution.factors.L, solution.factors.R)))
            size = np.mean(np.abs(z)) if p == 1 else np.sqrt(np.mean(z**2))
            visible = float(th.visibility(problem.measurement, given, p))
            assert visible == pytest.approx(size / np.linalg.norm(X), rel=1e-10)
    # Of no cone at all: X = L R* with other L and R.
    rng = np.random.default_rng(3)
    V = np.linalg.qr(rng.standard_normal((N, 2)) + 1j * rng.standard_normal((N, 2)))[0]
    both = max(N / 2 * np.sum(np.abs(x) ** 2, axis=1).max() for x in (Q, V))
    joint = N**2 / 2 * np.abs(Q @ V.conj().T).max() ** 2
    assert th.incoherence((Q, V)).mu == pytest.approx(both, rel=1e-10)
    assert th.incoherence((Q, V)).strong == pytest.approx(max(both, joint), rel=1e-10)


def test_what_is_about_real_matrices_refuses_complex_ones(hermitian):
    problem, U, solution = hermitian
    for given in (solution, solution.factors):
        for ask in (
            lambda given: th.least_product_trace(given, 3),
            lambda given: th.flattest_product(given, 3),
            lambda given: th.weak_recovery_bound(given, given, 3),
            lambda given: fr.certify(fr.sensing(np.ones((1, 2 * N, 2 * N)), [1.0]), given),
        ):
            with pytest.raises(ValueError, match="real over the imaginary parts of complex ones"):
                ask(given)
    with pytest.raises(ValueError, match="PauliStrings measures Hermitian matrices"):
        th.search_isometry(problem.measurement, 1)
    for given in ((U, 2 * U), (1j * U, U)):
        for ask in (
            lambda given: fr.flatness_of(problem, given),
            lambda given: th.d_balance(problem.rescaling, given),
            lambda given: fr.flatness.symmetric_trace(problem.measurement, given, problem.b),
        ):
            with pytest.raises(ValueError, match="factors of a Hermitian .*must be L = R = U"):
                ask(given)
    with pytest.raises(ValueError, match="p must be 1 or 2"):
        th.visibility(problem.measurement, solution, 3)


def test_the_trace_of_u_is_of_symmetric_pairs_and_measurements():
    rng = np.random.default_rng(0)
    x, U = rng.standard_normal((7, N)), rng.standard_normal((N, 2))
    network = fr.quadratic_network(x, np.ones(7))
    A, b = network.measurement, network.b
    for given in ((U, 2 * U), (U, U[::-1]), (U, 0 * U)):
        for ask in (
            lambda given: fr.flatness.symmetric_trace(A, given, b),
            lambda given: th.sharpness(A, given, symmetric=True),
            lambda given: th.sharpness(A, given, sphere=True),
            lambda given: fr.flatness_of(network, given),
        ):
            with pytest.raises(ValueError, match="must be L = U E and R = U, E = diag"):
                ask(given)
    with pytest.raises(ValueError, match="factors of a positive semidefinite.* L = R = U"):
        fr.flatness_of(fr.covariance(x, np.ones(7)), (U, -U))
    with pytest.raises(ValueError, match="U = 0 lies on no sphere"):
        th.sharpness(A, (0 * U, 0 * U), sphere=True)
    skew = fr.sensing(rng.standard_normal((7, N, N)), np.ones(7))
    with pytest.raises(ValueError, match="the measurement tells X from its transpose"):
        fr.flatness.symmetric_trace(skew.measurement, (U, U), skew.b)
    long = fr.sensing(rng.standard_normal((7, N, 3)), np.ones(7)).measurement
    with pytest.raises(ValueError, match="a symmetric matrix is square"):
        th.sharpness(long, (U, U[:3]), symmetric=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: th.hadamard_trace(np.ones(2), 1j * np.ones((2, 2))), "factors must be rows of"),
        (lambda: th.hadamard_trace(np.ones(3), np.ones((2, 2))), "one number for each entry.*3"),
        (lambda: th.flattest_hadamard(1j * np.ones(2), 2), "x must be a vector of finite real"),
        (lambda: th.least_hadamard_trace(np.ones(2), np.array([1, np.inf]), 2), "x must be"),
        (lambda: th.least_hadamard_trace(np.ones(3), np.ones(2), 2), "got 3 for 2"),
        (lambda: th.product_trace([1j * np.eye(2), np.eye(2)]), "factors must be rows of finite"),
    ],
)
def test_depth_is_about_real_numbers(call, message):
    with pytest.raises(ValueError, match=message):
        call()
