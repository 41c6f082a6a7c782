"""States: recovered, certified, of trace one, and honest where the data do not tell them."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.data import load_ion_states
from flatrank.measurements import gaussian, pauli_strings
from flatrank.solvers.states import next_multiplier

slow = pytest.mark.slow
QUBITS = 3
SIZE = 2**QUBITS
EYE = np.eye(3)[None].repeat(4, axis=0)


def a_state(rank, seed=0, size=SIZE):
    rng = np.random.default_rng(seed)
    U = rng.standard_normal((size, rank)) + 1j * rng.standard_normal((size, rank))
    return U @ U.conj().T / np.linalg.norm(U) ** 2


def effects(m, seed=1, size=SIZE):
    rng = np.random.default_rng(seed)
    E = rng.standard_normal((m, size, size)) + 1j * rng.standard_normal((m, size, size))
    return 0.5 * (E + E.conj().transpose(0, 2, 1))


def means(E, rho):
    return np.einsum("ipq,qp->i", E, rho).real


def dense(strings):
    letters = {
        "I": np.eye(2), "X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": np.diag([1, -1]),
    }  # fmt: skip
    out = []
    for string in strings:
        P = np.ones((1, 1))
        for letter in string:
            P = np.kron(P, letters[letter])
        out.append(P)
    return np.array(out)


def few(of, m):
    return np.random.default_rng(0).choice(of, m, replace=False).tolist()


def found(solution):
    U = np.asarray(solution.U)
    return U @ U.conj().T


def real_form(H):
    return np.block([[H.real, -H.imag], [H.imag, H.real]])


def error(solution, rho):
    return np.linalg.norm(found(solution) - rho) / np.linalg.norm(rho)


def gap_of(E, b, X, lam=0.0):
    """λ_max(S) − tr(SX), S = 𝒜*(b − 𝒜(X)) − λ D², from the definition."""
    D2 = np.einsum("ipq,iqr->pr", E, E) / (E.shape[0] * E.shape[1])
    S = np.einsum("i,ipq->pq", b - means(E, X), E) - lam * D2
    return np.linalg.eigvalsh(S)[-1] - np.trace(S @ X).real


BAD = [
    ((EYE, np.ones(5)), {}, "frequencies must hold one number for each of the 4 effects; got 5"),
    ((EYE[0], np.ones(4)), {}, r"effects must be an array \(m, d, d\)"),
    ((EYE[:, :2], np.ones(4)), {}, r"effects must be an array \(m, d, d\)"),
    ((EYE[:0], np.ones(0)), {}, "effects must hold at least one matrix"),
    ((0 * EYE, np.ones(4)), {}, "every effect is zero"),
    ((EYE * np.nan, np.ones(4)), {}, r"effects \(by the largest number of each\) must be finite"),
    ((EYE + np.eye(3, k=1), np.ones(4)), {}, r"effects must be Hermitian; 4 are not"),
    ((EYE[None], np.ones((2, 2))), {}, r"effects have leading axes \(1, 4\); frequencies must"),
    ((EYE, 1j * np.ones(4)), {}, "frequencies must be a vector of real numbers"),
    ((EYE, np.ones(4)), {"lam": -1}, "lam must be a finite number"),
]


@pytest.mark.parametrize(("arguments", "options", "message"), BAD)
def test_bad_input_is_refused_with_a_sentence(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        fr.tomography(*arguments, **options)


def test_only_measurements_of_matrix_matrices_will_do():
    with pytest.raises(ValueError, match="RegeneratedGaussian does not measure Hermitian matrices"):
        fr.tomography(gaussian((4, 4), 3), np.ones(3))


@pytest.mark.parametrize(
    ("qubits", "strings", "message"),
    [
        (0, None, "qubits must be a whole number >= 1"),
        (14, None, "qubits must be at most 13"),
        (2, ["XYZ"], "a Pauli string of 2 qubits is a word of as many letters I, X, Y, Z"),
        (2, ["XA"], "a Pauli string of 2 qubits is a word"),
        (2, [16], r"a Pauli string's number must be below 4\^2; got 16"),
        (2, ["XX", 5], "strings must be distinct; number 5 comes more than once"),
        (2, [], "strings must name at least one Pauli string"),
    ],
)
def test_pauli_strings_are_named_or_numbered(qubits, strings, message):
    with pytest.raises(ValueError, match=message):
        pauli_strings(qubits, strings)


def test_pauli_strings_are_products_of_pauli_matrices():
    A, rho = pauli_strings(QUBITS), a_state(3)
    assert A.labels[0] == "III"
    assert A.labels[27] == "XYZ"
    assert pauli_strings(QUBITS, ["XYZ", 5]).labels == ["XYZ", "IXX"]
    y = np.random.default_rng(0).standard_normal(64)
    values, S = A.of_matrix(np.asarray(rho)), A.matrix(np.asarray(y))
    P = dense(A.labels)
    assert np.allclose(values, means(P, rho), atol=1e-14)
    assert np.allclose(S, np.einsum("i,ipq->pq", y, P), atol=1e-13)


def test_other_solvers_and_other_units_are_refused():
    problem = fr.tomography(EYE, np.ones(4))
    with pytest.raises(ValueError, match="GaussNewton does not keep the trace at one"):
        fr.solve(problem, solver=fr.solvers.GaussNewton())
    with pytest.raises(ValueError, match="StateSearch looks for states"):
        fr.solve(fr.bilinear(np.eye(3), np.eye(3), np.ones(3)), solver=fr.solvers.StateSearch())
    with pytest.raises(ValueError, match="a state has trace one"):
        problem.scaled(2.0)


@pytest.mark.parametrize("which", ["Pauli", pytest.param("dense", marks=slow)])
def test_exact_data_are_recovered_and_proved(which):
    rho = a_state(1)
    A = pauli_strings(QUBITS) if which == "Pauli" else effects(64)
    E = dense(A.labels) if which == "Pauli" else A
    solution = fr.solve(fr.tomography(A, means(E, rho)))
    assert solution.status is fr.Status.CERTIFIED
    assert solution.rank == 1
    assert error(solution, rho) <= 1e-6
    assert solution.certificate.unique
    assert fr.fidelity(solution.U, rho) == pytest.approx(1, abs=1e-9)
    D2 = np.einsum("ipq,iqr->pr", E, E) / (E.shape[0] * SIZE)
    assert solution.certificate.primal == pytest.approx(np.trace(D2 @ rho).real, rel=1e-6)
    again = fr.certify(solution.problem, solution.factors, solution.y)
    assert abs(again.relative_gap) <= 1e-6


def test_noisy_data_are_fitted_as_well_as_a_state_can():
    E, rho = dense(pauli_strings(QUBITS).labels), a_state(1)
    b = means(E, rho) + 0.05 * np.random.default_rng(2).standard_normal(64)
    solution = fr.solve(fr.tomography(pauli_strings(QUBITS), b))
    X = found(solution)
    assert solution.status is fr.Status.CERTIFIED
    assert np.trace(X).real == pytest.approx(1, abs=1e-12)
    value = 0.5 * np.sum((means(E, X) - b) ** 2)
    assert solution.certificate.primal == pytest.approx(value, rel=1e-9)
    assert gap_of(E, b, X) <= 1.01e-6 * value
    # All strings together are an isometry: the answer is the projection of the linear estimate.
    w, Q = np.linalg.eigh(np.einsum("i,ipq->pq", b, E) / SIZE)
    levels = (np.cumsum(w[::-1]) - 1) / np.arange(1, SIZE + 1)
    nearest = (Q * np.maximum(w - levels[np.flatnonzero(w[::-1] > levels)[-1]], 0)) @ Q.conj().T
    assert np.linalg.norm(X - nearest) <= 1e-3


@pytest.mark.parametrize("seed", range(2))
def test_the_bounds_of_any_pair_enclose_the_optimum(seed):
    E, rho = dense(pauli_strings(QUBITS).labels), a_state(1)
    b = means(E, rho) + 0.05 * np.random.default_rng(2).standard_normal(64)
    problem = fr.tomography(pauli_strings(QUBITS), b)
    rng = np.random.default_rng(seed)
    value = 0.5 * np.sum((means(E, rho) - b) ** 2)  # of one state: the optimum is not above it
    pair = (rng.standard_normal((2 * SIZE, 2)), rng.standard_normal((2 * SIZE, 2)))
    for y in (None, rng.standard_normal(64), np.asarray(b), np.zeros(64)):
        certificate = fr.certify(problem, pair, y)
        assert certificate.dual_bound <= value
        assert certificate.primal >= 0.5 * value
    nothing = fr.certify(problem, (np.zeros((2 * SIZE, 1)), np.zeros((2 * SIZE, 1))))
    assert nothing.primal == np.inf


def test_few_strings_end_with_a_state_that_fits_and_no_claim_about_others():
    rho = a_state(3)
    A = pauli_strings(QUBITS, few(64, 20))  # 39 degrees of freedom
    b = means(dense(A.labels), rho)
    solution = fr.solve(fr.tomography(A, b))
    X = found(solution)
    assert error(solution, rho) > 0.05
    assert np.linalg.norm(means(dense(A.labels), X) - b) <= 1e-9 * np.linalg.norm(b)
    assert np.trace(X).real == pytest.approx(1, abs=1e-12)
    assert solution.status is fr.Status.CERTIFIED  # all states are equally flat
    assert not solution.certificate.unique


@pytest.mark.parametrize("lam", [0.0, 1e-3])
def test_a_state_that_is_one_of_many_is_not_called_unique(lam):
    # 20 strings are enough for injectivity on the tangent space of a pure state (15 dimensions),
    # but another state fits: what has to fail is that S falls off the range of X.
    rho = a_state(1)
    A = pauli_strings(QUBITS, few(64, 20))
    E = dense(A.labels)
    problem = fr.tomography(A, means(E, rho), lam=lam)
    u = np.linalg.eigh(rho)[1][:, -1:]
    pair = np.concatenate([u.real, u.imag])
    S = np.einsum("i,ipq->pq", means(E, rho), E)
    toward = means(E, rho) / np.linalg.norm(S, 2)
    for y in (None, np.zeros(20), 1e-8 * toward, -1e-8 * toward, 1e-11 * toward):
        certificate = fr.certify(problem, (pair, pair), y)
        assert certificate.relative_gap <= 1e-3
        assert not certificate.unique


@slow
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("lam", [0.0, 0.5])
def test_the_optimum_is_cvxpys(seed, lam):
    import cvxpy as cp

    size, m = 4, 14
    E, rho = effects(m, seed, size), a_state(1, seed, size)
    b = means(E, rho) + 0.3 * np.random.default_rng(seed).standard_normal(m)
    D2 = np.einsum("ipq,iqr->pr", E, E) / (m * size)
    # The real form: its positive semidefinite matrices have the same optimum, by averaging.
    Y = cp.Variable((2 * size, 2 * size), PSD=True)
    misfit = np.stack([real_form(e).reshape(-1) for e in E]) @ cp.vec(Y, order="C") / 2 - b
    value = cp.Problem(
        cp.Minimize(0.5 * cp.sum_squares(misfit) + lam * cp.trace(real_form(D2) @ Y) / 2),
        [cp.trace(Y) == 2],
    ).solve(solver=cp.CLARABEL)
    solution = fr.solve(fr.tomography(E, b, lam=lam), tol=2e-7)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.primal == pytest.approx(value, rel=1e-6)
    assert solution.certificate.dual_bound == pytest.approx(value, rel=1e-6)
    assert gap_of(E, b, found(solution), lam) <= 2.1e-7 * value


@slow
def test_states_of_three_ions_are_those_published():
    ions = load_ion_states()
    assert ions.frequencies.shape == (20, 27, 8)
    assert np.allclose(ions.effects.sum(axis=1), np.eye(8))
    for frequencies, published in zip(ions.frequencies, ions.published, strict=True):
        solution = fr.solve(fr.tomography(ions.effects, frequencies))
        assert solution.status is fr.Status.CERTIFIED
        assert fr.fidelity(solution.U, published) >= 0.97
        b = frequencies.reshape(-1)
        gap = gap_of(ions.effects.reshape(-1, 8, 8), b, found(solution))
        assert gap <= 1.1e-6 * solution.certificate.primal


@pytest.mark.parametrize(
    "lam", [1e4, *(pytest.param(lam, marks=slow) for lam in (1e10, 1.0, 1e-4, 1e-6, 1e-10))]
)
def test_the_answer_is_a_state_of_trace_one_whatever_the_weight(lam):
    size, m = 4, 20
    E, rho = effects(m, 0, size), a_state(1, 0, size)
    b = means(E, rho)
    problem = fr.tomography(E, b, lam=lam)
    solution = fr.solve(problem)
    X = found(solution)
    D2 = np.einsum("ipq,iqr->pr", E, E) / (m * size)
    value = 0.5 * np.sum((means(E, X) - b) ** 2) + lam * np.trace(D2 @ X).real
    assert solution.status is fr.Status.CERTIFIED
    assert np.trace(X).real == pytest.approx(1, abs=1e-12)
    assert solution.certificate.primal == pytest.approx(value, rel=1e-9)
    assert solution.certificate.dual_bound >= (1 - 1e-6) * value
    if lam >= 1:  # where the residual is a dual point that does
        assert gap_of(E, b, X, lam) <= 1.1e-6 * value
    at_once = fr.solve(problem, max_seconds=0)
    assert at_once.status is fr.Status.DEADLINE
    assert np.trace(found(at_once)).real == pytest.approx(1, abs=1e-12)


def test_steps_towards_a_trace_grow_while_nothing_is_left():
    trail = ((5.0, -1.0), (4.0, -1.0), (2.0, -1.0))
    assert next_multiplier(trail, 1.0) == -2.0
    assert next_multiplier((*trail, (-2.0, 0.5)), 1.0) == pytest.approx(-2.0 + 4 / 3)


PAULI = [np.array(m, complex) for m in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])]
SETTINGS = np.array([[(np.eye(2) + s * m) / 2 for s in (1, -1)] for m in PAULI])
COUNTS = np.array([[60, 40], [52, 48], [90, 10]])


@pytest.mark.parametrize(
    ("effects", "data"),
    [
        (SETTINGS, COUNTS),
        (SETTINGS, COUNTS[:, ::-1].astype(float).ravel()),
        (SETTINGS, np.array([[2, 0], [1, 1], [2, 0]])),
        (SETTINGS, 100.0 * COUNTS / 99.5),
        (fr.measurements.pauli_strings(1), np.array([100.0, 20.0, 4.0, 80.0])),
    ],
)
def test_counts_are_refused_with_what_to_do(effects, data):
    with pytest.raises(ValueError, match=r"look like counts. Divide .*counts\.sum\(axis=-1, keep"):
        fr.tomography(effects, data)


@pytest.mark.parametrize(
    ("effects", "data"),
    [
        (SETTINGS, COUNTS / COUNTS.sum(axis=-1, keepdims=True)),
        (SETTINGS, np.array([[1, 0], [0, 1], [1, 0]])),  # one shot each
        (SETTINGS, np.array([[1.1, -0.1], [0.4, 0.6], [1.3, -0.2]])),  # noise, not from shots
        (5.0 * SETTINGS, 5.0 * COUNTS / 100),
        (fr.measurements.pauli_strings(1), np.array([1.0, 0.2, 0.04, 0.8])),
    ],
)
def test_frequencies_and_mean_values_are_no_counts(effects, data):
    assert np.array_equal(fr.tomography(effects, data).b, data.ravel())
