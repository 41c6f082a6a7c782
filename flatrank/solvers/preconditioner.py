"""Preconditioners of a Newton step on balanced factors: the diagonal, and weak columns.

The diagonal of the Gauss–Newton matrix plus λ is right for most directions, and blind to one kind.
Let (u_i, σ_i, v_i) be singular triplets of −S: those of the factors, where σ_i = λ near a solution,
and those next to them outside. A column j that moves along u_i and v_i at once,

    P = Σ a_ij u_i e_jᵀ,   Q = Σ a_ij v_i e_jᵀ,

gains from S what λ costs, and ⟨(P, Q), H (P, Q)⟩ / 2 is about

    Σ_{i<j} (√c_j a_ij + √c_i a_ji)² + 2 Σ_j c_j a_jj²    where i is a column of the factors,
    Σ_ij (c_j + λ − σ_i) a_ij²                             where it is not,

with c_j = ‖ℬ(u_j r_jᵀ)‖² ≈ ‖ℬ(l_j v_jᵀ)‖². The diagonal has λ + c in place of these: for weak
columns, c ≪ λ, too much by a factor of λ/c. The first form has rank one for each pair (the other
direction is the gauge, along which nothing changes). The inverses of both, less what the diagonal
has of them, are added for the weakest columns.
"""

from __future__ import annotations

from flatrank.arrays import Array, Module, Scalar, columns, put_columns, tree_map, turned, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import CompactSVD, FactorPair
from flatrank.linalg import Diagonal

# Triplets outside the factors that are made use of.
OUTSIDE = 24


class WeakColumns(Module):
    """u_i, v_i, the weak columns' √c and the gain of each a_ij; `first` is where they begin."""

    U: Float[Array, "d1 i"]
    V: Float[Array, "d2 i"]
    root: Float[Array, " w"]
    gain: Float[Array, "i w"]
    first: int | Array

    def add(self, z: FactorPair, r: FactorPair) -> FactorPair:
        """Z and what the weak columns gain from r."""
        w = self.root.size

        def weak(X: Float[Array, "d k"]) -> Float[Array, "d w"]:
            return columns(X, self.first, w)

        a = 0.5 * (self.U.T @ weak(r.L) + self.V.T @ weak(r.R))
        inside, outside = self.root[None, :] * a[:w], a[w:]
        inside = self.root[None, :] * (inside + inside.T)
        a = self.gain * xp.concatenate([inside, outside])

        def put(Z: Float[Array, "d k"], more: Float[Array, "d w"]) -> Float[Array, "d k"]:
            return put_columns(Z, self.first, turned(more, 1.0, weak(Z)))

        return FactorPair(put(z.L, self.U @ a), put(z.R, self.V @ a))


class WithWeakColumns(Module):
    """The symmetric positive r ↦ M r: a diagonal, and weak columns."""

    diagonal: Diagonal
    weak: WeakColumns

    def __call__(self, r: FactorPair) -> FactorPair:
        """M r."""
        return self.weak.add(self.diagonal(r), r)


def inverse_diagonal(D: FactorPair, pair: FactorPair) -> FactorPair:
    """Inverse of the diagonal D of the Gauss–Newton matrix plus what λ adds.

    In the balanced gauge the k × k blocks of each row are close to diagonal on average. Zero
    columns get no step, nor do rows that nothing measures but for the rounding of D⁻¹: their step
    would be that rounding, enlarged without limit.
    """

    def inverse(diagonal: Array, other: Array) -> Array:
        unseen = diagonal <= 1e-24 * xp.max(diagonal, axis=0, keepdims=True)
        dead = xp.all(other == 0, axis=0)[None, :] | unseen
        return xp.where(dead, 0.0, 1.0 / xp.where(dead, 1.0, diagonal))

    return FactorPair(inverse(D.L, pair.R), inverse(D.R, pair.L))


def weak_columns(
    D: FactorPair,
    g: FactorPair,
    pair: FactorPair,
    lam: Scalar,
    outside: CompactSVD,
) -> WeakColumns:
    """The last columns of a balanced pair that are not zero, with triplets of −S outside it.

    With all columns the model is worse: strong ones turn too. A product costs 4 (d1 + d2) w (w + o)
    flops for w columns and o triplets.
    """
    k = pair.rank
    w = min(32, k)
    alive = xp.sum(xp.any(pair.L != 0, axis=0))
    first = xp.clip(alive - w, 0, k - w)
    last, rates, g = (tree_map(lambda X: columns(X, first, w), both) for both in (pair, D, g))
    U, V = _unit(last.L), _unit(last.R)
    c = 0.5 * (xp.sum(U * U * rates.L, axis=0) + xp.sum(V * V * rates.R, axis=0))
    # Away from the solution λ − σ is the symmetric part of (λI + UᵀSV), which the gradient holds;
    # its rows' sums bound what it adds or takes away.
    root = xp.maximum(xp.linalg.norm(last.L, axis=0), 1e-30)
    E = 0.5 * (U.T @ g.L + V.T @ g.R) / root[None, :]
    c = xp.where(c > 0, c + xp.sum(xp.abs(E), axis=1), 0.0)
    both = c[:, None] + c[None, :]
    live = (c[:, None] > 0) & (c[None, :] > 0)
    # With n = (√c_j, √c_i)/√(c_i + c_j) the inverse of a pair's form is n nᵀ/(c_i + c_j).
    gain = _more(both, lam + 0.5 * both, live) / xp.where(live, both, 1.0)
    rest = xp.maximum(lam - outside.s[:OUTSIDE], 1e-3 * lam)[:, None]
    gain = xp.concatenate([gain, _more(rest + c[None, :], lam + c[None, :], c[None, :] > 0)])
    U = xp.concatenate([U, outside.U[:, :OUTSIDE]], axis=1)
    V = xp.concatenate([V, outside.V[:, :OUTSIDE]], axis=1)
    return WeakColumns(U, V, xp.sqrt(c), gain, first)


def _more(form: Array, diagonal: Array, live: Array) -> Array:
    """1/form − 1/diagonal where that is positive and the column lives."""
    return xp.where(live, xp.maximum(1 / xp.where(live, form, 1.0) - 1 / diagonal, 0.0), 0.0)


def _unit(X: Float[Array, "d w"]) -> Float[Array, "d w"]:
    lengths = xp.linalg.norm(X, axis=0)
    return X / xp.where(lengths > 0, lengths, 1.0)[None, :]
