"""Linear measurements of every family: recovered, certified, and honest where they are too few."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flatrank as fr
from flatrank import check_measurement

SHAPE = (12, 10)
RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((6, 3, 4)), RNG.standard_normal(6)
LEFT, RIGHT = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 4))
BIG = np.broadcast_to(0.0, (10**6, 100, 100))
# The families differ by their products alone.
slow = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("regenerated", "masked transform", "user's map")
]


def changed(x, place, value):
    x = np.array(x)
    x[place] = value
    return x


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((A, B[:5]), {}, "b must hold one number for each of the 6 measurements; got 5"),
        ((A, B[:, None]), {}, "b must be a vector of real numbers"),
        ((A, 1j * B), {}, "b must be a vector of real numbers"),
        ((A, changed(B, 2, np.nan)), {}, r"b must be finite; 1 are not, first b\[2\]"),
        ((A, np.ma.masked_array(B, mask=B > 0)), {}, "masked"),
        ((A[0], B), {}, r"A must be an array \(m, d1, d2\) of real numbers"),
        ((1j * A, B), {}, r"A must be an array \(m, d1, d2\) of real numbers"),
        (
            (changed(A, (1, 2, 3), np.inf), B),
            {},
            r"A must be finite; 1 are not, first A\[1, 2, 3\]",
        ),
        ((1e-200 * A, B), {}, "largest of A is .* common unit"),
        ((A[:0], B[:0]), {}, "A must hold at least one matrix"),
        ((0 * A, B), {}, "every measurement is zero"),
        ((BIG, B), {}, "80 GB in float64, above the limit of 8 GB. Use flatrank.bilinear"),
        ((A, B), {"lam": -1.0}, "lam must be a finite number"),
        ((A, B), {"lam": "a"}, "lam must be a number"),
        ((A, B), {"smoothing": 1.5}, "smoothing must lie between"),
    ],
)
def test_sensing_refuses_bad_input_with_a_sentence(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        fr.sensing(*arguments, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((LEFT[:5], RIGHT, B), {}, "a, c and b must have one length; got 5, 6 and 6"),
        ((LEFT, RIGHT, B[:5]), {}, "a, c and b must have one length; got 6, 6 and 5"),
        ((B, RIGHT, B), {}, "a must be a matrix of real numbers"),
        ((LEFT, 1j * RIGHT, B), {}, "c must be a matrix of real numbers"),
        ((LEFT, changed(RIGHT, (5, 1), np.nan), B), {}, r"c must be finite; .* first c\[5, 1\]"),
        ((1e-60 * LEFT, RIGHT, B), {}, "largest of a is .* common unit"),
        ((LEFT[:0], RIGHT[:0], B[:0]), {}, "a and c must hold at least one vector"),
        ((0 * LEFT, RIGHT, B), {}, "every measurement is zero"),
        ((LEFT, RIGHT, B), {"lam": np.nan}, "lam must be a finite number"),
        ((LEFT, RIGHT, B), {"smoothing": -1}, "smoothing must lie between"),
    ],
)
def test_bilinear_refuses_bad_input_with_a_sentence(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        fr.bilinear(*arguments, **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fr.measurements.gaussian((3, 0), 5), "shape must be two integers between 1"),
        (lambda: fr.measurements.gaussian(3, 5), "shape must be two integers"),
        (lambda: fr.measurements.gaussian((3, 4), 0), "m must be a whole number >= 1; got 0"),
        (lambda: fr.measurements.gaussian((3, 4), 2.5), "m must be a whole number"),
        (lambda: fr.measurements.gaussian((3, 4), 5, seed=-1), "seed must be a whole number >= 0"),
        (lambda: fr.measurements.masked_transform((3, 4), 13), "m must be at most 12, the number"),
        (
            lambda: fr.measurements.masked_transform((4, 4), 7, transform="fourier"),
            r"m must be at most 6, the number of coefficients \(one of each conjugate pair\)",
        ),
        (
            lambda: fr.measurements.masked_transform((4, 3), 7, transform="hadamard"),
            r"wants powers of two; got shape \(4, 3\). Use transform=.cosine.",
        ),
        (
            lambda: fr.measurements.masked_transform((4, 4), 7, transform="sine"),
            "transform must be one of cosine, hadamard, fourier; got 'sine'",
        ),
        (lambda: fr.measurements.linear_map(lambda X: X, np.ravel, (3, 4)), "forward must map"),
        (lambda: fr.measurements.linear_map(lambda X: X[0, :0], np.ravel, (3, 4)), "no number"),
        (lambda: fr.measurements.linear_map(lambda X: X[0], lambda y: y, (3, 4)), "adjoint must"),
        (
            lambda: fr.measurements.linear_map(np.sin, np.ravel, (3, 4)),
            r"forward must .* got \(3, 4\)",
        ),
        (
            lambda: fr.measurements.linear_map(np.ravel, np.copy, (3, 4)),
            r"adjoint must .* got \(12,\)",
        ),
        (
            lambda: fr.measurements.linear_map(lambda X: np.fft.fft(X[0]), np.ravel, (3, 4)),
            "forward returns complex numbers; expected real ones. Give the parts",
        ),
        (
            lambda: fr.measurements.linear_map(lambda X: np.fft.fft(X[0]), np.ravel, (3, 4)),
            r"forward returns complex.*concatenate\(\[c.real, c.imag\]\)",
        ),
        (
            lambda: fr.measurements.linear_map(np.ravel, lambda y: 1j * y.reshape(3, 4), (3, 4)),
            "adjoint returns complex numbers; .* the real part",
        ),
        (
            lambda: fr.measurements.linear_map(np.ravel, lambda y: 2 * y.reshape(3, 4), (3, 4)),
            "adjoint is not the adjoint of forward",
        ),
    ],
)
def test_measurements_refuse_bad_input_with_a_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("library", ["NumPy", "JAX", "JAX, compiled", "both"])
def test_a_map_in_any_library_is_taken_in_64_bits(library):
    M = np.random.default_rng(0).standard_normal((6, 3, 4))
    one, other = (jnp if "JAX" in library else np), (np if library == "NumPy" else jnp)
    forward = lambda X: one.einsum("ipj,pj->i", M, X)
    adjoint = lambda y: other.einsum("i,ipj->pj", y, M)
    if library.endswith("compiled"):
        forward, adjoint = jax.jit(forward), jax.jit(adjoint)
    A = fr.measurements.linear_map(forward, adjoint, (3, 4))
    seen = A.of_matrix(np.ones((3, 4)))
    assert type(seen) is np.ndarray
    assert np.allclose(seen, M.sum(axis=(1, 2)), rtol=1e-14)
    assert np.allclose(A.written(), M, rtol=1e-14)
    check_measurement(A, rank=2)


def instance(measure, name, m, rank, noise=0.0):
    """A measurement, data of a matrix of the rank, and the matrix."""
    rng = np.random.default_rng(7)
    L, R = rng.standard_normal((SHAPE[0], rank)), rng.standard_normal((SHAPE[1], rank))
    measurement = measure(name, SHAPE, m)
    b = measurement.forward(fr.FactorPair(L, R))
    b = b + noise * np.linalg.norm(b) / np.sqrt(m) * rng.standard_normal(m)
    return fr.sensing(measurement, b), L @ R.T


def error(solution, X):
    found = solution.factors.L @ solution.factors.R.T
    return np.linalg.norm(found - X) / np.linalg.norm(X)


@pytest.mark.parametrize("name", ["dense", pytest.param("rank one", marks=pytest.mark.slow), *slow])
def test_exact_data_are_recovered_and_proved(measure, name):
    problem, X = instance(measure, name, 80, 1)
    solution = fr.solve(problem)
    assert solution.status is fr.Status.CERTIFIED
    assert error(solution, X) <= 1e-6
    assert solution.certificate.unique
    assert solution.flatness.excess == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", ["rank one", pytest.param("dense", marks=pytest.mark.slow), *slow])
def test_noisy_data_are_penalised_and_proved(measure, name):
    problem, X = instance(measure, name, 80, 1, noise=0.05)
    problem = problem.with_lam(0.1 * fr.solvers.largest_lam(problem))
    solution = fr.solve(problem)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.relative_gap <= 1e-6
    assert error(solution, X) <= 0.5  # shrunk


@pytest.mark.slow
@pytest.mark.parametrize(
    ("transform", "shape", "m"), [("hadamard", (16, 8), 80), ("fourier", SHAPE, 40)]
)
def test_coefficients_of_every_transform_tell_the_matrix(transform, shape, m):
    rng = np.random.default_rng(7)
    X = np.outer(rng.standard_normal(shape[0]), rng.standard_normal(shape[1]))
    A = fr.measurements.masked_transform(shape, m, transform=transform, seed=1)
    b = A.of_matrix(X)
    solution = fr.solve(fr.sensing(A, b))
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.unique
    assert error(solution, X) <= 1e-6


@pytest.mark.filterwarnings("ignore::flatrank.solvers.solve.NoisyDataWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["dense", "rank one"])
@pytest.mark.parametrize("rank", [None, 3])
def test_too_few_measurements_are_never_called_recovery(measure, name, rank):
    problem, X = instance(measure, name, 40, 3)  # 57 degrees of freedom
    solution = fr.solve(problem, rank=rank)
    assert error(solution, X) > 0.1
    assert solution.status is not fr.Status.IDENTIFIABLE
    assert not solution.certificate.unique
    if solution.status is fr.Status.CERTIFIED:  # of being flattest, which it is
        assert solution.certificate.relative_gap <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dense", "rank one"])
def test_the_flattest_interpolant_of_noise_and_the_path(measure, name):
    problem, _ = instance(measure, name, 80, 1, noise=0.3)
    assert fr.solve(problem, goal="flat").status is fr.Status.CERTIFIED
    solutions = fr.path(problem, count=3, smallest=0.2)
    assert all(s.status is fr.Status.CERTIFIED for s in solutions)


def matrices(problem):
    measurement = problem.measurement
    if hasattr(measurement, "A"):
        return measurement.A
    return np.einsum("ip,iq->ipq", measurement.a, measurement.c)


def root(G):
    w, Q = np.linalg.eigh(G)
    return (Q * np.sqrt(w)) @ Q.T


def weights(matrices):
    m, d1, d2 = matrices.shape
    rows = np.einsum("ipj,iqj->pq", matrices, matrices) / (m * d2)
    cols = np.einsum("ipj,ipl->jl", matrices, matrices) / (m * d1)
    return root(rows), root(cols)


def test_the_bound_of_any_pair_covers_a_matrix_that_fits(measure):
    """λ = 0: primal ≥ ‖D1 X_f D2‖_* for X_f = X − 𝒜⁺(𝒜(X) − b), and the gap is not negative."""
    problem, _ = instance(measure, "dense", 80, 1, noise=0.3)
    M, (D1, D2) = matrices(problem), weights(matrices(problem))
    flat = M.reshape(80, -1)
    for scale in (0.0, 1e-8, 1.0):
        rng = np.random.default_rng(3)
        L, R = rng.standard_normal((12, 2)), scale * rng.standard_normal((10, 2))
        X = L @ R.T
        c = flat @ X.ravel() - problem.b
        fitted = X - (np.linalg.pinv(flat) @ c).reshape(SHAPE)
        nuclear = np.linalg.svd(D1 @ fitted @ D2, compute_uv=False).sum()
        certificate = fr.certify(problem, (L, R))
        assert certificate.primal >= nuclear * (1 - 1e-9)
        assert certificate.dual_bound <= nuclear * (1 + 1e-9)


def test_data_that_no_matrix_fits_have_no_finite_bound(measure):
    """Two equal measurements with different data: certificate and status say so."""
    rng = np.random.default_rng(0)
    measured = rng.standard_normal((80, *SHAPE))
    measured[1] = measured[0]
    problem = fr.sensing(measured, rng.standard_normal(80))
    certificate = fr.certify(problem, (np.zeros((12, 1)), np.zeros((10, 1))))
    assert certificate.primal == certificate.relative_gap == np.inf
    assert not certificate.certified(0.5)


@pytest.mark.slow
def test_contradicting_data_end_infeasible():
    rng = np.random.default_rng(0)
    measured = rng.standard_normal((80, *SHAPE))
    measured[1] = measured[0]
    problem = fr.sensing(measured, rng.standard_normal(80))
    assert fr.solve(problem, goal="flat").status is fr.Status.INFEASIBLE


def test_a_row_no_measurement_touches_is_named_and_stays_zero():
    measured = RNG.standard_normal((40, 6, 5))
    measured[:, 2] = 0.0
    X = np.outer(np.arange(6.0), np.ones(5))
    problem = fr.sensing(measured, np.einsum("ipj,pj->i", measured, X))
    ones = fr.FactorPair(np.ones((6, 1)), np.ones((5, 1)))
    back = np.asarray(problem.unwhiten(problem.whiten(ones)).L)[:, 0]
    kappa = float(problem.rescaling.kappa)
    assert np.allclose(back, [1, 1, 0, 1, 1, 1])
    assert problem.unidentifiable.rows().tolist() == [2]
    assert problem.degrees(1) == 5 + 5 - 1
    assert kappa == np.inf


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sensing", "bilinear"])
def test_the_optimum_is_cvxpys(kind):
    """min ‖D1 X D2‖_* s.t. 𝒜(X) = b on ten instances, D1 and D2 from the definition."""
    import cvxpy as cp

    d1, d2, m = 4, 5, 12
    for seed in range(10):
        rng = np.random.default_rng(seed)
        b = rng.standard_normal(m)
        if kind == "sensing":
            problem = fr.sensing(rng.standard_normal((m, d1, d2)), b)
        else:
            problem = fr.bilinear(rng.standard_normal((m, d1)), rng.standard_normal((m, d2)), b)
        M = matrices(problem)
        D1, D2 = weights(M)
        white = np.linalg.solve(D1, M) @ np.linalg.inv(D2)  # of D1 X D2
        X = cp.Variable((d1, d2))
        fits = [white.reshape(m, -1) @ cp.vec(X, order="C") == b]
        value = cp.Problem(cp.Minimize(cp.normNuc(X)), fits).solve(solver=cp.CLARABEL)
        solution = fr.solve(problem, goal="flat", tol=2e-7)
        assert solution.certificate.primal == pytest.approx(value, rel=1e-6)
        assert solution.certificate.dual_bound == pytest.approx(value, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_ill_conditioned_sensing_near_the_limit_of_information(seed):
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((d, 3)))[0] for d in (50, 60))
    X = (U * np.logspace(1, 0, 3)) @ V.T
    m = round(1.5 * 3 * (50 + 60 - 3))
    measured = rng.standard_normal((m, 50, 60))
    problem = fr.sensing(measured, np.einsum("ipj,pj->i", measured, X))
    solution = fr.solve(problem, rank=3, tol=1e-10)
    assert error(solution, X) <= 1e-12
    assert solution.status is fr.Status.IDENTIFIABLE
