"""One run: the parts of the data, and what is decided on each of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np

from flatrank.certificates import certify
from flatrank.data import Entries, InputError, Offsets, OffsetTrial, choose_offsets, split
from flatrank.data.offsets import Kind
from flatrank.problems import Problem, completion
from flatrank.selection.memory import Flat, Memory, from_text, to_text
from flatrank.selection.records import Completion, PathPoint
from flatrank.selection.trail import CLIMB, PATH, Best, Stage, Trail
from flatrank.solvers import NoisyDataWarning, Solution, Status, largest_lam, solve

# Beside the largest value, a remainder this small after the offsets is rounding.
_NOTHING = 1e-12
# The cheapest first: those after it start from its best λ.
SMOOTHINGS = (1.0, 0.5, 0.0)
# The coarse paths only rank the smoothings and find the neighbourhood of the best λ.
_FIRST_SHARE, _LAST_COARSE_SHARE = 0.95, 0.08
_HOLDOUT_GAP = 1e-3


@dataclass(frozen=True)
class Choice:
    """Options of a run that every stage reads."""

    lam: float | None
    rank: int | None
    smoothing: float | None
    seed: int
    tol: float
    deadline: float
    monitor: Callable[[dict[str, Any]], None]

    def left(self) -> float | None:
        """Seconds until the deadline; None where there is none."""
        if self.deadline == float("inf"):
            return None
        return max(0.0, self.deadline - time.perf_counter())


class OutOfTimeError(Exception):
    """The deadline has passed while choosing."""


class Run:
    """One run: the parts of the data and what has been decided."""

    def __init__(self, entries: Entries, choice: Choice, memory: Memory, holdout: float):
        self.entries, self.choice, self.memory = entries, choice, memory
        rest, held = np.arange(entries.m), np.empty(0, dtype=np.int64)
        places = (entries.rows, entries.cols)
        if holdout > 0:
            rest, held = split(places, holdout, seed=choice.seed)
        self.rest, self.held = rest, held
        inner = (entries.rows[rest], entries.cols[rest])
        train, validation = split(inner, 0.1, seed=choice.seed + 1)
        self.train, self.validation = rest[train], rest[validation]
        self.offsets: Offsets = Offsets.none(entries.shape)
        self.trials: list[OffsetTrial] = []
        self.points: list[PathPoint] = []
        self.best: Best | None = None
        self.rmse: dict[str, float | None] = {"holdout": None, "baseline": None}
        self.predictions: np.ndarray | None = None
        self.interrupted = False

    # ---- stages ----

    def select(self) -> None:
        """Offsets; then a coarse path for each smoothing; then the full path for the best one."""
        self._choose_offsets()
        if self.choice.lam is not None and self.choice.smoothing is not None:
            self._nothing_to_choose()
            return
        smoothings = SMOOTHINGS if self.choice.smoothing is None else (self.choice.smoothing,)
        if len(smoothings) > 1:
            for theta in smoothings:
                self._take(self.memory.once(f"coarse {theta:g}", lambda t=theta: self._coarse(t)))
        theta = self.best.smoothing if self.best else smoothings[0]
        near = self.best.share if self.best else None
        if self.choice.lam is None:
            self._take(self.memory.once("path", lambda: self._path(theta, near or 0.02)))

    def _nothing_to_choose(self) -> None:
        theta = float(self.choice.smoothing or 0.0)
        d1, d2 = self.entries.shape
        self.best = Best(theta, 0.0, float("inf"), np.zeros((d1, 0)), np.zeros((d2, 0)))

    def _choose_offsets(self) -> None:
        e, part = self.entries, self.train
        if not self.validation.size:
            if self.choice.lam is not None and self.choice.smoothing is not None:
                return
            raise InputError(
                f"{e.m} entries of {e.shape[0]} rows and {e.shape[1]} columns leave none to choose "
                "on: one can be held out only if its row and its column have another. Expected "
                "a larger table, or lambda and smoothing given (--lam, --smoothing), with nothing "
                "to choose"
            )

        def compute() -> Flat:
            self._say("offsets", 0, 1, "choosing offsets")
            chosen, trials = choose_offsets(
                e.rows, e.cols, e.values, e.shape, part, self.validation
            )
            return {
                "mean": chosen.mean, "row": chosen.row, "col": chosen.col, "kind": chosen.kind,
                "ridge": np.asarray(chosen.ridge), "trials": to_text([asdict(t) for t in trials]),
            }  # fmt: skip

        found = self.memory.once("offsets", compute)
        ridge_row, ridge_col = (float(x) for x in found["ridge"])
        kind = cast("Kind", str(found["kind"]))
        self.offsets = Offsets(
            float(found["mean"]), found["row"], found["col"], (ridge_row, ridge_col), kind
        )
        self.trials = [
            OffsetTrial(t["kind"], tuple(t["ridge"]), t["rmse"]) for t in from_text(found["trials"])
        ]

    def _coarse(self, theta: float) -> Flat:
        """Climb to the best of a few λ shared by all smoothings, from the best one so far.

        The first smoothing is followed down from λ_max. The others start where the one before
        ended: downwards while that helps, else upwards. Errors fall ever more slowly towards the
        best λ, so that a climb which could not beat the best so far at its present pace is ended.
        """
        trail = self._trail(theta, CLIMB)
        if not trail.top:
            return trail.ended(self._offsets_error(self.validation))
        shares = np.geomspace(_FIRST_SHARE, _LAST_COARSE_SHARE, CLIMB.most)
        best = self.best
        if best is None:
            start = None
            for share in shares:
                start = self._visit(trail, share, start).factors
                if trail.past_best():
                    break
            return trail.flat()
        place = int(np.argmin(np.abs(np.log(shares / best.share))))
        first = self._visit(trail, shares[place], (best.L, best.R)).factors
        start = first
        for share in shares[place + 1 :]:
            start = self._visit(trail, share, start).factors
            if trail.rises or trail.promises() > best.rmse:
                break
        if len(trail.points) == 1 or trail.best.share == trail.points[0].share:
            trail.rises, start = 0, first
            for share in shares[:place][::-1]:
                start = self._visit(trail, share, start).factors
                if trail.rises:
                    break
        return trail.flat()

    def _path(self, theta: float, near: float) -> Flat:
        """Follow λ down on the training part to somewhat below the best coarse share."""
        trail = self._trail(theta, PATH)
        if not trail.top:
            return trail.ended(self._offsets_error(self.validation))
        start = None
        for share in np.geomspace(_FIRST_SHARE, max(0.84 * near, 1e-4), PATH.most):
            start = self._visit(trail, share, start).factors
        return trail.flat()

    def _trail(self, theta: float, stage: Stage) -> Trail:
        """Before its first point; λ_max is 0 where the offsets leave nothing to fit."""
        problem = self._problem(self.train, self.offsets, theta)
        top = largest_lam(problem, self.choice.seed) if self._remains(problem) else 0.0
        return Trail(problem, top, stage)

    def _visit(self, trail: Trail, share: float, start: Any) -> Solution:
        """Solve at a share of λ_max and note the point; when stopped, keep what there is."""
        stage, step = trail.stage, len(trail.points)
        solution = self._solve(
            trail.problem.with_lam(share * trail.top), stage.gap, start, self.choice.left(),
            progress=self._steps(stage.name, step, stage.most),
        )  # fmt: skip
        if self.interrupted or solution.status is Status.INTERRUPTED:
            self._take(trail.flat())
            raise KeyboardInterrupt
        point = self._point(solution, trail)
        trail.add(point, solution)
        try:
            self._say(stage.name, step + 1, stage.most, f"lambda {point.lam:.3g}", asdict(point))
        except KeyboardInterrupt:
            self._take(trail.flat())
            raise
        if self.choice.left() == 0:
            self._take(trail.flat())
            raise OutOfTimeError
        return solution

    def hold_out(self) -> None:
        """Refit to all but the hold-out at the choice made, and predict it."""
        if not self.held.size:
            return
        found = self.memory.once("holdout", self._held_out)
        self.rmse = {"holdout": float(found["rmse"]), "baseline": float(found["baseline"])}
        self.predictions = np.asarray(found["predictions"])
        self.best = replace(self._chosen, L=found["L"], R=found["R"])

    def _held_out(self) -> Flat:
        self._say("holdout", 0, 1, "refitting without the hold-out")
        e, held = self.entries, self.held
        offsets = self._refit_offsets(self.rest)
        problem = self._problem(self.rest, offsets, self._chosen.smoothing)
        solution = self._fit(problem, _HOLDOUT_GAP, self.choice.left())
        if self.interrupted or solution.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if solution.status is Status.DEADLINE:
            raise OutOfTimeError
        base = offsets.at(e.rows[held], e.cols[held])
        predictions = base + _fitted(solution, e.rows[held], e.cols[held])
        return {
            "rmse": _rmse(predictions - e.values[held]),
            "baseline": _rmse(base - e.values[held]),
            "predictions": predictions,
            "L": np.asarray(solution.factors.L),
            "R": np.asarray(solution.factors.R),
        }

    def refit(self, begin: float, ended: Status | None = None) -> Completion:
        """The final fit on every entry; none where choosing has already ended early."""
        e, everything = self.entries, np.arange(self.entries.m)
        selected = time.perf_counter()
        self._say("refit", 0, 1, "fitting every entry")
        offsets = self._refit_offsets(everything)
        problem = self._problem(everything, offsets, self._chosen.smoothing)
        solution = self._fit(problem, self.choice.tol, 0.0 if ended else self.choice.left())
        if ended:
            solution = replace(solution, status=ended)
        solved = time.perf_counter()
        certify(problem.with_lam(solution.problem.lam), solution.factors, solution.y)
        proved = time.perf_counter()
        fitted = np.asarray(solution.entries(e.rows, e.cols)) + offsets.at(e.rows, e.cols)
        held = None if self.predictions is None else (self.held, self.predictions)
        return Completion(
            solution=solution,
            offsets=offsets,
            rmse={"train": _rmse(fitted - e.values), **self.rmse},
            path=self.points,
            offset_trials=self.trials,
            holdout=held,
            seconds={
                "select": selected - begin,
                "solve": solved - selected,
                "certify": proved - solved,
            },  # fmt: skip
        )

    # ---- pieces ----

    @property
    def _chosen(self) -> Best:
        if self.best is None:
            raise KeyboardInterrupt
        return self.best

    def _problem(self, part: np.ndarray, offsets: Offsets, theta: float) -> Problem:
        e = self.entries
        rows, cols = e.rows[part], e.cols[part]
        return completion(
            rows, cols, e.values[part] - offsets.at(rows, cols), e.shape, smoothing=theta
        )

    def _fit(self, problem: Problem, tol: float, max_seconds: float | None) -> Solution:
        best = self._chosen
        lam = self.choice.lam
        if lam is None:
            lam = best.share * largest_lam(problem, self.choice.seed)
        start = (best.L, best.R) if best.L.shape[1] and lam > 0 else None
        return self._solve(
            problem.with_lam(lam), tol, start, max_seconds,
            progress=self._steps("refit", 0, 1),
        )  # fmt: skip

    def _solve(
        self, problem: Problem, tol: float, start: Any, seconds: float | None, **options: Any
    ) -> Solution:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoisyDataWarning)  # the run says it in its own words
            return solve(
                problem, tol=tol, start=start, rank=self.choice.rank, seed=self.choice.seed,
                max_seconds=seconds, **options,
            )  # fmt: skip

    def _remains(self, problem: Problem) -> bool:
        """Whether the offsets leave anything to fit."""
        size = np.max(np.abs(self.entries.values))
        return bool(np.max(np.abs(np.asarray(problem.b)), initial=0.0) > _NOTHING * size)

    def _offsets_error(self, part: np.ndarray) -> float:
        """RMSE of the offsets alone."""
        e = self.entries
        return _rmse(self.offsets.at(e.rows[part], e.cols[part]) - e.values[part])

    def _refit_offsets(self, part: np.ndarray) -> Offsets:
        e = self.entries
        return self.offsets.refit(e.rows[part], e.cols[part], e.values[part])

    def _point(self, solution: Solution, trail: Trail) -> PathPoint:
        e = self.entries
        rows, cols = e.rows[self.validation], e.cols[self.validation]
        error = (
            _fitted(solution, rows, cols) + self.offsets.at(rows, cols) - e.values[self.validation]
        )
        problem, certificate = solution.problem, solution.certificate
        assert certificate is not None
        residual = certificate.feasibility * float(np.linalg.norm(np.asarray(problem.b)))
        return PathPoint(
            lam=problem.lam, share=problem.lam / trail.top, smoothing=problem.smoothing,
            validation_rmse=_rmse(error), train_rmse=residual / np.sqrt(problem.m),
            rank=solution.rank, relative_gap=certificate.relative_gap, seconds=solution.seconds,
            stage=trail.stage.name,
        )  # fmt: skip

    def _take(self, found: Flat) -> None:
        """Add a path's points; keep its best point if it beats the best so far."""
        self.points += [PathPoint(**p) for p in from_text(found["points"])]
        best = Best(
            float(found["smoothing"]), float(found["share"]), float(found["rmse"]),
            np.asarray(found["L"]), np.asarray(found["R"]),
        )  # fmt: skip
        if best.rmse < float("inf") and (self.best is None or best.rmse <= self.best.rmse):
            self.best = best

    def _steps(self, stage: str, step: int, of: int) -> Callable[[dict[str, Any]], None]:
        """What tells of each step of a solver, and remembers that it was interrupted there.

        A solve that was at its end is certified all the same, and does not say so.
        """

        def tell(record: dict[str, Any]) -> None:
            try:
                self._say(stage, step, of, "fitting", record)
            except KeyboardInterrupt:
                self.interrupted = True
                raise

        return tell

    def _say(
        self, stage: str, step: int, of: int, message: str, numbers: dict[str, Any] | None = None
    ) -> None:
        record = {"stage": stage, "step": step, "of": of, "message": message}
        self.choice.monitor(record | (numbers or {}))


def _fitted(solution: Solution, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Entries of X; 0, the offsets alone, where no entry ties the place to the data.

    A run predicts so. Only with λ = 0, and between unconnected blocks: what is held out leaves its
    row and its column another entry.
    """
    return np.nan_to_num(np.asarray(solution.entries(rows, cols)))


def _rmse(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(error)))) if error.size else float("nan")
