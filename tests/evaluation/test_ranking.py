"""Top-N measures on a case that can be counted by hand."""

import numpy as np
import pytest

from flatrank.evaluation.ranking import TOP, ranked, whole
from flatrank.problems import Observed


@pytest.fixture
def split():
    """Row 0 knows columns 0 to 4 at 3; hidden are 5 and 6 above that, and 7 below it.

    Row 1 has nothing above its mean hidden.
    """
    known = Observed(
        np.array([0] * 5 + [1]), np.array([0, 1, 2, 3, 4, 0]), np.array([3.0] * 5 + [4]), (2, 30)
    )
    hidden = Observed(
        np.array([0, 0, 0, 1]), np.array([5, 6, 7, 9]), np.array([5.0, 4.0, 1.0, 2.0]), (2, 30)
    )
    return known, hidden


def scored(predict, known, hidden):
    return ranked({"m": whole(predict, 30)}, known, hidden, 0)["m"]


def test_the_true_order_is_perfect_and_known_columns_do_not_count(split):
    # The known columns have the highest predictions of all.
    best = {0: 9.0, 1: 9.0, 2: 9.0, 3: 9.0, 4: 9.0, 5: 5.0, 6: 4.0}
    found = scored(lambda _, j: np.array([best.get(c, 1.0) for c in j]), *split)
    assert found == pytest.approx({"precision": 2 / TOP, "recall": 1.0, "ndcg": 1.0})


def test_one_of_two_in_second_place(split):
    best = {8: 5.0, 5: 4.0} | dict.fromkeys(range(10, 25), 2.0)
    found = scored(lambda _, j: np.array([best.get(c, 1.0) for c in j]), *split)
    ideal = 1 + 1 / np.log2(3)
    expected = {"precision": 1 / TOP, "recall": 0.5, "ndcg": 1 / np.log2(3) / ideal}
    assert found == pytest.approx(expected)


def test_without_anything_relevant_there_are_no_measures(split):
    known, hidden = split
    nothing = hidden._replace(values=np.ones(4))
    assert scored(lambda _, j: 0.0 * j, known, nothing) == {}


def test_without_scikit_learn_there_is_no_ndcg(split, monkeypatch):
    monkeypatch.setattr("flatrank.evaluation.ranking.find_spec", lambda _: None)
    found = scored(lambda _, j: -1.0 * j, *split)
    assert set(found) == {"precision", "recall"}
