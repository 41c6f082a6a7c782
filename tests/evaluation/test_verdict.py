"""What is said of errors, fold by fold: no more than they show."""

import numpy as np
import pytest

from flatrank.baselines import COLUMN_MEAN, EFFECTS, NEIGHBOURS
from flatrank.evaluation import Evaluation, Fold
from flatrank.evaluation.scoring import FLAT


def evaluation(coverage=0.9, hidden=500, **errors):
    """RMSE of each model in each fold; those not named are far off."""
    names = {"flatrank": "flatrank", "flat": FLAT, "mean": COLUMN_MEAN, "effects": EFFECTS}
    names |= {"near": NEIGHBOURS}
    number = len(errors["flatrank"])
    rmse = {name: errors.get(key, np.full(number, 2.0)) for key, name in names.items()}
    folds = []
    for n in range(number):
        scores = {name: {"rmse": float(x[n]), "mae": 0.0} for name, x in rmse.items()}
        scores["flatrank"]["coverage"] = coverage
        folds.append(Fold(hidden, scores, {}, 1))
    return Evaluation(folds, number, (60, 50), 2500, "the unit of the values")


#: Folds that differ much, in the same way for everybody.
HARD = np.array([0.8, 1.0, 1.2, 0.9, 1.1])


def test_folds_that_are_hard_for_everybody_hide_no_difference():
    found = evaluation(flatrank=HARD, near=HARD * 1.05)
    assert found.verdict() == [
        "Low rank does best here: RMSE 4.8 % (± 0.34) below nearest neighbours."
    ]


@pytest.mark.parametrize(
    ("best", "words"),
    [
        (
            "near",
            "LOW RANK LOSES. Nearest neighbours do better here by 20 % (± 1.4): this table",
        ),
        ("mean", "LOW RANK LOSES. The column mean does better here by 20 % (± 1.4): no row says"),
        ("effects", "LOW RANK LOSES. Row and column effects do better here by 20 % (± 1.4): beyo"),
    ],
)
def test_a_loss_names_the_winner_and_what_it_means(best, words):
    found = evaluation(flatrank=HARD, **{best: 0.8 * HARD})
    assert found.verdict()[0].startswith(words)


def test_what_chance_explains_is_no_difference():
    noise = np.array([0.1, -0.08, 0.09, -0.1, 0.04])
    for near in (HARD + noise, HARD - noise):
        (sentence,) = evaluation(flatrank=HARD, near=near).verdict()
        assert sentence == "Low rank and nearest neighbours cannot be told apart here."
    # Two folds say less than five.
    pair = np.array([1.0, 1.04])
    assert "LOSES" not in evaluation(flatrank=pair, near=np.array([0.94, 1.0])).verdict()[0]


def test_a_single_fold_has_no_error():
    found = evaluation(flatrank=np.ones(1), near=np.full(1, 0.9))
    assert found.score(NEIGHBOURS, "rmse").error is None
    assert found.verdict()[0].startswith(
        "LOW RANK LOSES. Nearest neighbours do better here by 10 %:"
    )
    assert "told apart" in evaluation(flatrank=np.ones(1), near=np.full(1, 0.99)).verdict()[0]


def test_a_better_flat_solution_and_independent_rows_are_mentioned():
    found = evaluation(flatrank=HARD, flat=0.9 * HARD, near=0.8 * HARD, mean=HARD)
    _, rows, flat = found.verdict()
    assert rows.startswith("Low rank does not beat the column mean")
    assert flat.startswith("The flat solution does better by 10 %")
    assert flat.endswith("--predict flat.")


@pytest.mark.parametrize(
    ("coverage", "hidden", "words"),
    [
        (0.91, 500, None),
        (0.8, 500, "90 % intervals hold 80 % here: they are too narrow."),
        (0.98, 500, "90 % intervals hold 98 % here: they are wider than they need be."),
        (0.8, 4, None),
    ],
)
def test_intervals_that_are_off_are_mentioned_where_chance_does_not_explain_it(
    coverage, hidden, words
):
    found = evaluation(coverage, hidden, flatrank=HARD)
    assert found.verdict()[1:] == ([] if words is None else [words])


def test_the_text_has_every_model_and_what_is_left_out():
    found = evaluation(flatrank=HARD)
    found.left_out["regression"] = "it would take about 3 hours, more than 20 s"
    lines = str(found).splitlines()
    assert lines[0] == "2500 of 2500 entries hidden in 5 folds."
    assert any(line.startswith("flatrank ") and "1.000 ± 0.071" in line for line in lines)
    assert lines[-1] == "left out: regression: it would take about 3 hours, more than 20 s"
