"""What an evaluation found: folds, and their means with standard errors."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from flatrank.evaluation.scoring import Fold, Score
from flatrank.evaluation.verdict import verdict
from flatrank.evaluation.words import hidden_words, tables


@dataclass(frozen=True)
class Evaluation:
    """How well a table is completed, and how well by simpler ways.

    Parameters
    ----------
    folds : list of Fold
        Those that are finished.
    asked : int
        How many there should be.
    shape : (d1, d2)
        Of the table.
    entries : int
        Entries of the table.
    unit : str
        Of errors: "the unit of the values", or "standard deviations of a column".
    left_out : dict
        Baselines that were not fitted, with the reason.
    never_hidden : int
        Entries that were in no fold: of a row or column that lay in one fold as a whole.
    cold : int
        Hidden entries of rows or columns of which nothing was known.
    seed : int
        Of every random choice.
    """

    folds: list[Fold]
    asked: int
    shape: tuple[int, int]
    entries: int
    unit: str
    left_out: dict[str, str] = field(default_factory=dict)
    never_hidden: int = 0
    cold: int = 0
    seed: int = 0

    @property
    def models(self) -> list[str]:
        """Names, flatrank first."""
        return list(self.folds[0].scores)

    def score(self, model: str, measure: str) -> Score | None:
        """Mean and standard error over the folds that have the measure; None where none has.

        The error is the standard deviation over the root of the number of folds, as if folds were
        independent; they share most of what they are fitted to.
        """
        return _score([fold.scores[model].get(measure) for fold in self.folds])

    def ahead(self, model: str, other: str) -> Score:
        """By how much of its RMSE a model is better than another: mean and error over the folds.

        Fold by fold, so that a fold that is hard for both counts for neither.
        """
        rmse = [[fold.scores[name]["rmse"] for fold in self.folds] for name in (model, other)]
        mine, others = np.array(rmse)
        scale = float(np.mean(others)) or 1.0
        return _score(list((others - mine) / scale)) or Score(0.0, None, 0)

    def verdict(self) -> list[str]:
        """Sentences: who predicts best, where low rank loses, whether intervals hold."""
        return verdict(self)

    def __str__(self) -> str:
        """What was hidden, a line for each model, and the verdict."""
        left = [f"left out: {name}: {reason}" for name, reason in self.left_out.items()]
        return "\n".join([hidden_words(self), "", tables(self), "", *self.verdict(), *left])

    def record(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        measures = list(dict.fromkeys(m for s in self.folds[0].scores.values() for m in s))
        table = {}
        for model in self.models:
            found = {measure: self.score(model, measure) for measure in measures}
            table[model] = {name: s._asdict() for name, s in found.items() if s is not None}
        facts = {name: value for name, value in vars(self).items() if name != "folds"}
        return facts | {
            "finished": len(self.folds),
            "verdict": self.verdict(),
            "scores": table,
            "folds": [asdict(fold) for fold in self.folds],
        }


def _score(values: list[float | None]) -> Score | None:
    found = np.array([x for x in values if x is not None])
    if not found.size:
        return None
    error = None if found.size == 1 else float(found.std(ddof=1) / np.sqrt(found.size))
    return Score(float(found.mean()), error, found.size)
