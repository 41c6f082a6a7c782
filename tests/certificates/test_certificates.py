"""A certificate bounds any pair, from anywhere, and never claims too much."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse

import flatrank as fr
from flatrank.arrays import static
from flatrank.certificates import (
    Effort,
    injective_on_tangent,
    least_gap,
    least_squares_dual,
    norm_bound,
    top_pairs,
)
from flatrank.certificates.norms import exact_norm
from flatrank.factors import CompactSVD, FactorPair, compact_svd
from flatrank.measurements import Measurement


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(2)
    rows, cols = np.nonzero(rng.random((40, 30)) < 0.5)
    return fr.completion(rows, cols, rng.standard_normal(rows.size), (40, 30), smoothing=1.0)


def dense(problem, y):
    S = np.zeros(problem.shape)
    S[problem.measurement.places()] = np.asarray(y)
    s1, s2 = (np.asarray(s) for s in problem.rescaling.inverse)
    return s1[:, None] * S * s2[None, :]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lam", [0.0, 50.0])
def test_the_gap_of_any_pair_is_not_negative(problem, lam, seed):
    rng = np.random.default_rng(seed)
    pair = (rng.standard_normal((40, 3)), rng.standard_normal((30, 3)))
    certificate = fr.certify(problem.with_lam(lam), pair)
    assert certificate.gap >= 0


def test_the_primal_is_the_objective(problem):
    rng = np.random.default_rng(0)
    L, R = rng.standard_normal((40, 3)), rng.standard_normal((30, 3))
    certificate = fr.certify(problem.with_lam(7.0), (L, R))
    X = L @ R.T
    d1, d2 = (np.asarray(d) for d in (problem.rescaling.D1, problem.rescaling.D2))
    nuclear = np.linalg.svd(d1[:, None] * X * d2, compute_uv=False).sum()
    misfit = X[problem.measurement.places()] - np.asarray(problem.b)
    assert certificate.primal == pytest.approx(0.5 * misfit @ misfit + 7.0 * nuclear, rel=1e-12)


def test_a_penalised_certificate_loses_nothing_on_the_norm(problem):
    rng = np.random.default_rng(0)
    pair = (rng.standard_normal((40, 3)), rng.standard_normal((30, 3)))
    residual = np.asarray(problem.b) - (pair[0] @ pair[1].T)[problem.measurement.places()]
    certificate = fr.certify(problem.with_lam(7.0), pair)
    truth = np.linalg.norm(dense(problem, residual), 2)
    assert certificate.operator_norm == pytest.approx(truth / 7.0, rel=1e-12)
    assert certificate.operator_norm_kind == "exact"


@pytest.fixture(scope="module")
def penalised(problem):
    """A problem with λ > 0 and a solution about as close as steps bring it."""
    penalised = problem.with_lam(50.0)
    return penalised, fr.solve(penalised, tol=1e-9)


@pytest.mark.parametrize("share", [0.0, 1e-6, 1e-3])
def test_no_certificate_undercuts_the_least_gap(problem, penalised, share):
    penalised, solution = penalised
    rng = np.random.default_rng(0)
    L, R = (np.asarray(X) for X in (solution.factors.L, solution.factors.R))
    L, R = (X + share * rng.standard_normal(X.shape) for X in (L, R))
    residual = np.asarray(problem.b) - (L @ R.T)[problem.measurement.places()]
    gap = fr.certify(penalised, (L, R), residual).relative_gap
    svd = compact_svd(penalised.whiten(FactorPair(L, R)))
    least = float(least_gap(penalised.whitened, penalised.b, 50.0, svd))
    assert 0 <= least <= gap + 1e-12
    assert least >= 0.5 * gap - 1e-12  # near a solution it is the gap itself


def test_a_guess_will_do_for_the_norm_where_it_is_above(problem, monkeypatch):
    from flatrank.certificates import gram

    monkeypatch.setattr(gram, "AT_ONCE", 8)
    S = problem.whitened.adjoint(problem.b)
    truth = np.linalg.norm(dense(problem, problem.b), 2)
    given = exact_norm(S, problem.shape, guesses=(0.9 * truth, 1.1 * truth, 2 * truth))
    found = exact_norm(S, problem.shape, guesses=(0.9 * truth,))
    assert given == 1.1 * truth
    assert found == pytest.approx(truth, rel=1e-6)
    assert found >= truth * (1 - 1e-14)


@pytest.mark.parametrize("delta", [0.0, 1e-9])
def test_the_norm_bound_is_above_and_close(problem, delta):
    nothing = CompactSVD(np.zeros((40, 1)), np.zeros(1), np.zeros((30, 1)))
    S = problem.whitened.adjoint(problem.b)
    truth = np.linalg.norm(dense(problem, problem.b), 2)
    bound = norm_bound(S, nothing, 0.0, Effort(delta, exact_size=0, at_once=0))
    assert truth * (1 - 1e-12) <= bound.value <= truth * 1.25
    assert bound.kind == ("exact" if delta == 0 else "probabilistic")


def test_top_pairs_are_the_singular_triplets_outside_a_basis(problem):
    S = problem.whitened.adjoint(problem.b)
    U, s, Vt = np.linalg.svd(dense(problem, problem.b))
    basis = CompactSVD(U[:, :2], s[:2], Vt[:2].T)
    X = np.random.default_rng(0).standard_normal((30, 4))
    found = top_pairs(S, basis, X, 28)
    assert np.allclose(found.s[0], s[2], rtol=1e-6)


def test_injectivity_is_proved_only_where_it_holds():
    rng = np.random.default_rng(0)
    U, V = rng.standard_normal((30, 2)), rng.standard_normal((30, 2))
    rows, cols = np.nonzero(np.ones((30, 30)))
    full = fr.completion(rows, cols, (U @ V.T).ravel(), (30, 30))
    keep = cols < 29  # the last column keeps one entry: a rank-two row of R needs two
    keep[np.flatnonzero(~keep)[0]] = True
    poor = fr.completion(rows[keep], cols[keep], (U @ V.T).ravel()[keep], (30, 30))
    svd = compact_svd(FactorPair(U, V))
    answers = [
        injective_on_tangent(p.whitened, svd, failure_probability=1e-9) for p in (full, poor)
    ]
    assert answers == [True, False]


@pytest.mark.parametrize(("share", "expected"), [(0.5, True), (0.18, False)])
def test_elimination_agrees_with_the_whole_spectrum(share, expected, monkeypatch):
    from flatrank.certificates import uniqueness

    rng = np.random.default_rng(3)
    L, R = rng.standard_normal((40, 3)), rng.standard_normal((30, 3))
    rows, cols = np.nonzero(rng.random((40, 30)) < share)
    problem = fr.completion(rows, cols, (L @ R.T)[rows, cols], (40, 30))
    svd = compact_svd(problem.whiten(FactorPair(L, R)))
    n = 3 * (40 + 30 - 3)
    assert n <= uniqueness.LIMIT
    exact = injective_on_tangent(problem.whitened, svd, failure_probability=1e-9)
    monkeypatch.setattr(uniqueness, "LIMIT", 0)
    eliminated = injective_on_tangent(problem.whitened, svd, failure_probability=1e-9)
    assert exact == eliminated == expected


def test_wrong_y_is_refused(problem):
    pair = (np.ones((40, 1)), np.ones((30, 1)))
    with pytest.raises(ValueError, match="y must be"):
        fr.certify(problem, pair, np.ones(3))


def test_a_certificate_reads_as_a_sentence(problem):
    pair = (np.ones((40, 1)), np.ones((30, 1)))
    assert "the optimum lies between" in str(fr.certify(problem, pair))
    assert not fr.certify(problem, pair).certified(1e-6)


class Counted(Measurement):
    """Tells of every product."""

    inner: Measurement
    tell: Callable[[], None] = static()

    @property
    def shape(self):
        return self.inner.shape

    @property
    def m(self):
        return self.inner.m

    def forward(self, pair):
        self.tell()
        return self.inner.forward(pair)

    def adjoint(self, y):
        return self.inner.adjoint(y)

    def grams(self):
        return self.inner.grams()


def test_the_first_look_at_a_dual_point_ends_where_no_step_helps():
    """More directions than data, and U, V from nowhere: thousands of steps would not do."""
    rng = np.random.default_rng(0)
    rows, cols = np.divmod(rng.choice(200 * 160, 1500, replace=False), 160)
    problem = fr.completion(rows, cols, rng.standard_normal(1500), (200, 160))
    told = []
    X = FactorPair(*(rng.standard_normal((d, 8)) for d in (200, 160)))
    B = Counted(problem.measurement, lambda: told.append(1))
    least_squares_dual(B, compact_svd(X), max_steps=20, give_up=1.1)
    assert 0 < len(told) <= 100  # two a step, in the look and after it


@pytest.mark.parametrize("lam", [0.0, 0.1])
@pytest.mark.parametrize("unit", [1e-16, 1e-30])
def test_what_only_tiny_measurements_see_is_not_left_out_in_silence(unit, lam):
    """D cannot hold both sizes: on its range the optimum is 0.1 % above that of the problem."""
    A, rng = np.zeros((4, 3, 2)), np.random.default_rng(0)
    A[:2, :, 0] = rng.standard_normal((2, 3))
    A[2:, :, 1] = rng.standard_normal((2, 3)) * unit
    problem = fr.sensing(A, np.array([1.0, 2.0, 3.0, 4.0]), lam=lam)
    solution = fr.solve(problem)
    assert problem.hidden
    assert solution.certificate.dual_bound == 0
    assert not solution.certificate.certified(1e-2)
    assert not solution.certificate.unique
    assert "one size" in solution.remark


def test_directions_that_nothing_sees_are_no_reason_for_doubt():
    A = np.random.default_rng(0).standard_normal((12, 4, 4))
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0][:, :3]
    problem = fr.sensing(A @ Q @ Q.T, np.ones(12), lam_ratio=0.1)
    assert not problem.hidden
    assert fr.solve(problem).status is fr.Status.CERTIFIED


def test_a_long_side_is_held_a_few_columns_at_a_time():
    rng, shape = np.random.default_rng(0), (200_000, 100)
    places = rng.choice(shape[0] * shape[1], 100_000, replace=False)
    rows, cols = np.divmod(places, shape[1])
    B = fr.completion(rows, cols, np.ones(rows.size), shape).measurement
    y = rng.standard_normal(rows.size)
    exact_norm(fr.completion([0], [0], [1.0], (2, 2)).measurement.adjoint(y[:1]), (2, 2))
    tracemalloc.start()
    found = exact_norm(B.adjoint(y), shape)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6  # all columns at once took 480 MB
    i, j = B.places()
    S = scipy.sparse.csr_array((y, (i, j)), shape=shape)
    assert found == pytest.approx(np.sqrt(np.linalg.eigvalsh((S.T @ S).toarray())[-1]), rel=1e-9)
