"""FlatImplicitRecommender: unseen columns in order, new rows exact, ranking above popularity."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import ndcg_score

import flatrank as fr
from flatrank.estimators._best import best_columns


@pytest.fixture(scope="module")
def clicks():
    """Three tastes; of each row's clicks one in five is kept out."""
    rng = np.random.default_rng(0)
    taste = rng.dirichlet(np.full(3, 0.2), 300)
    items = rng.dirichlet(np.full(90, 0.3), 3)
    r = rng.poisson(25 * taste @ items)
    kept_out = (rng.random(r.shape) < 0.2) & (r > 0)
    return np.where(kept_out, 0, r), kept_out


@pytest.fixture(scope="module")
def model(clicks):
    return fr.FlatImplicitRecommender(factors=8, alpha=2.0).fit(sp.csr_array(clicks[0]))


def test_the_best_unseen_come_first_for_one_some_and_all(clicks, model):
    r, _ = clicks
    scores = np.where(r > 0, -np.inf, model.row_factors_ @ model.column_factors_.T)
    cols, values = model.recommend(top=7)
    assert cols.shape == values.shape == (300, 7)
    np.testing.assert_allclose(values, -np.sort(-scores, axis=1)[:, :7], rtol=1e-4, atol=1e-6)
    assert not np.any(r[np.arange(300)[:, None], cols])
    some = model.recommend([5, 2], top=7)
    np.testing.assert_array_equal(some[0], cols[[5, 2]])
    one = model.recommend(5, top=7)
    np.testing.assert_array_equal(one[0], cols[5])
    np.testing.assert_allclose(one[1], values[5], rtol=1e-4)


def test_the_seen_on_request_and_blanks_where_none_are_left(clicks, model):
    cols, _ = model.recommend(3, top=90, exclude_seen=False)
    np.testing.assert_array_equal(np.sort(cols), np.arange(90))
    cols, values = model.recommend(3, top=200)
    left = 90 - np.count_nonzero(clicks[0][3])
    assert np.all(cols[left:] == -1)
    assert np.all(values[left:] == -np.inf)
    assert np.all(cols[:left] >= 0)


def test_it_ranks_what_was_kept_out_above_what_is_popular(clicks, model):
    r, kept_out = clicks
    asked = kept_out.any(axis=1)
    scores = np.where(r > 0, -9.0, model.row_factors_ @ model.column_factors_.T)
    popular = np.where(r > 0, -9.0, (r > 0).mean(axis=0))
    found, plain = (ndcg_score(kept_out[asked], x[asked], k=10) for x in (scores, popular))
    assert found > 1.3 * plain


def test_new_rows_have_their_exact_factors_whoever_comes_with_them(clicks, model):
    r = clicks[0][:40]
    R, lam = model.column_factors_, model.solution_.problem.lam
    factors = model.transform(sp.csr_array(r))
    for i in (0, 17):
        C = 1 + 2.0 * r[i]
        G = R.T @ (C[:, None] * R) + lam * np.eye(8)
        np.testing.assert_allclose(
            factors[i], np.linalg.solve(G, R.T @ (C * (r[i] > 0))), atol=1e-8
        )
    np.testing.assert_allclose(model.transform(r[17:18])[0], factors[17], atol=1e-12)
    # The last half sweep left the rows near their minimisers.
    assert np.abs(factors - model.row_factors_[:40]).max() < 0.05 * np.abs(factors).max()
    folded = model.fold_in(r)
    cols, _ = folded.recommend(top=3)
    assert cols.shape == (40, 3)
    assert not np.any(r[np.arange(40)[:, None], cols])
    assert model.row_factors_.shape == (300, 8)
    nobody = model.fold_in(np.zeros((1, 90)))
    np.testing.assert_array_equal(nobody.row_factors_, 0)


def test_the_certificate_is_that_of_the_fit_and_says_how_far_it_is(clicks, model):
    found = model.certificate_
    again = fr.certify(model.solution_.problem, (model.row_factors_, model.column_factors_))
    assert found.dual_bound == pytest.approx(again.dual_bound)
    assert 0 < found.relative_gap < 1
    wide = fr.FlatImplicitRecommender(factors=90, alpha=2.0, sweeps=300, lam_ratio=0.3)
    assert wide.fit(clicks[0]).certificate_.relative_gap < 1e-4
    assert "certificate_" not in vars(wide.fit(clicks[0]))


def test_counts_in_any_form_and_pickles(clicks, model):
    dense = fr.FlatImplicitRecommender(factors=8, alpha=2.0).fit(clicks[0])
    np.testing.assert_array_equal(dense.column_factors_, model.column_factors_)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.recommend(0)[0], model.recommend(0)[0])
    assert model.get_feature_names_out().size == 8


def test_what_cannot_be_is_refused(clicks, model):
    with pytest.raises(ValueError, match="at least 1"):
        model.recommend(top=0)
    with pytest.raises(ValueError, match="rows"):
        model.recommend(300)
    with pytest.raises(ValueError, match="egative"):
        fr.FlatImplicitRecommender().fit(-clicks[0])
    with pytest.raises(ValueError, match="features"):
        model.transform(np.ones((2, 5)))
    with pytest.raises(ValueError, match="give lam or lam_ratio"):
        fr.FlatImplicitRecommender(lam=1.0, lam_ratio=0.1).fit(clicks[0])
    with pytest.raises(ValueError, match="rank must be"):
        fr.FlatImplicitRecommender(factors=0).fit(clicks[0])


@pytest.mark.parametrize(
    ("q", "d", "top"), [(5, 1, 1), (6, 64, 3), (7, 1000, 4), (3, 321, 10), (2, 9, 9)]
)
def test_the_largest_of_each_row_in_order(q, d, top):
    scores = np.random.default_rng(d).standard_normal((q, d))
    scores[0, : d // 2] = -np.inf
    cols, values = best_columns(scores, top)
    np.testing.assert_array_equal(cols, np.argsort(-scores, axis=1, kind="stable")[:, :top])
    np.testing.assert_array_equal(values, np.take_along_axis(scores, cols, axis=1))
