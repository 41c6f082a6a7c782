"""Fewer measurements than unknowns: whatever comes back is not called the truth."""

import numpy as np
import pytest

import flatrank as fr

slow = pytest.mark.slow


def impossible(family):
    """A problem with fewer data than its truth has degrees of freedom, and the truth."""
    rng = np.random.default_rng(1)
    if family == "phase retrieval":
        z = rng.standard_normal(8) + 1j * rng.standard_normal(8)  # 15 of them
        x = rng.standard_normal((10, 8)) + 1j * rng.standard_normal((10, 8))
        return fr.phase_retrieval(x, np.abs(x.conj() @ z) ** 2), np.outer(z, z.conj())
    if family == "quadratic network":
        x, U = rng.standard_normal((12, 8)), rng.standard_normal((8, 2))  # 15
        truth = (U * [1, -1]) @ U.T
        return fr.quadratic_network(x, np.einsum("ip,pq,iq->i", x, truth, x)), truth
    L = rng.standard_normal((12, 4)) @ rng.standard_normal((4, 12)) / 12
    S = np.where(rng.random(L.shape) < 0.8, 3 * rng.standard_normal(L.shape), 0.0)
    assert 4 * (24 - 4) + np.count_nonzero(S) > L.size
    return fr.robust_pca(L + S, radius=np.abs(S).sum()), L


def matrix(solution):
    if solution.problem.cone.name == "HERMITIAN":
        U = np.asarray(solution.U)
        return U @ U.conj().T
    return np.asarray(solution.factors.L) @ np.asarray(solution.factors.R).T


# The default call says that data are as few as degrees of freedom.
@pytest.mark.filterwarnings("ignore::flatrank.solvers.solve.NoisyDataWarning")
@pytest.mark.parametrize(
    "family",
    [
        "robust PCA",
        pytest.param("phase retrieval", marks=slow),
        pytest.param("quadratic network", marks=slow),
    ],
)
def test_an_answer_far_from_the_truth_is_never_called_it(family):
    problem, truth = impossible(family)
    solution = fr.solve(problem, max_seconds=20)
    assert np.linalg.norm(matrix(solution) - truth) > 0.3 * np.linalg.norm(truth)
    assert not solution.certificate.unique
    assert solution.status is not fr.Status.IDENTIFIABLE


@pytest.mark.parametrize("family", ["phase retrieval", "quadratic network"])
def test_nor_is_the_truth_itself_proved_to_be_the_only_one(family):
    problem, truth = impossible(family)
    w, Q = np.linalg.eigh(truth)
    kept = np.abs(w) > 1e-9 * np.abs(w).max()
    U, signs = Q[:, kept] * np.sqrt(np.abs(w[kept])), np.sign(w[kept])
    U = np.concatenate([U.real, U.imag]) if np.iscomplexobj(U) else U
    assert not fr.certify(problem, (U * signs, U)).unique
