"""Features of rows and columns: their regression has the law it says, and tells of cold columns."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.gibbs import load_posterior, save_posterior
from flatrank.gibbs.regression import RIDGES, Regression
from flatrank.gibbs.sampler import Noise, Sampler, generator


def cold_table(seed=0):
    """A table with every tenth column unseen, and what columns are alike in."""
    rng = np.random.default_rng(seed)
    F = rng.standard_normal((150, 4))
    L = 0.5 + rng.standard_normal((120, 2))
    R = F @ rng.standard_normal((4, 2)) + 0.4 * rng.standard_normal((150, 2))
    X = L @ R.T + 0.5 * rng.standard_normal((120, 150))
    cold = np.arange(150) % 10 == 0
    seen = rng.random(X.shape) < 0.25
    return X, F, np.nonzero(seen & ~cold), np.nonzero(seen & cold)


@pytest.fixture(scope="module")
def told():
    X, F, seen, hidden = cold_table()
    problem = fr.completion(*seen, X[seen], X.shape, lam=1.0, smoothing=0.5)
    one = {"width": 3, "noise": "common", "draws": 60, "burn": 30}
    return X, hidden, *(fr.posterior(problem, features=f, **one) for f in (None, (None, 100 * F)))


def test_columns_without_entries_are_predicted_from_their_features(told):
    X, hidden, blind, post = told
    errors = [np.sqrt(np.mean((p.mean(*hidden) - X[hidden]) ** 2)) for p in (blind, post)]
    # The noise is 0.5 and what features leave of a column about 0.4 √(1 + 1 + ½) = 0.63: 0.8.
    assert errors[1] < 1.0
    assert errors[1] < errors[0] / 2


def test_intervals_of_columns_without_entries_hold_what_they_say(told):
    X, hidden, _, post = told
    low, high = post.interval(*hidden)
    # 15 columns, whose errors go together: a standard error of about 0.05.
    assert 0.8 < np.mean((low <= X[hidden]) & (X[hidden] <= high)) < 0.99


def test_regression_has_the_law_that_it_is_drawn_from():
    rng, n = generator(0), 20_000
    F, B = rng.standard_normal((n, 3)), np.array([[1.0, 0.0], [0.5, -2.0], [0.0, 0.3]])
    X = np.array([3.0, -1.0]) + F @ B + rng.standard_normal((n, 2)) @ np.diag([1.0, 0.5])
    seen = np.arange(n) % 3 > 0
    F = np.column_stack([F, np.ones(n), F[:, 0] - F[:, 1]])  # two that say nothing more
    found, M = Regression(F, seen).draw(np.where(seen[:, None], X, 1e9), rng)
    # Standard errors of 1/√n are 0.009 and less.
    np.testing.assert_allclose(
        M - M.mean(axis=0), F[:, :3] @ B - (F[:, :3] @ B).mean(axis=0), atol=0.2
    )
    np.testing.assert_allclose(found.mu, X[seen].mean(axis=0), atol=0.04)
    np.testing.assert_allclose(found.Lam, np.diag([1.0, 4.0]), atol=0.15)


def test_useless_features_are_shut_off():
    rng = generator(1)
    _, M = Regression(rng.standard_normal((3000, 5)), np.ones(3000, bool)).draw(
        rng.standard_normal((3000, 2)), rng
    )
    # Least squares would leave weights of 1/√n, and √(5/3000) = 0.04 of each row.
    assert np.sqrt(np.mean(M**2)) < 0.03


def prior(regression, n, k, rng):
    """Rows from the law before the data."""
    B = np.tril(rng.standard_normal((k, k)), -1)
    np.fill_diagonal(B, np.sqrt(rng.chisquare(k - np.arange(k))))
    root = np.linalg.inv(B).T  # Λ = B Bᵀ
    weights = rng.standard_normal((regression.F.shape[1], k)) @ root.T / rng.choice(RIDGES) ** 0.5
    mu = root @ rng.standard_normal(k)
    return mu, weights, mu + regression.F @ weights + rng.standard_normal((n, k)) @ root.T


def test_joint_law_of_rows_and_their_regression_geweke_2004():
    """Rows drawn from drawn laws, laws from rows: the pair keeps the law before the data."""
    rng, n, rounds = generator(4), 5, 6000
    regression = Regression(rng.standard_normal((n, 2)), np.ones(n, bool))

    def told(mu, X):
        return np.array(
            [np.tanh(mu[0]), np.tanh(np.log(np.mean(X**2))), np.tanh(X[0, 0] - X[1, 0])]
        )

    direct = np.stack(
        [told(mu, X) for mu, _, X in (prior(regression, n, 1, rng) for _ in range(rounds))]
    )
    X, chain = prior(regression, n, 1, rng)[2], []
    for _ in range(rounds):
        common, M = regression.draw(X, rng)
        X = common.mu + M + rng.standard_normal((n, 1)) / np.sqrt(common.Lam)
        chain.append(told(common.mu, X))
    batches = np.stack(chain).reshape(40, rounds // 40, -1).mean(axis=1)
    error = np.sqrt(batches.var(axis=0, ddof=1) / 40 + direct.var(axis=0) / rounds)
    z = (batches.mean(axis=0) - direct.mean(axis=0)) / error
    assert np.abs(z).max() < 4, z


def test_misfits_with_features_are_the_sums_of_squared_residuals():
    X, F, seen, _ = cold_table()
    A = fr.completion(*seen, X[seen], X.shape).measurement
    sampler, rng = Sampler(A, X[seen], Noise.BY_LINE, (F[:120], F)), generator(2)
    state = sampler.near(None, 2, rng)
    delta = rng.random(150) + 0.5
    L, sums, _ = sampler.by_row.draw(state.L, state.R, np.ones(120), delta, rng)
    i, j = seen
    squares = delta[j] * (X[seen] - np.einsum("pk,pk->p", L[i], state.R[j])) ** 2
    np.testing.assert_allclose(sums, np.bincount(i, squares, 120), rtol=1e-9)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ((None,), "features are a pair"),
        ((np.ones((3, 2)), None), "one line for each of the 120 rows; got shape (3, 2)"),
        ((None, np.ones(150)), "one line for each of the 150 columns; got shape (150,)"),
        ((None, np.full((150, 1), np.nan)), "columns must be finite numbers; put a mean"),
    ],
)
def test_features_that_cannot_be_meant(features, message):
    X, _, seen, _ = cold_table()
    problem = fr.completion(*seen, X[seen], X.shape, lam=1.0, smoothing=0.5)
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is looked at below
        fr.posterior(problem, features=features)
    assert message in str(refused.value)
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        fr.complete(*seen, X[seen], X.shape, features=features)
    assert message in str(refused.value)


def test_features_need_the_posterior():
    X, F, seen, _ = cold_table()
    with pytest.raises(ValueError, match="features tell the posterior"):
        fr.complete(*seen, X[seen], X.shape, features=(None, F), predict="flat")


@pytest.fixture(scope="module")
def of_rows():
    """The table turned, fitted without its last thirty rows, of which a part has no entries."""
    X, F, _, _ = cold_table(3)
    X, known = X.T, 120
    seen = np.random.default_rng(5).random((known, 120)) < 0.25
    problem = fr.completion(*np.nonzero(seen), X[:known][seen], (known, 120), lam=1.0)
    one = {"width": 3, "noise": "common", "draws": 60, "burn": 30}
    told, blind = (fr.posterior(problem, features=f, **one) for f in ((F[:known], None), None))
    return X[known:], F[known:], told, blind


def test_new_rows_without_entries_are_predicted_from_their_features(of_rows):
    X, F, told, blind = of_rows
    places, none = np.nonzero(np.ones(X.shape)), np.empty(0, int)
    new = told.predict_rows(none, none, none, F)
    error = np.sqrt(np.mean((new.mean(*places) - X[places]) ** 2))
    level = blind.mean_rows(none, none, none, len(X))
    # As for columns above: 0.8 from noise and what features leave.
    assert error < 1.0
    assert error < np.sqrt(np.mean((level - X) ** 2)) / 2
    means = told.mean_rows(none, none, none, len(X), F)[places]
    # 120 draws of rows that features leave 0.4 √(1 + 1 + ½) open, and 16 of the laws: 0.06 and 0.1.
    assert np.sqrt(np.mean((means - new.mean(*places)) ** 2)) < 0.2
    low, high = new.interval(*places)
    # 30 rows, whose errors go together: a standard error of about 0.04.
    assert 0.8 < np.mean((low <= X[places]) & (X[places] <= high)) < 0.99


def test_factors_of_new_rows_have_their_conditional_given_features_and_entries(of_rows):
    X, F, told, _ = of_rows
    rows, cols = np.repeat(np.arange(2000), 3), np.tile([0, 1, 2], 2000)
    new = told.predict_rows(rows, cols, np.tile(X[0, :3], 2000), np.tile(F[0], (2000, 1)))
    d, s = told.draws, 7
    R, alpha, Lam = d.R[s, :3].astype(float), d.alpha[s], d.row_precision[s]
    b = (X[0, :3] - told.mean_value) / told.unit
    prior = d.row_mean[s] + F[0] @ d.row_weights[s]
    S = np.linalg.inv(Lam + alpha * R.T @ R)
    mean = S @ (Lam @ prior + alpha * R.T @ b)
    root = np.sqrt(np.diag(S))
    z = (new.draws.L[s].mean(axis=0) - mean) / root * np.sqrt(2000)
    assert np.abs(z).max() < 4
    # A variance of 2000 normal draws is known to a factor of 1 ± √(2/2000) = 0.03.
    np.testing.assert_allclose(new.draws.L[s].var(axis=0) / np.diag(S), 1, atol=0.13)


def test_weights_for_features_as_they_came_are_those_of_the_sweep():
    rng = np.random.default_rng(0)
    F = np.column_stack([2000 + rng.standard_normal(40), 1e-3 * rng.random(40), np.ones(40)])
    regression, X = Regression(F, np.arange(40) > 3), rng.standard_normal((40, 2))
    common, M = regression.draw(X, generator(1))
    own, B = regression.weights(X, generator(1))
    # Sizes of 2000 in double precision.
    np.testing.assert_allclose(own.mu + F @ B, common.mu + M, atol=1e-9)
    np.testing.assert_array_equal(own.Lam, common.Lam)


def test_weights_come_back_from_disk(of_rows, tmp_path):
    X, F, told, _ = of_rows
    back = load_posterior(save_posterior(told, tmp_path / "posterior.safetensors"))
    given = [0, 0], [1, 2], X[0, [1, 2]], F[:1]
    np.testing.assert_array_equal(
        back.predict_rows(*given).draws.L, told.predict_rows(*given).draws.L
    )


def test_features_of_new_rows_that_do_not_fit(of_rows):
    _, F, told, blind = of_rows
    for post, features, message in (
        (blind, F, "rows that were fitted had none: leave them out"),
        (told, None, r"had features, 4 each: give those of the new rows too, .*\(new rows, 4\)"),
        (told, F[:, :2], "need the 4 features of the rows that were fitted; got 2"),
        (told, F * np.nan, "features of the rows must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            post.predict_rows([0], [1], [0.5], features)


def test_entries_of_more_rows_than_features_are_refused(of_rows):
    _, F, told, _ = of_rows
    with pytest.raises(ValueError, match="rows must lie between 0 and 29; got 30"):
        told.predict_rows([len(F)], [0], [0.5], F)
