"""Theory §1.6: flat minima of symmetric models."""

import numpy as np
import pytest

import flatrank as fr

D, M, K = 5, 9, 3
FAMILIES = ["covariance", "quadratic_network", "phase_retrieval"]


def drawn(family, seed=0):
    """Vectors, a factor U in real rows, signs, and f(U) = ‖𝒜(U E U*) − y‖² for given y."""
    rng = np.random.default_rng(seed)
    x, rows, signs = rng.standard_normal((M, D)), D, np.ones(K)
    if family == "phase_retrieval":
        x, rows = x + 1j * rng.standard_normal((M, D)), 2 * D
    if family == "quadratic_network":
        signs = np.array([1.0, 1.0, -1.0])
    U = rng.standard_normal((rows, K))

    def forward(U):
        u = U if rows == D else U[:D] + 1j * U[D:]
        return np.abs(x.conj() @ u) ** 2 @ signs

    return x, U, signs, forward


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("fits", [False, True], ids=["anywhere", "at zero loss"])
def test_the_scaled_trace_is_that_of_the_hessian(oracle, family, fits):
    """str(D²f) = 8m ‖D U‖² + (4/d) tr(E) Σ cᵢ tr(Aᵢ), d the order of X; 8m ‖D U‖² if data fit."""
    x, U, signs, forward = drawn(family)
    y = forward(U) if fits else np.random.default_rng(1).standard_normal(M)
    f = lambda z: np.sum((forward(z.reshape(U.shape)) - y) ** 2)
    trace = oracle.diagonal(f, U.ravel()).sum() / D
    problem = getattr(fr, family)(x, y)
    flat = 8 * M * np.sum(problem.whiten(fr.FactorPair(U, U)).L ** 2)
    measured = fr.flatness_of(problem, (U * signs, U))
    assert measured.scaled_trace == pytest.approx(trace, rel=1e-11)
    assert (flat == pytest.approx(trace, rel=1e-11)) == fits


def test_the_rescaling_is_the_mean_of_the_squares():
    """D² = (1/(m d)) Σ ‖xᵢ‖² xᵢxᵢᵀ, on both sides the same array."""
    x, *_ = drawn("covariance")
    rescaling = fr.covariance(x, np.ones(M)).rescaling
    expected = np.einsum("i,ip,iq->pq", np.sum(x**2, axis=1), x, x) / (M * D)
    assert np.allclose(np.asarray(rescaling.D1) @ np.asarray(rescaling.D1), expected)
    assert rescaling.D1 is rescaling.D2


@pytest.mark.parametrize("family", FAMILIES)
def test_the_flattest_factor_of_a_matrix_has_its_nuclear_norm(family):
    """min ‖D U‖² over U E U* = X is ‖D X D‖_*: balanced it is attained, turned it is exceeded."""
    x, U, signs, forward = drawn(family)
    y = forward(U)
    problem = getattr(fr, family)(x, y)
    white = problem.whiten(fr.FactorPair(U * signs, U))
    balanced, s = problem.cone.balance(white)
    again = problem.unwhiten(balanced).R
    measured = fr.flatness_of(problem, problem.unwhiten(balanced))
    left, right = (problem.cone.lift(F) for F in (white.L, white.R))
    X = left @ right.conj().T
    nuclear = np.abs(np.linalg.eigvalsh(X)).sum()
    assert s.sum() == pytest.approx(nuclear, rel=1e-12)
    assert measured.scaled_trace == pytest.approx(8 * M * nuclear, rel=1e-9)
    assert np.sum(white.R**2) >= nuclear * (1 - 1e-12)
    assert again.shape == U.shape


@pytest.mark.parametrize("family", ["covariance", "phase_retrieval"])
def test_every_positive_matrix_that_fits_is_as_flat(family):
    """Σ Aᵢ² = Σ wᵢ Aᵢ with wᵢ = ‖xᵢ‖²: tr(D M D) = ⟨w, y⟩/(m d) for any M of order d that fits."""
    x, U, _, forward = drawn(family)
    y = forward(U)
    problem = getattr(fr, family)(x, y)
    trace = np.sum((problem.rescaling.D1 @ U) ** 2)
    w = problem.measurement.gram_weights()
    identity = problem.whitened.adjoint(w / (M * D)).right(np.eye(len(U)))
    assert np.allclose(w, np.sum(np.abs(x) ** 2, axis=1))
    assert trace == pytest.approx(w @ y / (M * D), rel=1e-12)
    assert np.allclose(identity, np.eye(len(U)), atol=1e-12)
