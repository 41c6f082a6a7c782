"""scikit-learn's own checks, none of them expected to fail, and the examples of the docstrings."""

import doctest
import importlib

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import flatrank as fr


@parametrize_with_checks([fr.FlatImplicitRecommender(), fr.FlatImputer(), fr.FlatRobustPCA()])
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("file", ["completer", "implicit", "imputer", "recommender", "robust_pca"])
def test_examples_of_docstrings(file):
    module = importlib.import_module(f"flatrank.estimators.{file}")
    assert doctest.testmod(module).attempted > 2
    assert doctest.testmod(module).failed == 0
