"""Theory §1.6: for robust PCA, flat = norm-minimal."""

import numpy as np
import pytest

import flatrank as fr


def onto_ball(T, radius):
    """The projection onto {‖T‖₁ ≤ radius}."""
    sizes = np.sort(np.abs(T).ravel())[::-1]
    if sizes.sum() <= radius:
        return T
    cut = (np.cumsum(sizes) - radius) / np.arange(1, sizes.size + 1)
    return np.sign(T) * np.maximum(np.abs(T) - cut[np.flatnonzero(sizes > cut)[-1]], 0)


def point(seed, radius):
    rng = np.random.default_rng(seed)
    L0, R0 = rng.standard_normal((5, 2)), rng.standard_normal((4, 2))
    Y = L0 @ R0.T + rng.standard_normal((5, 4))
    return Y, L0, R0, onto_ball(Y - L0 @ R0.T, radius)


@pytest.mark.parametrize("radius", [2.0, 1e3])
def test_the_scaled_trace_of_the_local_model_is_twice_the_squared_norm(oracle, radius):
    # f_{L0,R0}(L, R) = ‖L Rᵀ + P_Ω(Y − L0 R0ᵀ) − Y‖², str(D²f)(L0, R0) = 2(‖L0‖² + ‖R0‖²).
    Y, L0, R0, T = point(0, radius)

    def f(z):
        return np.sum((z[:10].reshape(5, 2) @ z[10:].reshape(4, 2).T + T - Y) ** 2)

    diagonal = oracle.diagonal(f, np.concatenate([L0.ravel(), R0.ravel()]))
    trace = diagonal[:10].sum() / 5 + diagonal[10:].sum() / 4
    squared = np.sum(L0**2) + np.sum(R0**2)
    assert trace == pytest.approx(2 * squared, rel=1e-12)
    measured = fr.flatness_of(fr.robust_pca(Y, radius=radius), (L0, R0))
    assert measured.scaled_trace == pytest.approx(2 * squared, rel=1e-12)


def test_the_local_model_touches_the_distance_from_above():
    Y, L0, R0, T = point(1, 2.0)

    def distance(X):
        return np.sum((Y - X - onto_ball(Y - X, 2.0)) ** 2)

    def model(X):
        return np.sum((X + T - Y) ** 2)

    X0, step = L0 @ R0.T, np.random.default_rng(2).standard_normal((5, 4))
    assert distance(X0) == pytest.approx(model(X0), rel=1e-12)
    for t in (1e-3, 1e-4):
        excess = model(X0 + t * step) - distance(X0 + t * step)
        assert 0 <= excess <= 3 * np.sum(step**2) * t**2  # the same to first order


@pytest.mark.parametrize("seed", range(3))
def test_the_flattest_pair_that_fits_has_the_least_nuclear_norm(seed):
    # 2(‖L‖² + ‖R‖²) ≥ 4‖X‖_*, and the balanced pair of the norm-minimal X attains it.
    rng = np.random.default_rng(seed)
    Y = rng.standard_normal((6, 5))
    problem = fr.robust_pca(Y, radius=0.4 * np.abs(Y).sum())
    solution = fr.solve(problem, tol=1e-8)
    assert solution.flatness.excess == pytest.approx(1, abs=1e-9)
    assert solution.flatness.scaled_trace == pytest.approx(
        4 * solution.certificate.primal, rel=1e-6
    )
    for _ in range(20):  # other pairs that fit: none is flatter
        E = rng.standard_normal((6, 5))
        U, s, Vt = np.linalg.svd(Y - problem.radius * E / np.abs(E).sum(), full_matrices=False)
        other = fr.flatness_of(problem, (U * np.sqrt(s), Vt.T * np.sqrt(s)))
        assert other.scaled_trace >= 4 * solution.certificate.dual_bound
