"""Blocks of tries, in one process or several; the only file that calls the library."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.pool import AsyncResult
from typing import Any

import numpy as np

from audit import families
from audit.attacks import Attack, attacks, ldexp
from audit.drawing import Instance, Units
from audit.judging import TOL, Claim, judged
from audit.reference import Reference, solved

NAMES = tuple(families.FAMILIES)
# What `audit.reference` may leave open, relative to the optimum, for an instance to be asked.
OPEN = 1e-7
# Blocks handed out ahead, for each process.
AHEAD = 3


@dataclass
class Outcome:
    """Counts of a block by what was counted, and the violations in it."""

    family: str
    fit: str
    counts: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)


def block(seed: int, index: int) -> Outcome:
    """One instance and everything tried on it; the families take turns."""
    np.seterr(all="ignore")
    rng, instance, found = _prepared(seed, index)
    outcome = Outcome(instance.family, instance.fit)
    outcome.counts["instances"] = 1
    optimum = found.optimum
    if not optimum.high - optimum.low <= OPEN * abs(optimum.high) and np.isfinite(optimum.low):
        outcome.counts["open"] = 1
    problem = _asked(instance, outcome, index)
    if problem is not None:
        for attack in attacks(rng, instance, found):
            _tried(problem, instance, found, attack, outcome, index)
    return outcome


def shown(seed: int, index: int) -> Iterator[tuple[Instance, Reference, Attack]]:
    """The instance of a block, what is known of it, and each attack, to be looked at by hand."""
    rng, instance, found = _prepared(seed, index)
    for attack in attacks(rng, instance, found):
        yield instance, found, attack


def _prepared(seed: int, index: int) -> tuple[np.random.Generator, Instance, Reference]:
    rng = np.random.default_rng([seed, index])
    instance = families.made(rng, NAMES[index % len(NAMES)])
    return rng, instance, instance.known or solved(instance.model, instance.truth)


def _asked(instance: Instance, outcome: Outcome, index: int) -> Any:
    """The problem, or None where the door refuses it."""
    import flatrank as fr

    try:
        return getattr(fr, instance.door)(**instance.arguments)
    except (ValueError, TypeError) as error:
        outcome.counts.update(tries=1, refused=1)
        if instance.units == Units():
            _noted(outcome, index, "refused", f"the front door: {error}")
    except Exception as error:
        outcome.counts["tries"] += 1
        _noted(outcome, index, "exception", f"the front door: {error!r}")
    return None


def _tried(
    problem: Any,
    instance: Instance,
    found: Reference,
    attack: Attack,
    outcome: Outcome,
    index: int,
) -> None:
    """Certify one pair with one dual point, and hold the claim against what is known."""
    import flatrank as fr

    L, R, y = attack.scaled(instance)
    outcome.counts["tries"] += 1
    try:
        certificate = fr.certify(problem, (L, R), y)
    except (ValueError, TypeError) as error:
        outcome.counts["refused"] += 1
        if instance.units == Units() and y is None and not attack.stretch:
            _noted(outcome, index, "refused", f"{attack.name}: {error}")
        return
    except Exception as error:
        _noted(outcome, index, "exception", f"{attack.name}: {error!r}")
        return
    claim = Claim(
        certificate.primal,
        certificate.dual_bound,
        certificate.relative_gap,
        certificate.certified(TOL),
        certificate.unique,
    )
    outcome.counts.update(certified=int(claim.certified), unique=int(claim.unique))
    for kind in judged(instance, found, attack, claim):
        optimum = [float(ldexp(np.float64(v), instance.units.value)) for v in found.optimum]
        _noted(outcome, index, kind, attack.name, claim=list(claim), optimum=optimum)


def _noted(outcome: Outcome, index: int, kind: str, attack: str, **known: list) -> None:
    outcome.counts[f"violation: {kind}"] += 1
    place = {"block": index, "kind": kind, "family": outcome.family, "fit": outcome.fit}
    outcome.examples.append(place | {"attack": attack} | known)


def outcomes(seed: int, start: int, processes: int) -> Iterator[Outcome]:
    """Block after block from `start` on, in order, for ever."""
    if processes <= 1:
        while True:
            yield block(seed, start)
            start += 1
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Fresh processes: a library with threads does not survive a fork.
    with get_context("spawn").Pool(processes, _alone) as pool:
        waiting: deque[AsyncResult[Outcome]] = deque()
        while True:
            while len(waiting) < AHEAD * processes:
                waiting.append(pool.apply_async(block, (seed, start)))
                start += 1
            yield waiting.popleft().get()


def _alone() -> None:
    """Ctrl-C is for the process that keeps the counts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def say(text: str) -> None:
    """Progress, on stderr."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
