"""Bounds on the largest eigenvalue, real and Hermitian, whatever the negative ones are."""

import numpy as np
import pytest

from flatrank.certificates import Effort, eigenvalue_bound, top_eigenpairs
from flatrank.factors import Cone
from flatrank.measurements import Adjoint

N = 40


class Held(Adjoint):
    S: np.ndarray

    def __init__(self, S):
        self.S = np.asarray(S)

    def right(self, R):
        return self.S @ R

    def left(self, L):
        return self.S.T @ L


def matrix(cone):
    """Eigenvalues from −50 to 1, the four at the top known with their vectors."""
    rng = np.random.default_rng(0)
    G = rng.standard_normal((N, N))
    if cone is Cone.HERMITIAN:
        G = G + 1j * rng.standard_normal((N, N))
    Q, _ = np.linalg.qr(G)
    w = np.concatenate([[1.0, 0.9, 0.8, 0.7], np.linspace(0.4, -50, N - 4)])
    S = (Q * w) @ Q.conj().T
    if cone is not Cone.HERMITIAN:
        return S, Q, w
    return np.block([[S.real, -S.imag], [S.imag, S.real]]), np.vstack([Q.real, Q.imag]), w


@pytest.mark.parametrize("cone", [Cone.POSITIVE, Cone.HERMITIAN])
@pytest.mark.parametrize("delta", [0.0, 1e-9])
@pytest.mark.parametrize("count", [0, 2])
def test_the_bound_is_above_the_largest_eigenvalue_and_close(cone, delta, count):
    S, Q, w = matrix(cone)
    effort = Effort(delta, exact_size=0, at_once=0)
    bound = eigenvalue_bound(Held(S), cone, np.asarray(Q[:, :count]), 0.85, effort)
    assert 1 - 1e-12 <= bound.value <= 1 + 1e-9 + 51 * (delta > 0)
    assert bound.off_tangent >= w[count] - 1e-12
    if delta == 0:
        assert bound.off_tangent == pytest.approx(w[count], rel=1e-12)


@pytest.mark.parametrize("cone", [Cone.POSITIVE, Cone.SYMMETRIC, Cone.HERMITIAN])
def test_the_leading_eigenpairs_outside_a_basis(cone):
    """The largest where only those count, else the largest in size, with their signs."""
    S, Q, w = matrix(cone)
    X = np.asarray(np.random.default_rng(1).standard_normal((len(S), 4)))
    V = np.asarray(Q[:, :2])
    found = top_eigenpairs(Held(S), cone, V, X, 40)
    expected = np.sort(np.abs(w[2:]))[::-1][:4] if cone is Cone.SYMMETRIC else w[2:4]
    take = len(expected)
    assert np.allclose(found.s[:take], expected, rtol=1e-8)
    U, V = np.asarray(found.U)[:, :take], np.asarray(found.V)[:, :take]
    assert np.allclose(S @ V, U * np.asarray(found.s)[:take], atol=1e-6)
    assert np.allclose(np.abs(U), np.abs(V), atol=0)
