"""Proximal points of the penalised problem by semismooth Newton steps: X itself is an array.

Each step minimises, to an accuracy that the method's convergence asks for,

    P(X) + 1/(2σ) ‖X − X_k‖_F²,      P(X) = ½‖ℬ(X) − b‖² + λ‖X‖_*

over X. Its dual is smooth and strongly convex in y ∈ ℝᵐ, with X_{k+1} = 𝒟(X_k + σ ℬ*(y)), 𝒟 the
soft thresholding of singular values by σλ:

    φ(y) = ½‖y‖² − bᵀy + 1/(2σ) ‖𝒟(X_k + σ ℬ*(y))‖_F²,     ∇φ = y − b + ℬ 𝒟(X_k + σ ℬ*(y))

and is minimised by Newton steps (I + σ ℬ 𝒟' ℬ*) Δy = −∇φ. It converges from anywhere whatever the
rank: nothing is grown and nothing is cut. Jiang, Sun and Toh, "A partial proximal point algorithm
for nuclear norm regularized matrix least squares problems" (Math. Program. Comput. 6, 2014); here
on the dual alone, as in Li, Sun and Toh (SIAM J. Optim. 28, 2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from flatrank.certificates import Effort, certify_whitened, held, scaled_residual
from flatrank.factors import CompactSVD, Cone, FactorPair
from flatrank.linalg import Diagonal, truncated_cg
from flatrank.measurements import HELD, Explicit, SampledEntries, explicit
from flatrank.problems import Problem
from flatrank.solvers.loop import Outcome, Proof, Scope, Solver
from flatrank.solvers.solution import Counts
from flatrank.solvers.status import Status


class Thresholded(NamedTuple):
    """𝒟(Z) = U diag(kept) Vᵀ of Z = U diag(s) Vᵀ, thin; `rank` values are kept."""

    U: np.ndarray
    s: np.ndarray
    Vt: np.ndarray
    kept: np.ndarray

    @property
    def rank(self) -> int:
        """Number of values above the threshold."""
        return int(np.count_nonzero(self.kept))

    def matrix(self) -> np.ndarray:
        """𝒟(Z)."""
        U, s, V = self.svd()
        return (U * s) @ V.T

    def svd(self) -> CompactSVD:
        """U, s, V of 𝒟(Z)."""
        k = self.rank
        return CompactSVD(self.U[:, :k], self.kept[:k], self.Vt[:k].T)

    def derivative(self) -> Callable[[np.ndarray], np.ndarray]:
        """H ↦ 𝒟'(Z)[H].

        In the frame of U and V, with t the thresholded values: the symmetric part of UᵀHV times
        (tₐ − t_c)/(sₐ − s_c), the skew part times (tₐ + t_c)/(sₐ + s_c), and what lies outside the
        frame times tₐ/sₐ. Only the rows and columns of the k kept values are not zero.
        """
        (U, s, Vt, t), k = self, self.rank
        (d1, d2), d = (U.shape[0], Vt.shape[1]), s.size
        apart = s[:k, None] - s[None, :]
        even = (t[:k, None] - t) / np.where(apart == 0, 1.0, apart)
        even[:, :k] = 1.0  # both kept: sₐ − s_c over itself
        odd = (t[:k, None] + t) / (s[:k, None] + s)
        same, other, beyond = 0.5 * (even + odd), 0.5 * (even - odd), t[:k] / s[:k]
        Uk, Vk, U0 = U[:, :k], Vt[:k].T, U[:, k:]

        def product(H: np.ndarray) -> np.ndarray:
            A, C = Uk.T @ H, H @ Vk
            a, c = A @ Vt.T, U.T @ C
            inside = same * a + other * c.T
            if d2 > d:
                right = (inside - beyond[:, None] * a) @ Vt + beyond[:, None] * A
            else:
                right = inside @ Vt
            left = U0 @ (same[:, k:].T * c[k:] + other[:, k:].T * a[:, k:].T)
            if d1 > d:
                left += (C - U @ c) * beyond
            return Uk @ right + left @ Vk.T

        return product


class ProximalPointState(NamedTuple):
    """Where the iteration stands.

    B : ℬ as an array.
    y : the dual variable at the proximal centre X_k.
    sigma : σ.
    found : the decomposition of X_k.
    objective : P(X_k).
    gap : relative duality gap of X_k with b − ℬ(X_k), to rounding.
    stalled : steps in a row that did not reduce the gap.
    proof, ended, counts : as for every solver.
    """

    B: Explicit
    y: np.ndarray
    sigma: float
    found: Thresholded
    objective: float = math.inf
    gap: float = math.inf
    stalled: int = 0
    proof: Proof = Proof()
    ended: Status = Status.RUNNING
    counts: Counts = Counts()


@dataclass(frozen=True)
class ProximalPoint(Solver[ProximalPointState]):
    """The proximal point method with semismooth Newton steps, for small penalised problems.

    Parameters
    ----------
    tol : float
        Relative duality gap to prove.
    failure_probability : float
        Of the probabilistic bounds in the certificate.
    sigma : float
        The first σ, in units of ‖ℬ*(b)‖/(λ · mean ‖B_i‖²).
    growth : float
        Factor of σ after a step of at most `easy` Newton steps; 2 up to twice as many.
    easy : int
        See `growth`.
    accuracy : float
        ‖∇φ‖ at which a step ends, in units of ‖X − X_k‖_F / (σ · √(mean ‖B_i‖²)).
    inner_tol : float
        Relative tolerance of the conjugate gradients, in the preconditioned norm.
    max_newton : int
        Newton steps at most in a step.
    max_inner : int
        Conjugate gradients at most in a Newton step.
    margin : float
        Share of `tol` that the gap is brought to before the proof, where rounding allows it: X is
        off by the root of the gap, and the last steps converge fast.
    slow : float
        A step that leaves more of the gap than this is slow: once the gap is `tol`, it is the last.
    stagnation : int
        Steps in a row that may leave the gap as it is: the rest is then rounding.
    small : float
        Largest d1 d2 min(d1, d2) at which it is the method to begin with. From 100 × 100 on the
        search for factors takes half the time and less, and has it to fall back upon.
    least : float
        λ, in units of ‖ℬ*(b)‖, from which on it is the method to begin with; below, the rest of a
        step is rounding relative to ‖b‖.

    Notes
    -----
    Cost: a Newton step takes one or two thin singular value decompositions of a d1 × d2 array, and
    at most 8 d1 d2 min(d1, d2) flops a conjugate gradient. Memory: a dozen such arrays, and ℬ.
    """

    scope: ClassVar[Scope] = Scope(exact=False)

    tol: float = 1e-6
    failure_probability: float = 1e-9
    sigma: float = 0.1
    growth: float = 5.0
    easy: int = 3
    accuracy: float = 0.2
    inner_tol: float = 0.1
    max_newton: int = 30
    max_inner: int = 1000
    margin: float = 1e-3
    slow: float = 0.3
    stagnation: int = 6
    small: float = 3e5
    least: float = 2e-5

    def suits(self, problem: Problem) -> bool:
        """Whether to begin with it: entries of a `small` matrix, and λ at least `least`."""
        B = held(problem)
        if B is None or math.prod(B.shape) * min(B.shape) > self.small:
            return False
        return problem.lam >= self.least * _norm(B.adjoint(np.asarray(problem.b)))

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> ProximalPointState:
        """From X = 0, or from a pair of X̃.

        Raises
        ------
        ValueError
            If λ = 0, X must be symmetric, or ℬ cannot be held as an array.
        """
        del seed  # nothing is drawn
        B = explicit(problem.whitened)
        if problem.lam == 0 or problem.cone is not Cone.WHOLE or B is None:
            raise ValueError(
                "ProximalPoint needs lam > 0, a matrix that need not be symmetric, and sampled "
                "entries or at most 2e7 numbers in all measurements together; leave solver out "
                "for anything else"
            )
        b, lam = np.asarray(problem.b), problem.lam
        top = _norm(B.adjoint(b))
        sigma = self.sigma * max(top, lam) / (lam * _mean_square(B))
        if start is None:
            X, y = np.zeros(B.shape), b * (lam / max(top, lam))
        else:
            X = np.asarray(start.L) @ np.asarray(start.R).T
            y = b - B.forward(X)
        return ProximalPointState(B, y, sigma, threshold(X, 0.0))

    def step(self, problem: Problem, state: ProximalPointState) -> ProximalPointState:
        """One proximal point; a proof where the gap is small enough for one."""
        B, b, lam, before = state.B, np.asarray(problem.b), problem.lam, state.gap
        y, found, newton, products = self._proximal(b, lam, state)
        state = state._replace(counts=state.counts + Counts(products, products, 1))
        r = b - B.forward(found.matrix())
        objective = 0.5 * float(r @ r) + lam * float(np.sum(found.kept))
        if not math.isfinite(objective):
            return state._replace(ended=Status.NONFINITE)
        if objective > state.objective * (1 + 1e-13):  # not solved closely enough
            state = state._replace(sigma=0.1 * state.sigma, stalled=state.stalled + 1)
        else:
            gap = _relative_gap(B, b, lam, r, objective)
            faster = self.growth if newton <= self.easy else 2.0
            state = state._replace(
                y=y,
                sigma=state.sigma * (faster if newton <= 2 * self.easy else 1.0),
                objective=objective,
                found=found,
                stalled=0 if gap < state.gap else state.stalled + 1,
                gap=gap,
            )
        fast = state.gap <= self.slow * before
        over = state.stalled >= self.stagnation or (state.gap <= self.tol and not fast)
        done = state.gap <= max(self.margin * self.tol, 1e-11)  # the rest is rounding
        return self._proved(problem, state, over) if over or done else state

    def info(self, state: ProximalPointState) -> dict[str, Any]:
        """Rank, objective, gap and σ."""
        return {
            "rank": state.found.rank,
            "objective": state.objective,
            "relative_gap": state.gap,
            "sigma": state.sigma,
        }

    def outcome(self, state: ProximalPointState) -> Outcome:
        """The pair of X, and its certificate where there is one."""
        svd = state.found.svd()
        return Outcome(svd.pair(), state.found.rank, state.counts, **state.proof._asdict())

    def _proved(
        self, problem: Problem, state: ProximalPointState, over: bool
    ) -> ProximalPointState:
        effort = Effort(self.failure_probability, self.tol)
        proof = Proof(*certify_whitened(problem, state.found.svd(), effort=effort))
        ended = Status.STATIONARY if over else Status.RUNNING
        if proof.certified(self.tol):
            ended = Status.CERTIFIED
        return state._replace(proof=proof, ended=ended)

    def _proximal(
        self, b: np.ndarray, lam: float, state: ProximalPointState
    ) -> tuple[np.ndarray, Thresholded, int, int]:
        """y and 𝒟(X_k + σ ℬ*(y)) near the minimum of φ; Newton steps and products spent."""
        B, X, sigma = state.B, state.found.matrix(), state.sigma

        def look(y: np.ndarray) -> tuple[float, Thresholded]:
            found = threshold(X + sigma * B.adjoint(y), sigma * lam)
            square = float(found.kept @ found.kept)
            return 0.5 * float(y @ y) - float(b @ y) + 0.5 * square / sigma, found

        y, products = state.y, 1
        value, found = look(y)
        scale = sigma * math.sqrt(_mean_square(B))
        for newton in range(self.max_newton):
            new = found.matrix()
            slope = y - b + B.forward(new)
            close = max(self.accuracy * _size(new - X) / scale, 1e-13 * _size(b))
            if _size(slope) <= close:
                return y, found, newton, products
            step, inner = self._newton(B, found, sigma, slope)
            length, fall = 1.0, float(slope @ step)
            while True:  # Armijo's rule; φ is known to rounding only
                after, at = look(y + length * step)
                products += 1
                if after <= value + 1e-4 * length * fall + 1e-13 * abs(value) or length < 1e-4:
                    break
                length *= 0.5
            y, value, found, products = y + length * step, after, at, products + inner
        return y, found, self.max_newton, products

    def _newton(
        self, B: Explicit, found: Thresholded, sigma: float, slope: np.ndarray
    ) -> tuple[np.ndarray, int]:
        """Δy with (I + σ ℬ 𝒟' ℬ*) Δy ≈ −∇φ by conjugate gradients, and their number."""
        if found.rank == 0:
            return -slope, 0
        derivative = found.derivative()
        inverse = 1.0 / (1.0 + 0.5 * sigma * B.squares())  # 𝒟' is about half the identity
        step, taken = truncated_cg(
            lambda p: p + sigma * B.forward(derivative(B.adjoint(p))),
            -slope,
            Diagonal(inverse),
            self.inner_tol,
            self.max_inner,
        )
        return step, int(taken)


def threshold(Z: np.ndarray, limit: float) -> Thresholded:
    """Soft thresholding of the singular values of Z."""
    U, s, Vt = np.linalg.svd(Z, full_matrices=False)
    return Thresholded(U, s, Vt, np.maximum(s - limit, 0.0))


def may_hold(problem: Problem, most: float) -> bool:
    """Whether λ > 0, X may be any matrix, d1 d2 min(d1, d2) ≤ `most`, and ℬ may be an array."""
    d1, d2 = problem.shape
    return (
        problem.lam > 0
        and problem.cone is Cone.WHOLE
        and d1 * d2 * min(d1, d2) <= most
        and (isinstance(problem.measurement, SampledEntries) or problem.m * d1 * d2 <= HELD)
    )


def _relative_gap(B: Explicit, b: np.ndarray, lam: float, r: np.ndarray, objective: float) -> float:
    """Of X with the best feasible multiple of r = b − ℬ(X)."""
    _, dual, _ = scaled_residual(r, b, lam, _norm(B.adjoint(r)))
    return (objective - float(dual)) / objective if objective > 0 else 0.0


def _mean_square(B: Explicit) -> float:
    squares = B.squares()
    return float(np.sum(squares)) / max(np.count_nonzero(squares), 1) or 1.0


def _norm(S: np.ndarray) -> float:
    return float(np.linalg.norm(S, 2))


def _size(x: np.ndarray) -> float:
    return float(np.linalg.norm(x))
