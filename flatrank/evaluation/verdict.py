"""What an evaluation says in words: where low rank loses, and where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.special import stdtrit

from flatrank.baselines import COLUMN_MEAN, EFFECTS, REGRESSION
from flatrank.evaluation.scoring import FLAT, Score
from flatrank.selection.average import LEVEL
from flatrank.selection.comparison import FLATRANK

if TYPE_CHECKING:
    from flatrank.evaluation.result import Evaluation

#: How far off the share of entries in 90 % intervals is nothing to remark on.
_OFF = 0.04
#: A gain from which on an option is worth recommending.
_WORTH = 0.02
#: One-sided level from which on a difference is one; of a single fold, without an error, its share.
_SURE, _CLEAR_ALONE = 0.95, 0.02
_NAMES = {COLUMN_MEAN: "the column mean"}


def verdict(found: Evaluation) -> list[str]:
    """Sentences: who predicts best, what that says of the table, and whether intervals hold."""
    others = [name for name in found.models if name not in (FLATRANK, FLAT)]
    best = min(others, key=lambda name: _rmse(found, name))
    said = [compared(best, found.ahead(FLATRANK, best), found.ahead(best, FLATRANK))]
    if best != COLUMN_MEAN and not _clear(found.ahead(FLATRANK, COLUMN_MEAN)):
        said.append(
            "Low rank does not beat the column mean: to it rows look as if they had nothing to do "
            "with each other."
        )
    flat = found.ahead(FLAT, FLATRANK)
    if _clear(flat) and flat.mean > _WORTH:
        said.append(f"The flat solution does better by {_percent(flat)}: --predict flat.")
    covered = found.score(FLATRANK, "coverage")
    if covered is not None:
        off = covered.mean - LEVEL
        # What chance explains, were hidden entries independent.
        chance = 2 * (LEVEL * (1 - LEVEL) / sum(fold.hidden for fold in found.folds)) ** 0.5
        if abs(off) > max(_OFF, chance):
            how = "wider than they need be" if off > 0 else "too narrow"
            said.append(f"90 % intervals hold {100 * covered.mean:.0f} % here: they are {how}.")
    return said


def compared(best: str, lead: Score, loss: Score) -> str:
    """Whether low rank or the best baseline predicts better: low rank's lead, or its loss."""
    name = _NAMES.get(best, best)
    if _clear(lead):
        return f"Low rank does best here: RMSE {_percent(lead)} below {name}."
    if not _clear(loss):
        return f"Low rank and {name} cannot be told apart here."
    because = {
        COLUMN_MEAN: "no row says anything of another here",
        EFFECTS: "beyond these there is nothing here that low rank can find",
    }
    why = because.get(best, "this table is not low-rank")
    verb = "do" if name.endswith("s") and best != REGRESSION else "does"
    start = f"{name[0].upper()}{name[1:]}"
    return f"LOW RANK LOSES. {start} {verb} better here by {_percent(loss)}: {why}."


def _clear(lead: Score) -> bool:
    if lead.error is None:
        return lead.mean > _CLEAR_ALONE
    # Student's quantile: of few folds the error itself is uncertain.
    return lead.mean > lead.error * float(stdtrit(lead.folds - 1, _SURE))


def _percent(lead: Score) -> str:
    error = "" if lead.error is None else f" (± {100 * lead.error:.2g})"
    share = f"{100 * lead.mean:.2g}" if lead.mean < 0.995 else "100"
    return f"{share} %{error}"


def _rmse(found: Evaluation, name: str) -> float:
    score = found.score(name, "rmse")
    return float("inf") if score is None else score.mean
