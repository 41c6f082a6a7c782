"""D of badly scaled and of singular problems: rows in other units, directions that nothing sees."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.flatness import Rescaling

SHAPE, COUNT = (4, 3), 9


def root(pieces):
    """W with WᵀW the sum of the squares of the pieces, for rows of ordinary size."""
    return np.linalg.qr(np.concatenate(pieces), mode="r")


def drawn(kind, scale, seed=0):
    """A problem whose row 1 is in units of `scale`, its Aᵢ in the unit of the others, and b."""
    rng = np.random.default_rng(seed)
    units = np.array([1.0, scale, 1.0, 1.0])
    X = np.outer(rng.standard_normal(SHAPE[0]), rng.standard_normal(SHAPE[1]))
    if kind == "bilinear":
        a, c = (rng.standard_normal((COUNT, d)) for d in SHAPE)
        A = np.einsum("ip,iq->ipq", a, c)
        b = np.einsum("ipq,pq->i", A, X)
        return fr.bilinear(a * units, c, b), A, b, units
    A = rng.standard_normal((COUNT, *SHAPE))
    b = np.einsum("ipq,pq->i", A, X)
    scaled = A * units[:, None]
    if kind == "sensing":
        return fr.sensing(scaled, b), A, b, units
    flat = scaled.reshape(COUNT, -1)
    map_ = fr.measurements.linear_map(
        lambda X: np.asarray(flat) @ X.reshape(-1),
        lambda y: (np.asarray(flat).T @ y).reshape(SHAPE),
        SHAPE,
    )
    return fr.sensing(map_, b), A, b, units


def optimum(A, b, units):
    """By interior points, in X' = diag(units) X, whose norm is ‖W1 X' W2ᵀ‖_*: nothing is small."""
    import cvxpy as cp

    m, d1, d2 = A.shape
    W1 = root(list(A.transpose(0, 2, 1))) / np.sqrt(m * d2)
    W2 = root(list(A * units[:, None])) / np.sqrt(m * d1)
    X = cp.Variable((d1, d2))
    Q, R = np.linalg.qr(A.reshape(m, -1).T)
    fits = Q.T @ cp.vec(X, order="C") == np.linalg.solve(R.T, b)
    return cp.Problem(cp.Minimize(cp.normNuc(W1 @ X @ W2.T)), [fits]).solve(solver=cp.CLARABEL)


def test_a_row_seen_a_ten_millionth_as_strongly_as_the_other_is_seen():
    """X = (1, 1e7) fits alone, and ‖D1 X D2‖_* is 1.1180."""
    problem = fr.sensing(np.array([[[1.0], [0.0]], [[1.0], [1e-7]]]), [1.0, 2.0])
    solution = fr.solve(problem)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.primal == pytest.approx(np.sqrt(1.25), rel=1e-12)
    found = np.asarray(solution.factors.L) @ np.asarray(solution.factors.R).T
    assert found[:, 0] == pytest.approx([1.0, 1e7], rel=1e-9)
    # What was certified before misses the data, and its repair is counted.
    wrong = fr.certify(problem, ([[1.5], [0.0]], [[1.0]]))
    assert wrong.feasibility > 0.3
    assert wrong.primal >= np.sqrt(1.25)


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # of the interior points
@pytest.mark.parametrize("kind", ["sensing", "bilinear", "map"])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6, 1e-9])
def test_the_unit_of_a_row_costs_no_digits(kind, scale):
    """The optimum is that of an interior-point method, whatever the unit."""
    problem, A, b, units = drawn(kind, scale)
    solution = fr.solve(problem, goal="flat", tol=1e-7)
    value = optimum(A, b, units)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.primal == pytest.approx(value, rel=1e-5)
    assert solution.certificate.dual_bound == pytest.approx(value, rel=1e-5)
    assert problem.rescaling.rounding <= 1e-14


@pytest.mark.parametrize("weak", [1e-3, 1e-6, 1e-9, 1e-12])
def test_a_direction_seen_weakly_is_kept_and_its_price_named(weak):
    """Along no axis: no unit mends it, and bounds are as good as ε κ(D) at best."""
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    A = rng.standard_normal((14, 4, 3))
    A[:, 3] *= weak
    one = fr.sensing(Q @ A, rng.standard_normal(14)).rescaling
    kappa = float(one.kappa)
    assert one.unseen == (0, 0)
    assert 0.3 / weak <= kappa <= 10 / weak
    assert 0.1 * kappa <= one.rounding / np.finfo(float).eps <= 3 * kappa
    # D is that of the problem in its own axes, as far as its last digits go.
    root_ = np.asarray(one.D1) @ Q
    G = np.einsum("ipq,irq->pr", A, A) / (14 * 3)
    even = np.array([1.0, 1.0, 1.0, weak])
    off = (root_.T @ root_ - G) / even / even[:, None]
    assert np.abs(off).max() <= 1e-15 / weak * np.abs(G / even / even[:, None]).max() * 10


@pytest.mark.parametrize("kind", ["sensing", "bilinear", "covariance", "phase"])
def test_a_direction_that_nothing_sees_is_left_out(kind):
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((5, 5)))[0][:, :4]
    x, b = rng.standard_normal((12, 4)) @ Q.T, rng.standard_normal(12)
    if kind == "sensing":
        problem = fr.sensing(np.einsum("ip,iqr->ipr", x, rng.standard_normal((12, 1, 3))), b)
    elif kind == "bilinear":
        problem = fr.bilinear(x, rng.standard_normal((12, 3)), b)
    elif kind == "covariance":
        problem = fr.covariance(x, b)
    else:
        problem = fr.phase_retrieval(x + 1j * rng.standard_normal((12, 4)) @ Q.T, b)
    lacking = {"phase": (2, 2), "covariance": (1, 1)}.get(kind, (1, 0))
    assert problem.rescaling.unseen == lacking
    assert problem.rescaling.rounding <= 1e-13
    D, inverse = np.asarray(problem.rescaling.D1), np.asarray(problem.rescaling.inverse[0])
    assert np.allclose(D @ inverse @ D, D, atol=1e-13 * np.abs(D).max())
    assert np.linalg.matrix_rank(D @ inverse) == D.shape[0] - lacking[0]


def test_data_in_a_direction_that_was_left_out_are_never_certified():
    """Seen a 1e-15 as strongly as the rest: less than rounding, whatever the data say of it."""
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    A = rng.standard_normal((12, 4, 3))
    A[:, 3] *= 1e-15
    X = np.outer([0.0, 0.0, 0.0, 1e15], rng.standard_normal(3)) + rng.standard_normal((4, 3))
    b = np.einsum("ipq,pq->i", A, X)
    problem = fr.sensing(Q @ A, b)
    assert problem.rescaling.unseen == (1, 0)
    certificate = fr.certify(problem, (Q @ X, np.eye(3)))
    assert not certificate.certified(0.5)


@pytest.mark.parametrize("smoothing", [0.0, 0.5, 1.0])
def test_smoothing_mixes_squares_of_badly_scaled_rows_too(smoothing):
    problem, _, _, _ = drawn("sensing", 1e-8)
    mixed = Rescaling.of(problem.measurement, smoothing)
    A = np.asarray(problem.measurement.A)
    square, D = np.einsum("ipq,irq->pr", A, A) / (COUNT * 3), np.asarray(mixed.D1)
    D = np.diag(D) if D.ndim == 1 else D
    mean = np.trace(square) / 4
    expected = (1 - smoothing) * square + smoothing * mean * np.eye(4)
    lengths = np.sqrt(np.diag(expected))
    assert np.abs((D @ D - expected) / lengths / lengths[:, None]).max() <= 1e-13
