"""Symmetric unknowns: recovered, certified, and honest where the data are too few or wrong."""

from dataclasses import replace

import numpy as np
import pytest

import flatrank as fr

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 3)), RNG.standard_normal(6)
SIZE, COUNT = 16, 100
slow = pytest.mark.slow
FAMILIES = ["covariance", "quadratic_network", "phase_retrieval"]


def changed(x, place, value):
    x = np.array(x)
    x[place] = value
    return x


BAD = [
    ((X[:5], Y), {}, "x and y must have one length; got 5 and 6"),
    ((X, Y[:, None]), {}, "y must be a vector of real numbers"),
    ((X, 1j * Y), {}, "y must be a vector of real numbers"),
    ((Y, Y), {}, "x must be a matrix of real numbers"),
    ((X, changed(Y, 2, np.nan)), {}, r"y must be finite; 1 are not, first y\[2\]"),
    ((changed(X, (5, 1), np.inf), Y), {}, r"x must be finite; 1 are not, first x\[5, 1\]"),
    ((1e-60 * X, Y), {}, "largest of x is .* common unit"),
    ((X[:, :0], Y), {}, "x must hold at least one vector of one number"),
    ((0 * X, Y), {}, "every measurement is zero"),
    ((X, Y), {"lam": -1.0}, "lam must be a finite number"),
]


@pytest.mark.parametrize(("arguments", "options", "message"), BAD)
def test_covariance_refuses_bad_input_with_a_sentence(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        fr.covariance(*arguments, **options)


@pytest.mark.parametrize("door", [fr.quadratic_network, fr.phase_retrieval])
def test_so_do_the_others(door):
    for arguments, options, message in BAD:
        with pytest.raises(ValueError, match=message):
            door(*arguments, **options)


@pytest.mark.parametrize("door", [fr.covariance, fr.quadratic_network])
def test_some_want_real_vectors(door):
    with pytest.raises(ValueError, match="x must be a matrix of real numbers"):
        door(1j * X, Y)


def test_phase_retrieval_refuses_bad_complex_vectors():
    for x, message in (
        (
            changed(1j * X, (5, 1), complex(0, np.inf)),
            r"x.imag must be finite; .* first x.imag\[5, 1\]",
        ),
        (1e-60j * X, "largest of x is .* common unit"),
        (1j * X[:5], "x and y must have one length; got 5 and 6"),
        (0j * X, "every measurement is zero"),
    ):
        with pytest.raises(ValueError, match=message):
            fr.phase_retrieval(x, Y)


def instance(family, m=COUNT, rank=2, noise=0.0, size=SIZE):
    """A problem, and the matrix behind it."""
    rng = np.random.default_rng(3)
    rank = 1 if family == "phase_retrieval" else rank
    x, U, signs = rng.standard_normal((m, size)), rng.standard_normal((size, rank)), np.ones(rank)
    if family == "phase_retrieval":
        x, U = x + 1j * rng.standard_normal(x.shape), U + 1j * rng.standard_normal(U.shape)
    if family == "quadratic_network":
        signs[-1] = -1
    truth = (U * signs) @ U.conj().T
    y = np.abs(x.conj() @ U) ** 2 @ signs
    y = y + noise * np.std(y) * rng.standard_normal(m)
    return getattr(fr, family)(x, y), truth


def error(problem, solution, truth):
    signs = np.sign(np.sum(np.asarray(solution.factors.L * solution.factors.R), axis=0))
    U = np.asarray(solution.U)
    return np.linalg.norm((U * signs) @ U.conj().T - truth) / np.linalg.norm(truth)


def eigenvalues(problem, y):
    """Of D⁻¹𝒜*(y)D⁻¹, dense, from the definition."""
    x = np.asarray(problem.measurement.x)
    d = x.shape[1]
    D2 = np.einsum("i,ip,iq->pq", np.sum(np.abs(x) ** 2, axis=1), x, x.conj()) / (x.shape[0] * d)
    root = np.linalg.cholesky(D2)
    S = (x.T * np.asarray(y)) @ x.conj()
    return np.linalg.eigvalsh(np.linalg.solve(root, np.linalg.solve(root, S).conj().T))


@pytest.mark.parametrize("family", FAMILIES)
def test_exact_data_are_recovered_and_proved(family):
    problem, truth = instance(family)
    solution = fr.solve(problem)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.rank == np.linalg.matrix_rank(truth)
    assert error(problem, solution, truth) <= 1e-6
    assert solution.certificate.unique
    assert solution.flatness.excess == pytest.approx(1, abs=1e-9)
    assert np.allclose(np.abs(solution.factors.L), np.abs(solution.factors.R), atol=0)
    if problem.cone.positive:
        assert np.array_equal(solution.factors.L, solution.factors.R)
    assert eigenvalues(problem, solution.y)[-1] <= 1 + 1e-9
    # The proof holds again from the factors and the dual alone, and the primal is the trace.
    again = fr.certify(problem, solution.factors, solution.y)
    assert abs(again.relative_gap) <= 1e-6


@pytest.mark.parametrize("family", [pytest.param(name, marks=slow) for name in FAMILIES])
def test_noisy_data_are_penalised_and_proved(family):
    problem, truth = instance(family, noise=0.05)
    problem = problem.with_lam(0.1 * fr.solvers.largest_lam(problem))
    solution = fr.solve(problem)
    assert solution.status is fr.Status.CERTIFIED
    assert error(problem, solution, truth) <= 0.5  # shrunk
    assert eigenvalues(problem, solution.y)[-1] <= problem.lam * (1 + 1e-9)


def test_nothing_is_the_answer_from_the_largest_lam_on():
    problem, _ = instance("covariance", noise=0.05)
    solution = fr.solve(problem.with_lam(1.01 * fr.solvers.largest_lam(problem)))
    assert solution.status is fr.Status.CERTIFIED
    assert solution.rank == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_bounds_of_any_pair_enclose_the_optimum(seed):
    """λ > 0: whatever the pair (not symmetric, not positive) and whatever the dual point."""
    problem, _ = instance("covariance", noise=0.05)
    problem = problem.with_lam(0.1 * fr.solvers.largest_lam(problem))
    best = fr.solve(problem).certificate
    rng = np.random.default_rng(seed)
    pair = (rng.standard_normal((SIZE, 2)), rng.standard_normal((SIZE, 2)))
    for y in (None, rng.standard_normal(COUNT), -np.asarray(problem.b), np.zeros(COUNT)):
        certificate = fr.certify(problem, pair, y)
        assert certificate.dual_bound <= best.primal * (1 + 1e-12)
        assert certificate.primal >= best.dual_bound * (1 - 1e-12)


def test_a_pair_is_certified_as_the_nearest_matrix_that_may_be():
    problem, _ = instance("covariance", noise=0.05)
    problem = problem.with_lam(0.1 * fr.solvers.largest_lam(problem))
    rng = np.random.default_rng(1)
    L, R = rng.standard_normal((SIZE, 2)), rng.standard_normal((SIZE, 2))
    root = np.asarray(problem.rescaling.D1)
    w, Q = np.linalg.eigh(root @ (L @ R.T + R @ L.T) @ root / 2)
    near = np.linalg.solve(root, (Q * np.maximum(w, 0)) @ Q.T @ np.linalg.inv(root))
    x = np.asarray(problem.measurement.x)
    misfit = np.einsum("ip,pq,iq->i", x, near, x) - np.asarray(problem.b)
    value = 0.5 * np.sum(misfit**2) + problem.lam * np.maximum(w, 0).sum()
    assert fr.certify(problem, (L, R)).primal == pytest.approx(value, rel=1e-9)


def test_another_solver_is_refused_with_a_sentence():
    problem, _ = instance("covariance")
    with pytest.raises(ValueError, match="AlternatingLeastSquares does not keep X symmetric"):
        fr.solve(problem, solver=fr.solvers.AlternatingLeastSquares(rank=2))


@pytest.mark.filterwarnings("ignore::flatrank.solvers.solve.NoisyDataWarning")
@slow
@pytest.mark.parametrize("family", ["covariance"])
def test_too_few_measurements_are_never_called_recovery(family):
    problem, truth = instance(family, m=40, rank=4)  # 58 degrees of freedom
    solution = fr.solve(problem)
    assert error(problem, solution, truth) > 0.05
    assert solution.status is not fr.Status.IDENTIFIABLE
    assert not solution.certificate.unique


@slow
def test_data_that_no_positive_matrix_fits_are_never_certified():
    """yᵢ < 0 for one vector: a symmetric matrix fits all, a positive semidefinite one does not."""
    problem, _ = instance("covariance", m=40)
    y = changed(problem.b, 0, -1.0)
    x = np.asarray(problem.measurement.x)
    solution = fr.solve(fr.covariance(x, y), max_seconds=20)
    assert solution.status in (fr.Status.STALLED, fr.Status.INFEASIBLE, fr.Status.DEADLINE)
    assert solution.certificate.relative_gap > 1e-3


@slow
@pytest.mark.parametrize("lam", [0.0, 0.1])
@pytest.mark.parametrize("family", ["covariance", "quadratic_network", "real phase", "phase"])
def test_the_optimum_is_cvxpys(family, lam):
    """Ten instances of one shape, D from its definition; lam is relative to the largest datum."""
    import cvxpy as cp

    d, m, complex_ = 5, 9, family == "phase"
    real = cp.real if complex_ else lambda x: x
    positive, rank = family != "quadratic_network", 1 if family.endswith("phase") else 2
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x, U = rng.standard_normal((m, d)), rng.standard_normal((d, rank))
        if complex_:
            x, U = x + 1j * rng.standard_normal(x.shape), U + 1j * rng.standard_normal(U.shape)
        signs = np.array([1.0, 1.0 if positive else -1.0])[:rank]
        y = np.sum(np.abs(x.conj() @ U) ** 2 * signs, axis=1)
        # At twice the λ the interior-point method says that it may be inaccurate.
        weight = lam * np.abs(y).max() / (1 + complex_)
        D2 = np.einsum("i,ip,iq->pq", np.sum(np.abs(x) ** 2, axis=1), x, x.conj()) / (m * d)
        w, Q = np.linalg.eigh(D2)
        white = x @ ((Q / np.sqrt(w)) @ Q.conj().T).T  # rows D⁻¹ xᵢ
        Z = cp.Variable((d, d), **{"hermitian" if complex_ else "symmetric": True})
        size = real(cp.trace(Z)) if positive else cp.normNuc(Z)
        forms = np.einsum("ip,iq->ipq", white.conj(), white).reshape(m, -1)
        misfit = real(forms @ cp.vec(Z, order="C")) - y
        cone = [Z >> 0] if positive else []
        ask = (
            cp.Problem(cp.Minimize(size), [misfit == 0, *cone])
            if lam == 0
            else cp.Problem(cp.Minimize(0.5 * cp.sum_squares(misfit) + weight * size), cone)
        )
        value = ask.solve(solver=cp.CLARABEL)
        door = getattr(fr, "phase_retrieval" if rank == 1 else family)
        solution = fr.solve(door(x, y, lam=weight), goal="flat", tol=2e-7)
        assert solution.status is fr.Status.CERTIFIED
        assert solution.certificate.primal == pytest.approx(value, rel=1e-6)
        assert solution.certificate.dual_bound == pytest.approx(value, rel=1e-6)


def test_a_matrix_that_need_not_be_symmetric_has_no_such_factor():
    problem, _ = instance("covariance", noise=0.05)
    solution = fr.solve(problem.with_lam(1.01 * fr.solvers.largest_lam(problem)))
    x = np.ones((4, 3))
    with pytest.raises(ValueError, match="X need not be symmetric"):
        _ = replace(solution, problem=fr.bilinear(x, x, np.ones(4))).U


def signal(n, seed=3):
    rng = np.random.default_rng(seed)
    return rng, rng.standard_normal(n) + 1j * rng.standard_normal(n)


def distance(solution, z):
    """‖U[:, 0] − z‖/‖z‖ up to a number of size one."""
    found = np.asarray(solution.U)[:, 0]
    phase = np.vdot(found, z) / abs(np.vdot(found, z))
    return np.linalg.norm(phase * found - z) / np.linalg.norm(z)


def diffracted(n, count, noise=0.0):
    """A problem of coded diffraction, and its signal."""
    rng, z = signal(n)
    A = fr.measurements.coded_diffraction(n, count, seed=1)
    y = np.abs(np.fft.fft(np.asarray(A.masks) * z, axis=1)).ravel() ** 2
    return fr.phase_retrieval(A, y + noise * np.std(y) * rng.standard_normal(A.m)), z


def test_coded_diffraction_patterns_give_the_signal():
    problem, z = diffracted(32, 12)
    solution = fr.solve(problem)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.unique
    assert solution.rank == 1
    assert distance(solution, z) <= 1e-6
    assert problem.rescaling.D1.ndim == 1
    assert "this is proved to be the only one that fits" in str(solution)
    proof = replace(solution.certificate, unique=False)
    assert "it need not be the matrix that was measured" in str(
        replace(solution, certificate=proof)
    )
    assert "meaning" not in str(replace(solution, status=fr.Status.STALLED))


@slow
def test_noisy_patterns_are_penalised_and_proved():
    problem, z = diffracted(32, 12, noise=0.05)
    solution = fr.solve(problem.with_lam(0.05 * fr.solvers.largest_lam(problem)))
    assert solution.status is fr.Status.CERTIFIED
    assert distance(solution, z) <= 0.2


def test_patterns_of_another_length_are_refused():
    A = fr.measurements.coded_diffraction(4, 3)
    with pytest.raises(ValueError, match="y must hold 12 numbers, 4 for each of 3 masks; got 5"):
        fr.phase_retrieval(A, np.ones(5))
    with pytest.raises(ValueError, match="y must be a vector of real numbers"):
        fr.phase_retrieval(A, np.ones((3, 4)))


@slow
@pytest.mark.parametrize("imaginary", [0, 1j])
def test_six_times_as_many_sizes_as_unknowns_give_the_vector(imaginary):
    """Complex: the shortest dual point fails, and another proves it."""
    rng = np.random.default_rng(3)
    x, z = rng.standard_normal((600, 100)), rng.standard_normal(100)
    if imaginary:
        x, z = x + 1j * rng.standard_normal(x.shape), z + 1j * rng.standard_normal(100)
    solution = fr.solve(fr.phase_retrieval(x, np.abs(x.conj() @ z) ** 2))
    assert distance(solution, z) <= 1e-6
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.unique


@slow
def test_where_more_than_one_may_fit_none_is_called_unique():
    """m = 3n: every M ⪰ 0 that fits is flattest, which says nothing of any other that fits."""
    rng, z = signal(48)
    x = rng.standard_normal((144, 48)) + 1j * rng.standard_normal((144, 48))
    problem = fr.phase_retrieval(x, np.abs(x.conj() @ z) ** 2)
    certificate = fr.certify(problem, (np.r_[z.real, z.imag][:, None],) * 2)
    assert abs(certificate.relative_gap) <= 1e-9
    assert not certificate.unique


def test_real_vectors_given_as_complex_numbers_pose_the_same_problem():
    """The same D, objective, largest λ, answer and status, at λ = 0 and along a path."""
    x, z = np.random.default_rng(0).standard_normal((30, 5)), np.arange(1.0, 6.0)
    y = (x @ z) ** 2
    largest = fr.solvers.largest_lam(fr.phase_retrieval(x, y))
    again = fr.solvers.largest_lam(fr.phase_retrieval(x.astype(complex), y))
    assert again == pytest.approx(largest, rel=1e-9)
    for lam in (0.0, 0.1 * largest):
        real, complex_ = (
            fr.solve(fr.phase_retrieval(v, y, lam=lam)) for v in (x, x.astype(complex))
        )
        assert complex_.status is real.status is fr.Status.CERTIFIED
        assert complex_.certificate.primal == pytest.approx(real.certificate.primal, rel=1e-6)
        if lam == 0:  # off the data the trace is over the 2n real numbers of a complex vector
            assert complex_.flatness.scaled_trace == pytest.approx(
                real.flatness.scaled_trace, rel=1e-4
            )
        found = [np.asarray(s.U) @ np.asarray(s.U).conj().T for s in (real, complex_)]
        assert np.allclose(*found, atol=1e-4 * np.linalg.norm(found[0]))
