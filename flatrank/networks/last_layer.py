"""The last layer of a network under squared loss: a problem with a proof.

    min over W   (1/2N) Σ ‖W φᵢ − yᵢ‖² + λ ‖D1 W D2‖_*,   D1² = tr(Σ)/(d_out d_in) I,  D2² = Σ/d_out

With the rest frozen the N d_out measurements are ⟨eⱼφᵢᵀ, W⟩, and D1, D2 are theirs. Let Φ = √N Q T
with QᵀQ = I, T of full row rank q ≤ min(N, d_in): then TᵀT = Σ, and the loss is

    ½‖W Tᵀ − C‖² + (what no W can fit),   C = YᵀQ/√N

D1 W D2 has the singular values of Z = W Tᵀ, times √(tr Σ/d_in)/d_out. So the problem is that of a
d_out × q matrix Z of which every entry is seen, however many samples there are, and it is solved by
drawing the singular values of C towards zero.

Source: ours, from algebra notes §5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from flatrank.certificates import Certificate, certify
from flatrank.factors import FactorPair
from flatrank.problems import Problem, completion


@dataclass(frozen=True)
class LastLayer:
    """The problem of the last layer, made by `of`.

    Parameters
    ----------
    problem : Problem
        Of Z = W Tᵀ, every entry seen.
    T : array of shape (q, d_in)
        With TᵀT = Σ.
    lam : float
        λ.
    unexplained : float
        The least value of (1/2N) Σ ‖W φᵢ − yᵢ‖² over all W: what `problem` leaves out.
    """

    problem: Problem
    T: np.ndarray
    lam: float
    unexplained: float

    @classmethod
    def of(cls, inputs: ArrayLike, targets: ArrayLike, lam: float) -> LastLayer:
        """State the problem, in double precision.

        Parameters
        ----------
        inputs, targets : arrays of shape (N, d_in) and (N, d_out)
            φᵢ and yᵢ, a row each.
        lam : float
            λ > 0.

        Returns
        -------
        LastLayer

        Raises
        ------
        ValueError
            If shapes do not fit, a number is not finite, every input is zero, or λ is not positive.

        Notes
        -----
        Directions that no input has, to rounding, are in neither the loss nor D2 and left out.
        Cost: an SVD of the inputs, O(N d_in min(N, d_in)).
        """
        phi, y = (np.asarray(x, dtype=np.float64) for x in (inputs, targets))
        if not phi.ndim == y.ndim == 2 or len(phi) != len(y):
            raise ValueError(
                "inputs and targets must be matrices with a row for each sample; "
                f"got shapes {phi.shape} and {y.shape}"
            )
        if not (np.isfinite(phi).all() and np.isfinite(y).all() and phi.any()):
            raise ValueError("inputs and targets must be finite, and the inputs not all zero")
        if not lam > 0:
            raise ValueError(f"lam must be above 0; got {lam}")
        N, d_in = phi.shape
        Q, s, Vt = np.linalg.svd(phi / np.sqrt(N), full_matrices=False)
        seen = s > max(N, d_in) * np.finfo(np.float64).eps * s[0]
        Q, T = Q[:, seen], s[seen, None] * Vt[seen]
        C = y.T @ Q / np.sqrt(N)
        unexplained = 0.5 * float(np.sum((y - np.sqrt(N) * Q @ C.T) ** 2)) / N
        # D1 and D2 of a matrix that is seen whole are I/√m, m = d_out q.
        share = len(T) * np.linalg.norm(T) / np.sqrt(d_in)
        rows, cols = np.indices(C.shape).reshape(2, -1)
        problem = completion(rows, cols, C.ravel(), C.shape, lam=float(lam * share))
        return cls(problem, T, float(lam), unexplained)

    def certify(self, L: ArrayLike, R: ArrayLike, **options: Any) -> Certificate:
        """Prove how far W = L Rᵀ is from the best matrix of any rank.

        Parameters
        ----------
        L, R : arrays of shape (d_out, k) and (d_in, k)
            The factors, found in any way.
        **options
            Of `flatrank.certify`.

        Returns
        -------
        Certificate
            `primal` is the objective at W and `dual_bound` a floor under that of every matrix, both
            without `unexplained`. The floor holds for the layer with all before it frozen, and says
            nothing of what other features could do.

        Raises
        ------
        ValueError
            If shapes do not fit or a number is not finite.
        """
        one, other = (np.asarray(x, dtype=np.float64) for x in (L, R))
        if other.ndim != 2 or len(other) != self.T.shape[1]:
            raise ValueError(
                f"R must have a row for each of the {self.T.shape[1]} inputs; "
                f"got shape {other.shape}"
            )
        return certify(self.problem, (one, self.T @ other), **options)

    def flattest(self) -> FactorPair:
        """The factors of the best W, with ‖D1 L‖ = ‖D2 R‖ column by column.

        Z = U max(S − λ', 0) Vᵀ for C = U S Vᵀ, λ' = λ √(tr Σ/d_in)/d_out. Cost: one SVD of C.
        """
        d_out, q = self.problem.shape
        C = np.asarray(self.problem.b).reshape(d_out, q)
        U, s, Vt = np.linalg.svd(C, full_matrices=False)
        s = np.maximum(s - self.problem.lam / self.problem.m, 0.0)
        found = s > 0
        root = np.sqrt(s[found])
        # D1 = α I and ‖D2 R‖ = β ‖T R‖
        tilt = (np.linalg.norm(self.T) / np.sqrt(self.T.shape[1])) ** 0.5
        R = np.linalg.pinv(self.T) @ (Vt[found].T * root)
        return FactorPair(U[:, found] * root / tilt, R * tilt)
