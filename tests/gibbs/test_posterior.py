"""The posterior as people use it: predictions, intervals, new rows, threads, Ctrl-C, files."""

from functools import partial

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

import flatrank as fr
from flatrank.gibbs import Noise, load_posterior, posterior, save_posterior
from flatrank.gibbs.diagnostics import diagnose, effective_size, split_r_hat
from flatrank.gibbs.mixtures import log_density, quantile


def table(d1=60, d2=40, k=2, noise=0.3, share=0.5, seed=0):
    """Entries seen, all places, true values and a second, noisy look at every entry."""
    rng = np.random.default_rng(seed)
    X = 5 + rng.standard_normal((d1, k)) @ rng.standard_normal((k, d2))
    X += rng.standard_normal((d1, 1)) + rng.standard_normal(d2)
    rows, cols = np.nonzero(rng.random((d1, d2)) < share)
    values = X[rows, cols] + noise * rng.standard_normal(rows.size)
    return (
        fr.completion(rows, cols, values, (d1, d2), lam=1.0),
        X,
        X + noise * rng.standard_normal(X.shape),
    )


@pytest.fixture(scope="module")
def found():
    problem, X, again = table()
    return posterior(problem, draws=100), X, again, problem


def everywhere(X):
    i, j = np.indices(X.shape)
    return i.ravel(), j.ravel()


def test_predictions_are_near_the_truth_and_intervals_hold_what_they_say(found):
    post, X, again, _ = found
    places = everywhere(X)
    error = post.mean(*places) - X.ravel()
    assert np.sqrt(np.mean(error**2)) < 0.2
    assert abs(post.noise - 0.3) < 0.04
    low, high = post.interval(*places, 0.9)
    inside = np.mean((low <= again.ravel()) & (again.ravel() <= high))
    assert 0.87 < inside < 0.93
    low, high = post.interval(*places, 0.9, noise=False)
    assert 0.8 < np.mean((low <= X.ravel()) & (X.ravel() <= high)) < 0.97


def test_spread_is_what_draws_and_noise_leave_open(found):
    post, d = found[0], found[0].draws
    i, j = np.array([3, 59, 3]), np.array([7, 0, 39])
    x = np.einsum("spk,spk->sp", d.L[:, i].astype(float), d.R[:, j].astype(float))
    variance = x.var(axis=0) + np.mean(
        1 / (d.alpha[:, None] * d.row_noise[:, i] * d.col_noise[:, j]), axis=0
    )
    np.testing.assert_allclose(post.spread(i, j), post.unit * np.sqrt(variance), rtol=1e-4)


def test_its_facts_are_told(found):
    post, _, _, _ = found
    assert post.shape == (60, 40)
    assert 2.0 < post.rank < 8.0  # truth: 2, and two of effects
    assert post.diagnostics.good
    assert "chains agree" in str(post.diagnostics)
    assert {trial["noise"] for trial in post.chosen} == {"common", "rows and columns"}
    assert post.width in {trial["width"] for trial in post.chosen}


def test_the_predictive_density_prefers_what_was_observed(found):
    post, X, again, _ = found
    places = everywhere(X)
    at = post.log_density(*places, again.ravel()).mean()
    assert at > post.log_density(*places, again.ravel() + 0.5).mean() + 0.5


def test_one_seed_is_one_answer_for_any_number_of_threads(monkeypatch):
    problem, X, _ = table(30, 20)
    answers = []
    for threads in ("1", "2"):
        monkeypatch.setenv("FLATRANK_NUM_THREADS", threads)
        post = posterior(problem, width=3, noise="common", draws=10, burn=5, seed=4)
        answers.append(post.mean(*everywhere(X)))
    np.testing.assert_array_equal(*answers)
    other = posterior(problem, width=3, noise="common", draws=10, burn=5, seed=5)
    assert np.abs(other.mean(*everywhere(X)) - answers[0]).max() > 1e-3


def test_units_and_transposition_change_predictions_by_no_more_than_chance(found):
    post, X, _, problem = found
    i, j = problem.measurement.places()
    b = np.asarray(problem.b)
    turned = fr.completion(j, i, 100 * b - 7, X.T.shape, lam=1.0)
    other = posterior(turned, width=post.width, noise=post.noise_model, draws=100, seed=9)
    places = everywhere(X)
    back = (other.mean(*places[::-1]) + 7) / 100
    assert np.sqrt(np.mean((back - post.mean(*places)) ** 2)) < 0.1
    assert abs(other.noise / 100 - post.noise) < 0.03


def test_a_solution_is_where_chains_start():
    problem, X, _ = table(40, 30)
    problem = fr.completion(
        *problem.measurement.places(), np.asarray(problem.b), X.shape, lam_ratio=0.1
    )
    solution = fr.solve(problem)
    post = posterior(solution, width=4, noise="common", draws=40, burn=5)
    assert np.sqrt(np.mean((post.mean(*everywhere(X)) - X.ravel()) ** 2)) < 0.25


def test_new_rows_are_predicted_as_if_they_had_been_in_the_table(found):
    post, X, _, problem = found
    i, j = problem.measurement.places()
    some = i < 10
    new = post.predict_rows(i[some], j[some], np.asarray(problem.b)[some])
    assert new.shape == (10, 40)
    rows, cols = everywhere(X[:10])
    gap = new.mean(rows, cols) - post.mean(rows, cols)
    assert np.sqrt(np.mean(gap**2)) < 0.1
    low, high = new.interval(rows, cols)
    assert np.all(low < high)
    with pytest.raises(ValueError, match="values must be finite numbers, one for each place"):
        post.predict_rows([0], [1], [np.nan])


def test_a_place_outside_the_table_is_refused(found):
    post = found[0]
    with pytest.raises(ValueError, match="rows must lie between 0 and 59; got 60"):
        post.mean([60], [0])
    with pytest.raises(ValueError, match="must have one length"):
        post.mean([1, 2], [0])
    with pytest.raises(ValueError, match="level is a probability"):
        post.interval([0], [0], 1.0)


def test_what_cannot_be_is_refused_by_name():
    problem, _, _ = table(12, 10)
    with pytest.raises(
        TypeError, match="posterior needs sampled entries, from flatrank.completion"
    ):
        posterior(fr.covariance(np.eye(3), np.ones(3), lam=1.0))
    with pytest.raises(ValueError, match="chains must be a whole number from 2; got 1"):
        posterior(problem, chains=1)
    with pytest.raises(ValueError, match="width must be a whole number from 1, or None; got 0"):
        posterior(problem, width=0)
    with pytest.raises(ValueError, match="more than max_bytes"):
        posterior(problem, width=2, max_bytes=100.0)
    with pytest.raises(ValueError, match="'loud' is not a valid Noise"):
        posterior(problem, noise="loud")


def test_kept_draws_stay_within_their_bytes():
    problem, _, _ = table(30, 20)
    room = 20 * 4 * 50 * 3 * 1.0
    post = posterior(problem, width=3, noise="common", draws=40, burn=2, max_bytes=room)
    assert post.draws.L.nbytes + post.draws.R.nbytes <= room


def test_an_interruption_keeps_what_was_drawn():
    problem, X, _ = table(30, 20)
    seen = []

    def monitor(record):
        seen.append(record)
        if record["sweep"] > 20:
            raise KeyboardInterrupt

    post = posterior(
        problem, width=3, noise="common", draws=1_000_000, burn=5, progress=monitor, max_bytes=1e12
    )
    assert post.diagnostics.stopped
    assert "Stopped early" in str(post.diagnostics)
    assert 0 < len(post.draws) < 2_000_000
    assert np.all(np.isfinite(post.mean(*everywhere(X))))


def test_time_ends_it_too():
    problem, _, _ = table(30, 20)
    post = posterior(
        problem, width=3, noise="common", draws=100_000, burn=2, max_seconds=0.5, max_bytes=1e12
    )
    assert post.diagnostics.stopped
    with pytest.raises(ValueError, match="left no time for a draw"):
        posterior(problem, width=3, noise="common", max_seconds=0.0)


def test_a_file_gives_it_back(found, tmp_path):
    post, X, _, _ = found
    path = save_posterior(post, tmp_path / "posterior.safetensors")
    back = load_posterior(path)
    places = everywhere(X)
    np.testing.assert_array_equal(back.mean(*places), post.mean(*places))
    assert back.diagnostics == post.diagnostics
    assert back.chosen == post.chosen
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="holds no posterior, or a damaged one"):
        load_posterior(path)
    with pytest.raises(ValueError, match="there is no such file"):
        load_posterior(tmp_path / "absent")


def test_tiny_tables_have_an_answer():
    problem = fr.completion([0, 0, 1, 1], [0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0], (2, 2), lam=1.0)
    post = posterior(problem, draws=20)
    assert np.all(np.isfinite(post.mean([0, 1], [0, 1])))
    constant = fr.completion([0, 0, 1], [0, 1, 1], [3.0, 3.0, 3.0], (2, 2), lam=1.0)
    assert abs(posterior(constant, draws=20).mean([1], [0])[0] - 3) < 0.5


@pytest.mark.parametrize("cols", [1, 4])
def test_rows_of_one_entry_leave_no_width_to_choose(cols):
    rows = np.arange(30)
    problem = fr.completion(rows, rows % cols, np.sin(rows), (30, cols), lam=1.0)
    assert posterior(problem, draws=20, progress=lambda _: None).width <= 2


def share_below(t, x, sd, p):
    return norm.cdf((t - x) / sd).mean() - p


def test_quantiles_of_mixtures_solve_their_equation():
    rng = np.random.default_rng(0)
    x, sd = rng.standard_normal((30, 5)) * 3, rng.random((30, 5)) + 0.05
    for p in (0.001, 0.3, 0.95):
        found = quantile(p, x, sd)
        for q in range(5):
            one = partial(share_below, x=x[:, q], sd=sd[:, q], p=p)
            exact = brentq(one, -30, 30)
            assert abs(found[q] - exact) < 2e-3
    direct = np.log(norm.pdf(0.4, x, sd).mean(axis=0))
    np.testing.assert_allclose(log_density(np.full(5, 0.4), x, sd), direct)


def test_diagnostics_tell_chains_that_agree_from_those_that_do_not():
    rng = np.random.default_rng(0)
    white = rng.standard_normal((4, 500, 3))
    assert np.all(np.abs(split_r_hat(white) - 1) < 0.02)
    assert np.all(effective_size(white) > 1200)
    apart = white + np.arange(4)[:, None, None]
    assert np.all(split_r_hat(apart) > 1.3)
    slow = np.zeros((4, 4000, 1))
    for t in range(1, 4000):
        slow[:, t] = 0.9 * slow[:, t - 1] + rng.standard_normal((4, 1))
    assert 0.5 < effective_size(slow)[0] / (16_000 * 0.1 / 1.9) < 2
    bad = diagnose(list(apart))
    assert not bad.good
    assert "have not met" in str(bad)


def test_noise_of_rows_is_found_where_there_is_some():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((80, 2)) @ rng.standard_normal((2, 50))
    sd = np.where(np.arange(80) % 2, 0.1, 1.0)
    rows, cols = np.nonzero(rng.random(X.shape) < 0.6)
    values = X[rows, cols] + sd[rows] * rng.standard_normal(rows.size)
    post = posterior(fr.completion(rows, cols, values, X.shape, lam=1.0), draws=60)
    assert post.noise_model is Noise.BY_LINE
    low, high = post.interval(rows, cols)
    width = high - low
    assert width[rows % 2 == 0].mean() > 2.5 * width[rows % 2 == 1].mean()


def test_the_mean_given_a_row_is_that_of_the_draws():
    rng = np.random.default_rng(1)
    R = rng.standard_normal((15, 2))
    sizes = np.exp(rng.standard_normal((230, 1)))
    X = rng.standard_normal((230, 2)) @ R.T
    Y = X + 0.3 * sizes * rng.standard_normal(X.shape)
    seen = rng.random(X.shape) < 0.7
    for law in ("common", "rows and columns"):
        i, j = np.nonzero(seen[:200])
        post = fr.posterior(fr.completion(i, j, Y[i, j], (200, 15)), width=3, noise=law)
        i, j = np.nonzero(seen[200:])
        means = post.mean_rows(i, j, Y[200:][i, j], 30)
        every = np.divmod(np.arange(450), 15)
        back = slice(None, None, -1)
        again = post.mean_rows(i[back], j[back], Y[200:][i, j][back], 30)
        np.testing.assert_array_equal(again, means)
        drawn = post.predict_rows(i, j, Y[200:][i, j]).mean(*every).reshape(30, 15)
        spread = np.std(drawn - X[200:])
        assert np.sqrt(np.mean((means - drawn) ** 2)) < 0.35 * spread
        assert np.std(means - X[200:]) < 1.05 * spread


def test_whole_rows_are_the_means_of_their_entries():
    rng = np.random.default_rng(0)
    i, j = np.nonzero(rng.random((20, 8)) < 0.7)
    post = fr.posterior(fr.completion(i, j, 5 + rng.standard_normal(i.size), (20, 8)), draws=20)
    rows = np.array([3, 0, 3])
    expected = post.mean(np.repeat(rows, 8), np.tile(np.arange(8), 3)).reshape(3, 8)
    np.testing.assert_allclose(post.whole_rows(rows), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="rows"):
        post.whole_rows([20])
    with pytest.raises(ValueError, match="values must be finite"):
        post.mean_rows([0], [1], [np.nan], 1)
