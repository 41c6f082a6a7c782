"""`flatrank certify`: the proof once more, from the files alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flatrank.cli.summary import certificate_words, show_table

if TYPE_CHECKING:
    from flatrank.certificates import Certificate


def certify_run(folder: Path) -> int:
    """Re-derive the certificate of a run and compare.

    Parameters
    ----------
    folder : Path
        The run.

    Returns
    -------
    int
        0 if the certificates agree and prove what was asked, 3 otherwise.

    Raises
    ------
    InputError
        If the folder holds no run, or a damaged one.
    """
    from flatrank.certificates import certify
    from flatrank.reporting.saved import load_run

    run = load_run(folder)
    solution = run.solution
    recorded = solution.certificate
    found = certify(solution.problem, solution.factors, np.asarray(solution.y))
    different = differences(recorded, found, run.tol)
    if different or not found.certified(run.tol):
        # The dual point on file may be damaged where the answer is not: build one from the pair.
        fresh = certify(solution.problem, solution.factors)
        if not found.relative_gap <= fresh.relative_gap:
            found, different = fresh, differences(recorded, fresh, run.tol)
    proved = found.certified(run.tol)
    rows = [
        ("run", str(folder)),
        ("recorded", certificate_words(recorded.to_dict() if recorded else None)),
        ("re-derived", certificate_words(found.to_dict())),
        ("agreement", "they agree" if not different else f"they DIFFER: {'; '.join(different)}"),
        ("verdict", f"{'certified' if proved else 'not certified'} at tolerance {run.tol:g}"),
    ]
    show_table(rows, "flatrank certify")
    return 0 if proved and not different else 3


def differences(recorded: Certificate | None, found: Certificate, tol: float) -> list[str]:
    """Where two certificates of the same pair disagree.

    Parameters
    ----------
    recorded, found : Certificate
        The one on file (None: there is none) and the new one.
    tol : float
        Bounds may differ by a tenth of this share of the objective: a bound that comes from a
        random start is not the same twice.

    Returns
    -------
    list of str
        Empty if they agree.
    """
    if recorded is None:
        return ["the run has no certificate on record"]
    bounds = [abs(x) for x in (found.primal, found.dual_bound) if np.isfinite(x)]
    scale = max(*bounds, 1e-300) if bounds else 1e-300
    # The pair is the same, so its objective is, to rounding; a dual bound may come out better.
    allowed = {"primal": 1e-9, "dual_bound": max(0.1 * tol, 1e-9)}
    out = []
    for name, share in allowed.items():
        old, new = getattr(recorded, name), getattr(found, name)
        if old != new and not abs(old - new) <= share * scale:
            out.append(f"{name} is {new:.9g}, recorded {old:.9g}")
    old, new = recorded.relative_gap, found.relative_gap
    if old != new and not abs(old - new) <= allowed["dual_bound"] + 1e-9:
        out.append(f"relative gap is {new:.2e}, recorded {old:.2e}")
    return out
