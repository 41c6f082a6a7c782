"""Theory §1.6: flat minima of symmetric models."""

import jax
import jax.numpy as jnp
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
        return jnp.sum(jnp.abs(x.conj() @ u) ** 2 * signs[None, :], axis=1)

    return x, U, signs, forward


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("fits", [False, True], ids=["anywhere", "at zero loss"])
def test_the_scaled_trace_is_that_of_the_hessian(family, fits):
    """str(D²f) = 8m ‖D U‖² + (4/d) tr(E) Σ cᵢ tr(Aᵢ), d the order of X; 8m ‖D U‖² if data fit."""
    x, U, signs, forward = drawn(family)
    with jax.enable_x64(True):
        fitted = np.asarray(forward(U))
        y = fitted if fits else np.random.default_rng(1).standard_normal(M)
        f = lambda U: jnp.sum((forward(U) - y) ** 2)
        hessian = jax.jit(jax.hessian(f))(jnp.asarray(U)).reshape(U.size, U.size)
        trace = float(jnp.trace(hessian)) / D
        problem = getattr(fr, family)(x, y)
        both = fr.FactorPair(jnp.asarray(U), jnp.asarray(U))
        flat = 8 * M * np.sum(np.asarray(problem.whiten(both).L) ** 2)
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
    with jax.enable_x64(True):
        y = np.asarray(forward(U))
        problem = getattr(fr, family)(x, y)
        white = problem.whiten(fr.FactorPair(jnp.asarray(U * signs), jnp.asarray(U)))
        balanced, s = problem.cone.balance(white)
        again = np.asarray(problem.unwhiten(balanced).R)
        measured = fr.flatness_of(problem, problem.unwhiten(balanced))
        left, right = (np.asarray(problem.cone.lift(F)) for F in (white.L, white.R))
        X = left @ right.conj().T
    nuclear = np.abs(np.linalg.eigvalsh(X)).sum()
    assert np.asarray(s).sum() == pytest.approx(nuclear, rel=1e-12)
    assert measured.scaled_trace == pytest.approx(8 * M * nuclear, rel=1e-9)
    assert np.sum(np.asarray(white.R) ** 2) >= nuclear * (1 - 1e-12)
    assert again.shape == U.shape


@pytest.mark.parametrize("family", ["covariance", "phase_retrieval"])
def test_every_positive_matrix_that_fits_is_as_flat(family):
    """Σ Aᵢ² = Σ wᵢ Aᵢ with wᵢ = ‖xᵢ‖²: tr(D M D) = ⟨w, y⟩/(m d) for any M of order d that fits."""
    x, U, _, forward = drawn(family)
    with jax.enable_x64(True):
        y = np.asarray(forward(U))
        problem = getattr(fr, family)(x, y)
        trace = np.sum(np.asarray(problem.rescaling.D1 @ U) ** 2)
        w = np.asarray(problem.measurement.gram_weights())
        S = problem.whitened.adjoint(jnp.asarray(w) / (M * D))
        identity = S.right(jnp.eye(len(U)))
    assert np.allclose(w, np.sum(np.abs(x) ** 2, axis=1))
    assert trace == pytest.approx(w @ y / (M * D), rel=1e-12)
    assert np.allclose(identity, np.eye(len(U)), atol=1e-12)
