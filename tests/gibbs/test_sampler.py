"""The sampler draws from the law it says: Geweke's joint test, calibration, conjugate forms."""

import numpy as np
import pytest

from flatrank.gibbs.priors import SHAPES, Common, draw_common, draw_precisions, draw_shape
from flatrank.gibbs.sampler import Noise, Sampler, State, generator
from flatrank.measurements.entries import sample_entries


def pattern(d1, d2, share, seed=0):
    seen = np.random.default_rng(seed).random((d1, d2)) < share
    seen[0], seen[:, 0] = True, True
    rows, cols = np.nonzero(seen)
    return sample_entries(rows, cols, np.zeros(rows.size), (d1, d2))[0]


def prior(shape, k, law, rng):
    """A state from the law before the data."""
    d1, d2 = shape

    def factor(d):
        B = np.tril(rng.standard_normal((k, k)), -1)
        np.fill_diagonal(B, np.sqrt(rng.chisquare(k - np.arange(k))))
        root = np.linalg.inv(B).T  # Λ = B Bᵀ
        mu = root @ rng.standard_normal(k)
        return mu + rng.standard_normal((d, k)) @ root.T, Common(mu, B @ B.T)

    (L, rows), (R, cols) = factor(d1), factor(d2)
    gamma, delta, a1, a2 = np.ones(d1), np.ones(d2), 10.0, 10.0
    if law is Noise.BY_LINE:
        a1, a2 = rng.choice(SHAPES, 2)
        gamma, delta = rng.standard_gamma(a1, d1) / a1, rng.standard_gamma(a2, d2) / a2
    return State(L, R, rng.standard_gamma(1.0), gamma, delta, a1, a2, rows, cols)


def data(A, state, rng):
    """Data given a state."""
    i, j = A.places()
    tau = state.alpha * state.row_noise[i] * state.col_noise[j]
    return np.einsum("pk,pk->p", state.L[i], state.R[j]) + rng.standard_normal(i.size) / tau**0.5


def seen(state):
    """Bounded functions of a state: the prior has heavy tails."""
    return np.array(
        [
            np.tanh(np.log(state.alpha)),
            np.tanh(np.mean(np.log(state.row_noise))),
            np.tanh(np.mean(np.log(state.col_noise))),
            np.log(state.row_shape) / 8,
            np.log(state.col_shape) / 8,
            np.tanh(np.log(np.mean(state.L**2))),
            np.tanh(np.log(np.mean(state.R**2))),
            np.tanh(state.L[0, 0] * state.R[0, 0]),
            np.tanh(state.rows.mu[0]),
            np.tanh(np.log(np.linalg.det(state.cols.Lam))),
        ]
    )


@pytest.mark.parametrize("law", list(Noise))
def test_joint_law_of_data_and_parameters_geweke_2004(law):
    rng, A, k, n = generator(3), pattern(4, 3, 0.6), 1, 6000
    direct = np.stack([seen(prior(A.shape, k, law, rng)) for _ in range(n)])
    state, chain = prior(A.shape, k, law, rng), []
    for _ in range(n):
        state = Sampler(A, data(A, state, rng), law).sweep(state, rng)
        chain.append(seen(state))
    batches = np.stack(chain).reshape(40, n // 40, -1).mean(axis=1)
    error = np.sqrt(batches.var(axis=0, ddof=1) / 40 + direct.var(axis=0) / n) + 1e-12
    z = (batches.mean(axis=0) - direct.mean(axis=0)) / error
    assert np.abs(z).max() < 4, z


def test_common_law_of_many_rows_is_that_of_the_rows():
    rng = generator(0)
    T, mu = np.array([[1.0, 0.0], [0.7, 0.5]]), np.array([2.0, -1.0])
    X = mu + rng.standard_normal((40_000, 2)) @ T.T
    found = draw_common(X, rng)
    np.testing.assert_allclose(found.mu, mu, atol=0.03)
    np.testing.assert_allclose(found.Lam, np.linalg.inv(T @ T.T), rtol=0.05, atol=0.1)


def test_precisions_and_their_shape_have_the_conjugate_law():
    rng = generator(1)
    drawn = draw_precisions(np.full(200_000, 6.0), np.full(200_000, 3.0), 5.0, rng)
    assert abs(drawn.mean() - 8 / 6.5) < 0.01
    assert abs(drawn.var() - 8 / 6.5**2) < 0.01
    known = rng.standard_gamma(20.0, 20_000) / 20.0
    assert 15 < draw_shape(known, rng) < 27


def test_misfits_are_the_sums_of_squared_residuals():
    A, rng = pattern(9, 7, 0.5), generator(2)
    b = rng.standard_normal(A.m)
    sampler = Sampler(A, b, Noise.BY_LINE)
    X, Y, delta = rng.standard_normal((9, 2)), rng.standard_normal((7, 2)), rng.random(7) + 0.5
    L, sums, _ = sampler.by_row.draw(X, Y, np.ones(9), delta, rng)
    i, j = A.places()
    squares = delta[j] * (b - np.einsum("pk,pk->p", L[i], Y[j])) ** 2
    np.testing.assert_allclose(sums, np.bincount(i, squares, 9), rtol=1e-9)


def test_blocks_of_rows_change_nothing():
    A, b = pattern(40, 30, 0.3), generator(5).standard_normal(pattern(40, 30, 0.3).m)
    sampler = Sampler(A, b, Noise.BY_LINE)
    start = sampler.near(None, 3, generator(0))
    whole = sampler.sweep(start, generator(1))
    pieces = Sampler(A, b, Noise.BY_LINE)
    for side in (pieces.by_row, pieces.by_col):
        side.grams = 50
    found = pieces.sweep(start, generator(1))
    np.testing.assert_allclose(found.L, whole.L, rtol=1e-12)
    np.testing.assert_allclose(found.R, whole.R, rtol=1e-12)


def test_a_narrower_start_keeps_the_largest_columns():
    A = pattern(6, 5, 1.0)
    sampler = Sampler(A, np.zeros(A.m), Noise.COMMON)
    wide = sampler.near(None, 3, generator(0))
    for column, size in enumerate((1.0, 100.0, 10.0)):
        wide.L[:, column] = size
        wide.R[:, column] = 1.0
    kept = sampler.near(wide, 2, generator(1))
    np.testing.assert_allclose(kept.L.mean(axis=0), [100.0, 10.0], atol=0.5)


@pytest.mark.parametrize("tables", [40, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("law", list(Noise))
def test_ranks_of_the_truth_among_the_draws_are_uniform(law, tables):
    """Simulation-based calibration (Talts et al. 2018), each chain from afar and burnt in."""
    A, k, kept = pattern(8, 6, 0.7, seed=4), 1, 19
    burn, every, ranks = 60, 5, []
    for table in range(tables):
        rng = generator(11, table)
        truth = prior(A.shape, k, law, rng)
        sampler = Sampler(A, data(A, truth, rng), law)
        state, drawn = sampler.near(None, k, rng), []
        for sweep in range(burn + every * kept):
            state = sampler.sweep(state, rng)
            if sweep >= burn and (sweep - burn) % every == 0:
                drawn.append(asked(state))
        ranks.append(np.sum(np.stack(drawn) < asked(truth), axis=0))
    # Twenty possible ranks, in five cells: χ² of four degrees of freedom for each quantity.
    cells = np.stack([np.bincount(r // 4, minlength=5) for r in np.stack(ranks).T])
    chi2 = np.sum((cells - tables / 5) ** 2, axis=1) / (tables / 5)
    assert chi2.max() < 20, cells  # one in 2000 by chance


def asked(state):
    """An observed place, one that was not, the noise, and an effect."""
    x = state.L @ state.R.T
    tau = state.alpha * state.row_noise[0] * state.col_noise[0]
    return np.array([x[0, 0], x[-1, -1], tau, state.L[0] @ state.cols.mu])
