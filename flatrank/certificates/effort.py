"""How hard a certificate tries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """Settings of a certificate: no choice of them makes it claim more than is so.

    Parameters
    ----------
    failure_probability : float
        δ, the allowed chance that a probabilistic bound is wrong; 0 demands exact norms.
    tol : float
        The bound on a norm need cost no less than this share of the primal value.
    exact_size : int
        Order up to which a norm is computed exactly where Lanczos is not enough.
    seed : int
        Of the random starts.
    at_once : int
        Order up to which a norm is computed exactly without a try of Lanczos.
    undivided : int
        Order up to which ‖S‖ is computed as a whole, which loses nothing to parts; and the number
        of measurements up to which ℬℬ* is formed for a dual point.
    spectrum : int
        Dimension up to which all eigenvalues of ℬ*ℬ on a tangent space or face are computed.
    images : float
        Numbers in ℬ(u_a v_bᵀ), for all a and b, up to which they are held.
    small : int
        Order up to which a strict dual point is looked for whatever X may be.
    polished : float
        Numbers in pair and data up to which a better dual point is looked for from the pair.
    cut : int
        Leading singular triplets of the slope of implicit feedback that are looked for, to be cut
        back to λ.
    """

    failure_probability: float = 1e-9
    tol: float = 0.0
    exact_size: int = 4096
    seed: int = 0
    at_once: int = 256
    undivided: int = 1000
    spectrum: int = 1500
    images: float = 5e7
    small: int = 128
    polished: float = 2e5
    cut: int = 128
