"""A wide student of a narrow teacher: gradient descent fits, the flattest that fits recovers."""

import numpy as np
import pytest

import flatrank as fr

D, M, K = 6, 18, 6  # the teacher has one neuron of each sign, the student six


def train(x, y, seed):
    """U = [U1, U2] and signs: plain gradient descent on Σ (xᵢᵀ(U1U1ᵀ − U2U2ᵀ)xᵢ − yᵢ)², and the
    last digits by the shortest steps that solve the linearised equations.
    """
    rng = np.random.default_rng(seed)
    U, signs = rng.standard_normal((D, 2 * K)), np.repeat([1.0, -1.0], K)
    for _ in range(3000):
        c = (x @ U) ** 2 @ signs - y
        U = U - 4e-4 * (x.T * c) @ x @ U * signs
    for _ in range(5):
        c = (x @ U) ** 2 @ signs - y
        J = 2 * np.einsum("ip,ik->ipk", x, x @ U * signs).reshape(len(y), -1)
        U = U - np.linalg.lstsq(J, c, rcond=None)[0].reshape(U.shape)
    return U, signs


@pytest.mark.slow
def test_the_flattest_student_is_the_teacher_and_a_trained_one_is_not():
    rng = np.random.default_rng(1)
    x, teacher = rng.standard_normal((M, D)), rng.standard_normal((D, 2))
    truth = teacher @ np.diag([1.0, -1.0]) @ teacher.T
    y = np.einsum("ip,pq,iq->i", x, truth, x)
    problem = fr.quadratic_network(x, y)
    flattest = fr.solve(problem, goal="flat")
    assert flattest.status is fr.Status.CERTIFIED
    found = np.asarray(flattest.factors.L) @ np.asarray(flattest.factors.R).T
    assert np.linalg.norm(found - truth) <= 1e-6 * np.linalg.norm(truth)
    root, optimum = np.asarray(problem.rescaling.D1), flattest.certificate.primal
    flat = fr.flatness_of(problem, flattest.factors).scaled_trace
    for seed in range(3):
        U, signs = train(x, y, seed)
        assert np.linalg.norm((x @ U) ** 2 @ signs - y) <= 1e-12 * np.linalg.norm(y)
        student = (U * signs) @ U.T
        assert np.linalg.norm(student - truth) > 0.1 * np.linalg.norm(truth)
        assert fr.flatness_of(problem, (U * signs, U)).scaled_trace > 1.1 * flat
        # And so is the flattest student of the same matrix.
        assert np.abs(np.linalg.eigvalsh(root @ student @ root)).sum() > 1.05 * optimum
