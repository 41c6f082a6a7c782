"""FlatRobustPCA: two parts, proved, and rows projected on the components."""

import pickle

import numpy as np
import pandas as pd
import pytest

import flatrank as fr
from flatrank.estimators import NotCertifiedWarning


@pytest.fixture(scope="module")
def parts():
    rng = np.random.default_rng(0)
    low = rng.standard_normal((80, 2)) @ rng.standard_normal((2, 40))
    sparse = np.where(rng.random(low.shape) < 0.05, 10.0, 0.0)
    return low, sparse


@pytest.fixture(scope="module")
def fitted(parts):
    return fr.FlatRobustPCA().fit(sum(parts))


def test_the_parts_are_found(parts, fitted):
    low, sparse = parts
    np.testing.assert_allclose(fitted.low_rank_, low, atol=1e-5)
    np.testing.assert_array_equal(np.abs(fitted.sparse_) > 1e-3, sparse > 0)
    assert fitted.rank_ == 2
    assert fitted.status_ is fr.Status.CERTIFIED
    assert fitted.certificate_.certified(1e-6)
    np.testing.assert_allclose(fitted.components_ @ fitted.components_.T, np.eye(2), atol=1e-10)
    np.testing.assert_allclose(fitted.singular_values_, np.linalg.svd(low)[1][:2], rtol=1e-5)


def test_rows_of_low_rank_come_back(parts, fitted):
    scores = fitted.transform(parts[0])
    assert scores.shape == (80, 2)
    np.testing.assert_allclose(fitted.inverse_transform(scores), parts[0], atol=1e-5)
    with pytest.raises(ValueError, match="one a component"):
        fitted.inverse_transform(parts[0])


def test_names_and_pickle(parts):
    frame = pd.DataFrame(sum(parts), index=np.arange(80) + 3)
    frame.columns = [f"c{j}" for j in range(40)]
    model = fr.FlatRobustPCA(tol=1e-4).set_output(transform="pandas")
    scores = model.fit_transform(frame)
    assert list(scores.columns) == ["flatrobustpca0", "flatrobustpca1"]
    assert scores.index.equals(frame.index)
    assert pickle.loads(pickle.dumps(model)).transform(frame).equals(scores)


def test_a_radius_in_place_of_the_weight(parts):
    model = fr.FlatRobustPCA(radius=float(parts[1].sum())).fit(sum(parts))
    np.testing.assert_allclose(model.low_rank_, parts[0], atol=1e-3)
    with pytest.raises(ValueError, match="not both"):
        fr.FlatRobustPCA(radius=1.0, sparsity=1.0).fit(sum(parts))


def test_an_end_without_proof_says_what_to_do(parts):
    with pytest.warns(NotCertifiedWarning, match="larger max_seconds"):
        fr.FlatRobustPCA(max_seconds=0.0).fit(sum(parts))


def test_zero_has_no_components():
    model = fr.FlatRobustPCA().fit(np.zeros((4, 3)))
    assert model.rank_ == 0
    assert model.transform(np.ones((2, 3))).shape == (2, 0)
    np.testing.assert_array_equal(model.inverse_transform(np.ones((2, 0))), np.zeros((2, 3)))
