"""How well a table is completed: entries hidden in turn, predicted, and simpler ways beside."""

from flatrank.evaluation.evaluate import evaluate as evaluate
from flatrank.evaluation.evaluate import evaluations as evaluations
from flatrank.evaluation.result import Evaluation as Evaluation
from flatrank.evaluation.scoring import Fold as Fold
from flatrank.evaluation.scoring import Score as Score
from flatrank.evaluation.verdict import compared as compared
