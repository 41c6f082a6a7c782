"""The Hessian of f(U) = ‖𝒜(U E U*) − b‖², its traces and its top, for every symmetric family."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.flatness import symmetric_trace
from flatrank.measurements import coded_diffraction, pauli_strings
from flatrank.theory import SphereHessian, SymmetricHessian, sharpness

N, M, K = 4, 7, 3
LETTERS = np.array([np.eye(2), [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], np.diag([1, -1])])


def made(family):
    """How it is measured, the Hermitian Eᵢ of the definition, and the signs in E."""
    rng = np.random.default_rng(0)
    x, signs = rng.standard_normal((M, N)), np.ones(K)
    z = x + 1j * rng.standard_normal((M, N))
    if family == "coded diffraction":
        A = coded_diffraction(N, 2, seed=1)
        masks, F = np.asarray(A.masks), np.fft.fft(np.eye(N))
        x = (F[None] * masks[:, None, :]).reshape(-1, N).conj()
        return lambda b: fr.phase_retrieval(A, b), outer(x), signs
    if family == "effects":
        E = rng.standard_normal((M, N, N)) + 1j * rng.standard_normal((M, N, N))
        E = 0.5 * (E + E.conj().transpose(0, 2, 1))
        return lambda b: fr.tomography(E, b), E, signs
    if family == "Pauli strings":
        A = pauli_strings(2, [0, 1, 6, 11, 14])  # II, IX, XY, YZ, ZY
        E = np.array([np.kron(LETTERS[i // 4], LETTERS[i % 4]) for i in (0, 1, 6, 11, 14)])
        return lambda b: fr.tomography(A, b), E, signs
    if family == "quadratic network":
        return lambda b: fr.quadratic_network(x, b), outer(x), np.array([1.0, 1.0, -1.0])
    if family == "covariance":
        return lambda b: fr.covariance(x, b), outer(x), signs
    return lambda b: fr.phase_retrieval(z, b), outer(z), signs


def outer(x):
    return np.einsum("ip,iq->ipq", x, x.conj())


def loss(E, signs, b):
    """f(vec U) from tr(Eᵢ U E U*) alone."""
    flat = E.reshape(len(E), -1)

    def f(z):
        W = z.reshape(-1, K)
        w = W if W.shape[0] == N else W[:N] + 1j * W[N:]
        X = (w * signs) @ w.conj().T
        return np.sum(((flat @ X.T.ravel()).real - b) ** 2)

    return f


FAMILIES = ["covariance", "quadratic network", "phase retrieval"]
HERMITIAN = ["coded diffraction", "effects", "Pauli strings"]


@pytest.mark.parametrize("family", FAMILIES + HERMITIAN)
def test_hessian_traces_and_top(oracle, family):
    """D²f[P²] = 8‖𝒜(PEUᵀ)‖² + 4⟨c, 𝒜(PEPᵀ)⟩; tr = 8m d‖DU‖² + 4 tr(E) Σ cᵢ tr(Aᵢ), str = tr/d, the
    terms in c gone where the data fit; λ_max. For complex matrices d is their order.
    """
    door, E, signs = made(family)
    d = 2 * N if np.iscomplexobj(E) else N
    rng, m = np.random.default_rng(1), E.shape[0]
    U, z = rng.standard_normal((d, K)), rng.standard_normal(d * K)
    u = U if d == N else U[:N] + 1j * U[N:]
    fitted = np.einsum("ipq,qk,pk,k->i", E, u, u.conj(), signs).real
    # Of complex matrices Σ Aᵢ² is the real form of Σ Eᵢ², and acts as that does.
    square = 8 * sum(np.linalg.norm(one @ u) ** 2 for one in E)
    pair = fr.FactorPair(U * signs, U)
    for b, fits in ((5 * rng.standard_normal(m), False), (fitted, True)):
        problem = door(b)
        A = problem.measurement
        H, data = oracle.hessian(loss(E, signs, b), U.ravel()), None if fits else b
        operator = SymmetricHessian.at(A, pair, data)
        ours = operator(z)
        trace = float(symmetric_trace(A, pair, problem.b))
        assert operator.n == d * K
        assert np.allclose(ours, H @ z, rtol=0, atol=1e-11 * np.linalg.norm(H))
        assert trace == pytest.approx(np.trace(H), rel=1e-11)
        assert fr.flatness_of(problem, pair).scaled_trace == pytest.approx(np.trace(H) / N)
        assert (square == pytest.approx(np.trace(H), rel=1e-11)) == fits
        top = np.linalg.eigvalsh(H)[-1]
        found = sharpness(A, pair, data, symmetric=True, tol=1e-10)
        assert found.value == pytest.approx(top, rel=1e-9)
        assert found.residual <= 1e-10 * top


@pytest.mark.parametrize("family", ["effects", "Pauli strings", "quadratic network"])
def test_the_hessian_on_the_sphere(oracle, family):
    """Π (D²f − (⟨∇f, U⟩/‖U‖²) I) Π for states, ‖U‖ = 1, and at any radius; λ_max among tangent
    steps.
    """
    door, E, signs = made(family)
    d = 2 * N if np.iscomplexobj(E) else N
    rng, m = np.random.default_rng(1), E.shape[0]
    U, z = rng.standard_normal((d, K)), rng.standard_normal(d * K)
    U = U / np.linalg.norm(U) * (1.0 if d > N else 1.7)
    u = U if d == N else U[:N] + 1j * U[N:]
    seen = np.einsum("ipq,qk,pk,k->i", E, u, u.conj(), signs).real
    for b in (5 * rng.standard_normal(m), -20 * seen):  # ⟨∇f, U⟩ = 4·21‖𝒜(X)‖²/‖U‖² in the second
        tangent = np.linalg.svd(U.reshape(-1, 1))[0][:, 1:]
        pair = fr.FactorPair(U * signs, U)
        H = oracle.hessian(loss(E, signs, b), U.ravel(), oracle.around, tangent)
        operator = SphereHessian.at(door(b).measurement, pair, b)
        found = sharpness(door(b).measurement, pair, b, sphere=True, tol=1e-10)
        expected = tangent @ H @ tangent.T @ z
        assert np.allclose(operator(z), expected, rtol=0, atol=1e-11 * np.linalg.norm(H))
        assert found.value == pytest.approx(np.linalg.eigvalsh(H)[-1], rel=1e-9)


def test_a_column_of_zeros_counts_as_absent():
    door, E, signs = made("quadratic network")
    U = np.random.default_rng(1).standard_normal((N, K))
    U[:, 1] = 0
    b = np.ones(E.shape[0])
    wide = fr.FactorPair(U * signs, U)
    narrow = fr.FactorPair(wide.L[:, ::2], wide.R[:, ::2])
    A = door(b).measurement
    values = [
        (float(symmetric_trace(A, pair, b)), sharpness(A, pair, b, symmetric=True).value)
        for pair in (wide, narrow)
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-9)
