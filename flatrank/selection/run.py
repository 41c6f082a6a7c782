"""One run: the parts of the data, and what is decided on each of them."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import Any, cast

import numpy as np

from flatrank.certificates import least_gap
from flatrank.data import (
    Entries,
    InputError,
    Offsets,
    OffsetTrial,
    Scales,
    Units,
    choose_offsets,
    differing_scales,
    split,
)
from flatrank.data.offsets import Kind
from flatrank.data.scales import Side
from flatrank.factors import FactorPair, compact_svd
from flatrank.selection.average import Average, average, checked
from flatrank.selection.choice import Choice, OutOfTimeError, StoppedError
from flatrank.selection.fits import Fits, fitted_entries, rmse
from flatrank.selection.memory import Flat, Memory, from_text, to_text
from flatrank.selection.records import Completion, PathPoint
from flatrank.selection.search import climb, refine
from flatrank.selection.trail import CLIMB, PATH, Best, Stage, Trail
from flatrank.solvers import Solution, Status, approximate, largest_lam
from flatrank.solvers.solution import Counts

# Between flat and norm-minimal: on public tables within 0.1 % of the best of 0, ½ and 1.
SMOOTHING = 0.5
_HOLDOUT_GAP = 1e-2


class NothingToChooseError(InputError):
    """Too few entries to hold any out."""


class Run:
    """One run: the parts of the data and what has been decided."""

    def __init__(self, entries: Entries, choice: Choice, memory: Memory, holdout: float):
        self.entries, self.choice, self.memory = entries, choice, memory
        self.fits = Fits(entries, choice)
        rest, held = np.arange(entries.m), np.empty(0, dtype=np.int64)
        places = (entries.rows, entries.cols)
        if holdout > 0:
            rest, held = split(places, holdout, seed=choice.seed)
        self.rest, self.held = rest, held
        inner = (entries.rows[rest], entries.cols[rest])
        train, validation = split(inner, 0.1, seed=choice.seed + 1)
        self.train, self.validation = rest[train], rest[validation]
        self.units: dict[str, Units] = {}
        self.trials: dict[str, list[OffsetTrial]] = {}
        self.points: list[PathPoint] = []
        self.best: Best | None = None
        self.ended = ""
        self.rmse: dict[str, float | None] = dict.fromkeys(("holdout", "flat", "baseline"))
        self.predictions: np.ndarray | None = None
        self.scores: np.ndarray | None = None
        self.averaged: dict[str, Any] = {}

    # ---- stages ----

    def select(self) -> None:
        """Offsets; a climb for each scale; a finer look around the best.

        A given λ belongs to the values as they are: offsets alone are then chosen.
        """
        given = self.choice.smoothing
        theta = SMOOTHING if given is None else given
        if self.choice.lam is not None:
            self._nothing_to_choose(theta)
            return
        for scales in self._scales_to_try():
            self._choose_offsets(scales)
            self._climb(scales.side, theta)
        found = self.memory.once("path", lambda: self._refined(self._chosen))
        self.ended = str(found["ended"])
        self._take(found, replacing=True)

    def _nothing_to_choose(self, theta: float) -> None:
        d1, d2 = self.entries.shape
        self.best = Best(
            "none", theta, 0.0, 0.0, float("inf"), np.zeros((d1, 0)), np.zeros((d2, 0))
        )
        if self.validation.size:
            self._choose_offsets(Scales.none())
        else:
            self.units["none"] = Units(Offsets.none(self.entries.shape), Scales.none())

    def _scales_to_try(self) -> list[Scales]:
        """None, and the sides whose scales differ, on the training part."""
        e, part = self.entries, self.train
        if self.validation.size:
            sides = differing_scales(e.rows[part], e.cols[part], e.values[part], e.shape)
            return [Scales.none(), *sides]
        raise NothingToChooseError(
            f"{e.m} entries of {e.shape[0]} rows and {e.shape[1]} columns leave none to choose "
            "on: one can be held out only if its row and its column have another. Expected "
            "a larger table, or lambda and smoothing given (--lam, --smoothing), with nothing "
            "to choose"
        )

    def _choose_offsets(self, scales: Scales) -> None:
        e = self.entries

        def compute() -> Flat:
            self.fits.say("offsets", 0, "choosing offsets")
            values = e.values / scales.at(e.rows, e.cols)
            chosen, trials = choose_offsets(
                e.rows, e.cols, values, e.shape, self.train, self.validation
            )
            return {
                "mean": chosen.mean, "row": chosen.row, "col": chosen.col, "kind": chosen.kind,
                "ridge": np.asarray(chosen.ridge), "trials": to_text([asdict(t) for t in trials]),
            }  # fmt: skip

        found = self.memory.once(f"offsets {scales.side}", compute)
        ridge_row, ridge_col = (float(x) for x in found["ridge"])
        kind = cast("Kind", str(found["kind"]))
        offsets = Offsets(
            float(found["mean"]), found["row"], found["col"], (ridge_row, ridge_col), kind
        )
        self.units[scales.side] = Units(offsets, scales)
        self.trials[scales.side] = [
            OffsetTrial(t["kind"], tuple(t["ridge"]), t["rmse"]) for t in from_text(found["trials"])
        ]

    def _climb(self, side: Side, theta: float) -> None:
        """A coarse search for the best λ of one scale and smoothing."""
        name, best = f"coarse {side} {theta:g}", self.best

        def compute() -> Flat:
            trail = self._trail(name, CLIMB, side, theta)
            if trail.zero.lam:
                start = None if best is None else self._carried(best, side)
                climb(trail, lambda share, pair: self._visit(name, trail, share, pair), best, start)
            return trail.flat()

        self._take(self.memory.once(name, compute))

    def _refined(self, best: Best) -> Flat:
        """A finer search around the best λ so far."""
        trail = self._trail("path", PATH, cast("Side", best.side), best.smoothing)
        if trail.zero.lam:
            kind = best.side, best.smoothing
            coarse = [p for p in self.points if (p.side, p.smoothing) == kind]
            refine(trail, lambda share, pair: self._visit("path", trail, share, pair), best, coarse)
        return trail.flat()

    def _trail(self, name: str, stage: Stage, side: Side, theta: float) -> Trail:
        """Before its first point; λ_max is 0 where the offsets leave nothing to fit."""
        units = self.units[side]
        problem = self.fits.problem(self.train, units, theta)
        top = largest_lam(problem, self.choice.seed) if self.fits.remains(problem) else 0.0
        zero = PathPoint(
            lam=top, share=1.0, smoothing=theta, validation_rmse=self._error(units, None),
            train_rmse=self._error(units, None, self.train), rank=0, relative_gap=0.0, seconds=0.0,
            stage=stage.name, side=side,
        )  # fmt: skip
        if not any(p.share == 1.0 and p.side == side for p in self.points):
            self.points.append(zero)
        return Trail(problem, stage, zero, self.memory.begun(name))

    def _visit(self, name: str, trail: Trail, share: float, start: Any) -> Any:
        """Solve at a share of λ_max and note the point; when stopped, keep what there is."""
        before = trail.again(share)
        if before is not None:
            return before
        stage, step = trail.stage, len(trail.points) - 1
        problem, left = trail.problem.with_lam(share * trail.zero.lam), self.choice.left()
        try:
            at = stage.name, step
            solution = self.fits.solve(approximate, problem, stage.gap, start, left, at)
        except StoppedError:
            self._take(trail.flat())
            raise
        if solution.status is Status.INTERRUPTED:
            self._take(trail.flat())
            raise KeyboardInterrupt
        L, R = (np.asarray(x) for x in (solution.factors.L, solution.factors.R))
        point = self._point(solution, trail, share)
        trail.add(point, L, R)
        self.memory.begin(name, trail.flat())
        if self.best is None or trail.best.rmse < self.best.rmse:
            self.best = trail.best
        if self.choice.left() == 0:
            self._take(trail.flat())
            raise OutOfTimeError
        self.fits.say(stage.name, step + 1, f"lambda {point.lam:.3g}", asdict(point))
        return L, R

    def hold_out(self) -> None:
        """Refit to all but the hold-out at the choice made, and predict it."""
        if not self.held.size:
            return
        found = self.memory.once("holdout", self._held_out)
        self.rmse = {name: float(found[name]) for name in ("flat", "baseline")}
        self.rmse["holdout"] = float(found["rmse"])
        (self.averaged,) = from_text(found["averaged"])
        self.predictions, self.scores = np.asarray(found["predictions"]), found.get("scores")
        self.best = replace(self._chosen, L=found["L"], R=found["R"])

    def _held_out(self) -> Flat:
        self.fits.say("holdout", 0, "refitting without the hold-out")
        e, held = self.entries, self.held
        units = self._refit_units(self.rest)
        problem = self.fits.problem(self.rest, units, self._chosen.smoothing)
        solution = self.fits.at(
            self._chosen, problem, _HOLDOUT_GAP, self.choice.left(), approximate
        )
        if solution.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if solution.status is Status.DEADLINE:
            raise OutOfTimeError
        places = e.rows[held], e.cols[held]
        base = units.base(*places)
        predictions = units.restore(*places, fitted_entries(solution, *places))
        flat = rmse(predictions - e.values[held])
        L, R = (np.asarray(x) for x in (solution.factors.L, solution.factors.R))
        averaged: dict[str, Any] = {}
        spread = units.scales.at(*places)
        if self.choice.averages and self.fits.remains(problem):
            found = self._average(self.rest, units, (L, R))
            if found.posterior.diagnostics.stopped:
                raise KeyboardInterrupt if self.choice.left() != 0 else OutOfTimeError
            averaged, predictions = checked(found, e, held, self.rest)
            spread = found.spread(*places)
            drawn = found.posterior
            averaged |= {
                "width": drawn.width, "law": drawn.noise_model.value, "trials": drawn.chosen
            }  # fmt: skip
        return {
            "rmse": rmse(predictions - e.values[held]),
            "flat": flat,
            "baseline": rmse(base - e.values[held]),
            "predictions": predictions,
            "scores": np.abs(predictions - e.values[held]) / spread,
            "averaged": to_text([averaged]),
            "L": L,
            "R": R,
        }

    def _average(self, part: np.ndarray, units: Units, pair: Any) -> Average:
        """The posterior given a part; of the same width and noise as one before it."""
        left = self.choice.left()

        def tell(record: dict[str, Any]) -> None:
            self.fits.say("posterior", record.get("sweep", 0), "drawing from the posterior", record)

        return average(
            self.entries, part, units, pair, self.averaged.get("width"), self.averaged.get("law"),
            seed=self.choice.seed, max_seconds=left, progress=tell,
        )  # fmt: skip

    def refit(self, begin: float, ended: Status | None = None) -> Completion:
        """The final fit on every entry; none where choosing has already ended early."""
        everything = np.arange(self.entries.m)
        selected = time.perf_counter()
        self.fits.say("refit", 0, "fitting every entry")
        units = self._refit_units(everything)
        problem = self.fits.problem(everything, units, self._chosen.smoothing)
        solution = self.fits.at(
            self._chosen, problem, self.choice.tol, 0.0 if ended else self.choice.left()
        )
        if solution.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if ended:
            solution = replace(solution, status=ended)
            self.ended = self.ended or "time"
        solved, found = time.perf_counter(), None
        if self.choice.averages and self.fits.remains(problem) and not ended:
            pair = (np.asarray(x) for x in (solution.factors.L, solution.factors.R))
            found = self._average(everything, units, tuple(pair))
        return self._completion(solution, units, begin, (selected, solved), found)

    def unfinished(self, begin: float) -> Completion:
        """The best so far as it is, without another fit or a proof, for those who will not wait."""
        stopped = time.perf_counter()
        best, everything = self._chosen, np.arange(self.entries.m)
        units = self._refit_units(everything)
        lam = best.lam if self.choice.lam is None else self.choice.lam
        problem = self.fits.problem(everything, units, best.smoothing).with_lam(lam)
        fitted = np.einsum("pk,pk->p", best.L[self.entries.rows], best.R[self.entries.cols])
        solution = Solution(
            factors=FactorPair(best.L, best.R), y=problem.b - fitted,
            certificate=None, status=Status.INTERRUPTED, counts=Counts(), history=[],
            seconds=0.0, problem=problem, seed=self.choice.seed,
        )  # fmt: skip
        self.ended = self.ended or "interrupted"
        return self._completion(solution, units, begin, (stopped, stopped))

    def _completion(
        self,
        solution: Solution,
        units: Units,
        begin: float,
        ends: tuple[float, float],
        found: Average | None = None,
    ) -> Completion:
        e, best = self.entries, self._chosen
        if found is None:
            fitted = units.restore(e.rows, e.cols, np.asarray(solution.entries(e.rows, e.cols)))
        else:
            fitted = found.predict(e.rows, e.cols)
        given = self.choice.lam is not None
        return Completion(
            solution=solution,
            offsets=units.offsets,
            rmse={"train": rmse(fitted - e.values), **self.rmse},
            path=self.points,
            offset_trials=self.trials.get(best.side, []),
            holdout=None if self.predictions is None else (self.held, self.predictions),
            seconds={
                "select": ends[0] - begin, "solve": ends[1] - ends[0],
                "posterior": time.perf_counter() - ends[1],
            },
            scales=units.scales,
            chosen_at="given" if given else self._place(best),
            path_ended="" if given else self.ended,
            share=None if given else best.share,
            average=found,
            holdout_check=self.averaged,
            # Errors in standard deviations of a posterior mean nothing where none is left.
            scores=self.scores if bool(self.averaged) == (found is not None) else None,
        )  # fmt: skip

    # ---- pieces ----

    @property
    def _chosen(self) -> Best:
        if self.best is None:
            raise KeyboardInterrupt
        return self.best

    def _place(self, best: Best) -> str:
        """Where on its path the chosen λ lies."""
        if best.share >= 1:
            return "zero"
        alike = (
            p.share for p in self.points if (p.side, p.smoothing) == (best.side, best.smoothing)
        )
        return "smallest" if best.share <= min(alike, default=0.0) else "inside"

    def _carried(self, best: Best, side: Side) -> tuple[np.ndarray, np.ndarray]:
        """The best factors so far, for values on other scales."""
        L, R = self.units[best.side].scales.carried(best.L, best.R, 1)
        return self.units[side].scales.carried(L, R, -1)

    def _error(
        self, units: Units, solution: Solution | None, part: np.ndarray | None = None
    ) -> float:
        """RMSE in the unit of the values, by default on the validation part; None is X = 0."""
        e, part = self.entries, self.validation if part is None else part
        rows, cols = e.rows[part], e.cols[part]
        x = 0.0 if solution is None else fitted_entries(solution, rows, cols)
        return rmse(units.restore(rows, cols, x) - e.values[part])

    def _refit_units(self, part: np.ndarray) -> Units:
        e = self.entries
        return self.units[self._chosen.side].refit(e.rows[part], e.cols[part], e.values[part])

    def _point(self, solution: Solution, trail: Trail, share: float) -> PathPoint:
        problem, units = solution.problem, self.units[trail.zero.side]
        seen = solution.certificate and solution.certificate.relative_gap
        if seen is None and solution.history:
            seen = solution.history[-1]["relative_gap"]
        if seen is None:
            svd = compact_svd(problem.whiten(solution.factors))
            seen = float(least_gap(problem.whitened, problem.b, problem.lam, svd))
        return replace(
            trail.zero, lam=problem.lam, share=share, rank=solution.rank,
            validation_rmse=self._error(units, solution),
            train_rmse=self._error(units, solution, self.train),
            relative_gap=seen, seconds=solution.seconds,
        )  # fmt: skip

    def _take(self, found: Flat, replacing: bool = False) -> None:
        """Add a trail's points; keep its best point if it beats the best so far.

        A finer search replaces it: what a loose fit had at the same λ is not comparable.
        """
        self.points += [PathPoint(**p) for p in from_text(found["points"])]
        best = Best(
            str(found["side"]), float(found["smoothing"]), float(found["share"]),
            float(found["lam"]), float(found["rmse"]), np.asarray(found["L"]),
            np.asarray(found["R"]),
        )  # fmt: skip
        if replacing or self.best is None or best.rmse < self.best.rmse:
            self.best = best
