"""Reference solvers of the penalised form: optimality, agreement, refusals, interruption."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.certificates import dense_norm
from flatrank.factors import FactorPair, compact_svd
from flatrank.solvers import BMGlobal, GaussNewton, ProximalGradient, largest_lam
from flatrank.solvers.reference.bm_global import coordinate_epoch
from flatrank.solvers.reference.proximal import iterate_of, lipschitz, proximal_step

SOLVERS = (ProximalGradient, BMGlobal)
each = pytest.mark.parametrize("solver", SOLVERS)
# Everything compiles anew for another measurement.
SENSING = pytest.param("sensing", marks=pytest.mark.slow)
kinds = pytest.mark.parametrize("name", ["flat", "norm-minimal", SENSING])


def entries(smoothing=0.0, seed=0):
    rng = np.random.default_rng(seed)
    rows, cols = np.nonzero(rng.random((12, 9)) < 0.7)
    X = rng.standard_normal((12, 3)) @ rng.standard_normal((3, 9))
    values = X[rows, cols] + 0.3 * rng.standard_normal(rows.size)
    return fr.completion(rows, cols, values, (12, 9), smoothing=smoothing)


def gaussian():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((60, 9, 12))
    X = rng.standard_normal((9, 2)) @ rng.standard_normal((2, 12))
    return fr.sensing(A, np.einsum("mij,ij->m", A, X) + 0.1 * rng.standard_normal(60))


@pytest.fixture(scope="module")
def small():
    return {
        name: problem.with_lam(0.05 * largest_lam(problem))
        for name, problem in (
            ("flat", entries()), ("norm-minimal", entries(1.0)), ("sensing", gaussian())
        )
    }  # fmt: skip


def whitened_dense(problem, y):
    """ℬ*(y) as an array."""
    S = problem.whitened.adjoint(np.asarray(y))
    return np.asarray(S.right(np.eye(problem.shape[1])))


@each
@kinds
def test_the_answer_is_certified_and_satisfies_the_kkt_conditions(small, solver, name):
    problem = small[name]
    solution = fr.solve(problem, solver=solver(tol=1e-10), tol=1e-10)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.relative_gap <= 1e-10
    X = problem.whiten(solution.factors)
    r = np.asarray(problem.b - problem.whitened.forward(X))
    U, s, V = (np.asarray(x) for x in compact_svd(X))
    S, lam = whitened_dense(problem, r), problem.lam
    assert dense_norm(S) <= lam * (1 + 1e-8)  # ‖ℬ*(r)‖ ≤ λ
    assert s.min() > 0
    # ℬ*(r) V = λ U and ℬ*(r)ᵀ U = λ V: the residual is aligned with the answer.
    assert np.abs(S @ V - lam * U).max() <= 1e-4 * lam
    assert np.abs(S.T @ U - lam * V).max() <= 1e-4 * lam


@kinds
def test_all_solvers_agree_to_the_gap(small, name):
    solvers = (BMGlobal(tol=1e-9), ProximalGradient(tol=1e-9), GaussNewton(tol=1e-9))
    found = [fr.solve(small[name], solver=s, tol=1e-9).certificate for s in solvers]
    top = max(c.dual_bound for c in found)
    assert all(top <= c.primal * (1 + 1e-14) for c in found)  # weak duality, across solvers
    assert all(c.primal - top <= 1e-9 * c.primal for c in found)


def test_a_fixed_point_of_the_proximal_step_is_the_optimum(small):
    problem = small["norm-minimal"]
    solution = fr.solve(problem, solver=GaussNewton(tol=1e-12), tol=1e-12)
    ell, proved = lipschitz(problem)
    x = iterate_of(problem.whitened, problem.b, problem.whiten(solution.factors))
    near = np.asarray(np.random.default_rng(0).standard_normal((9, 9)))
    weights = (np.asarray(0.0), np.asarray(ell))
    lam = np.asarray(problem.lam)
    out = proximal_step(problem.whitened, problem.b, lam, (x, x), weights, near)
    size = float(np.sum(x.svd.s**2))
    # elsewhere it moves, and lowers the objective by at least ℓ/2 of the square of the move
    zero = iterate_of(problem.whitened, problem.b, problem.zero(9))
    off = proximal_step(problem.whitened, problem.b, lam, (zero, zero), weights, near)
    assert proved
    assert float(out.move) <= 1e-12 * size
    assert int(out.kept) == solution.rank
    start = 0.5 * float(np.sum(np.asarray(problem.b) ** 2))
    assert float(off.objective) <= start - 0.5 * ell * float(off.move)


def test_move_and_overshoot_are_those_of_the_matrices(small):
    problem, rng = small["norm-minimal"], np.random.default_rng(1)
    one, two = (
        FactorPair(*(np.asarray(rng.standard_normal((d, 3))) for d in (12, 9))) for _ in range(2)
    )
    B, b = problem.whitened, problem.b
    x, x_ = iterate_of(B, b, one), iterate_of(B, b, two)
    near = np.asarray(rng.standard_normal((9, 3)))
    weights, lam = (np.asarray(0.4), np.asarray(lipschitz(problem)[0])), np.asarray(1e-3)
    out = proximal_step(B, b, lam, (x, x_), weights, near)
    U, s, V = (np.asarray(a) for a in out.iterate.svd)
    X, X_ = (np.asarray(p.L) @ np.asarray(p.R).T for p in (one, two))
    Y, new = X + 0.4 * (X - X_), (U * s) @ V.T
    assert float(out.move) == pytest.approx(np.sum((new - Y) ** 2), rel=1e-10)
    assert float(out.overshoot) == pytest.approx(np.sum((Y - new) * (new - X)), rel=1e-10)


# Each compiles for ten seconds; the scaled one says most.
@pytest.mark.parametrize(
    "name",
    ["flat", *(pytest.param(n, marks=pytest.mark.slow) for n in ("norm-minimal", "sensing"))],
)
def test_the_lipschitz_constant_is_the_largest_eigenvalue(small, name):
    problem = small[name]
    gram = np.stack([np.asarray(problem.whitened.normal(e)) for e in np.eye(problem.m)])
    ell, proved = lipschitz(problem)
    top = np.linalg.eigvalsh(gram)[-1]
    assert ell == pytest.approx(top, rel=1e-12 if proved else 1e-2)
    assert proved == (name != "sensing")


@each
def test_lam_zero_is_refused(solver):
    with pytest.raises(ValueError, match=rf"{solver.__name__} minimises the penalised form"):
        fr.solve(entries(), solver=solver())


@each
def test_lam_beyond_lam_max_gives_zero(small, solver):
    problem = small["norm-minimal"]
    solution = fr.solve(problem.with_lam(1.01 * largest_lam(problem)), solver=solver())
    assert (solution.rank, solution.status) == (0, fr.Status.CERTIFIED)


@each
def test_a_start_at_the_optimum_stays_there(small, solver):
    problem = small["norm-minimal"]
    first = fr.solve(problem, solver=solver(tol=1e-10), tol=1e-10)
    again = fr.solve(problem, solver=solver(tol=1e-9), tol=1e-9, start=first.factors)
    assert again.status is fr.Status.CERTIFIED
    assert again.counts.steps <= 2


@each
def test_interruption_keeps_the_iterate(small, solver):
    objectives = []

    def stop(record):
        objectives.append(record["objective"])
        if len(objectives) == 2:
            raise KeyboardInterrupt

    problem = small["norm-minimal"]
    solution = fr.solve(problem, solver=solver(tol=1e-12), tol=1e-12, progress=stop)
    assert solution.status is fr.Status.INTERRUPTED
    scale = solution.certificate.primal / objectives[-1]  # data are solved in another unit
    assert scale == pytest.approx(4.0 ** round(np.log(scale) / np.log(4.0)), rel=1e-9)
    assert objectives[-1] <= objectives[0]


@each
def test_a_rank_far_below_the_width_of_the_space(solver):
    # All but one singular value vanish, and the vectors of the longer side with them.
    rng = np.random.default_rng(0)
    M = rng.standard_normal((6, 1)) @ rng.standard_normal((1, 5))
    rows, cols = np.nonzero(rng.random((6, 5)) < 0.8)
    problem = fr.completion(rows, cols, M[rows, cols], (6, 5))
    solution = fr.solve(problem.with_lam(0.1 * largest_lam(problem)), solver=solver())
    assert solution.status is fr.Status.CERTIFIED
    assert solution.counts.steps < 100  # with moves measured by other vectors: 10 000, in vain


def test_a_search_that_was_cut_short_is_certified_where_it_stands(small):
    problem = small["flat"]
    solver = GaussNewton(tol=1e-12)
    state = solver.init(problem)
    while state.proof.certificate is None and state.ended is fr.Status.RUNNING:
        state = solver.step(problem, state)
    state = state._replace(ended=fr.Status.RUNNING)  # as when time is up
    assert solver.outcome(state).certificate is None


def test_an_epoch_of_coordinate_descent_leaves_nothing_along_its_last_column(small):
    problem = small["flat"]
    rng = np.random.default_rng(0)
    B, b, lam = problem.whitened, problem.b, np.asarray(problem.lam)
    start = FactorPair(*(np.asarray(rng.standard_normal((d, 2))) for d in problem.shape))
    pair = coordinate_epoch(B, b, lam, start, np.asarray(2))
    S = B.adjoint(B.forward(pair) - b)
    slope = S.left(pair.L) + lam * pair.R
    objective = [
        0.5 * np.sum(np.asarray(B.forward(x) - b) ** 2) + 0.5 * lam * x.squared_norm()
        for x in (start, pair)
    ]
    assert np.abs(slope[:, 1]).max() <= 1e-10 * np.abs(np.asarray(b)).max()
    assert objective[1] < objective[0]


def test_bm_global_as_published_finds_the_same_optimum(small):
    problem = small["norm-minimal"]
    solution = fr.solve(problem, solver=BMGlobal(tol=1e-6, factors="coordinates"), tol=1e-6)
    assert solution.status is fr.Status.CERTIFIED
    with pytest.raises(ValueError, match="entries"):
        fr.solve(gaussian().with_lam(1.0), solver=BMGlobal(factors="coordinates"))
    with pytest.raises(ValueError, match="coordinates"):
        fr.solve(problem, solver=BMGlobal(factors="epochs"))


def test_growth_that_is_cut_again_ends_in_a_proof():
    """A pair just above λ, whose column a loose fit cuts: appended again for ever, once."""
    rng = np.random.default_rng(35)
    falling = [(1.0 + rng.permutation(d)) ** -0.8 for d in (200, 300)]
    chance = np.outer(*falling)
    rows, cols = np.nonzero(rng.random((200, 300)) < chance * (3000 / chance.sum()))
    X = rng.standard_normal((200, 2)) @ rng.standard_normal((2, 300))
    values = X[rows, cols] + 2 * rng.standard_normal(rows.size)
    problem = fr.completion(rows, cols, values, (200, 300), lam_ratio=0.3, smoothing=0.0)
    solution = fr.solve(problem, solver=GaussNewton(tol=5e-2), tol=5e-2)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.counts.steps <= 30
