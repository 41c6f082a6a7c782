"""Instances of every family whose flattest matrix is known, by a proof that uses NumPy alone."""

import importlib.util
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import flatrank as fr
from flatrank.factors import weighted

SHAPE, M = (8, 6), 40


@pytest.fixture(scope="session")
def oracle():
    """`oracle.py` beside this file; test folders are no packages."""
    path = Path(__file__).with_name("oracle.py")
    spec = importlib.util.spec_from_file_location("flatrank_test_oracle", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def instance(measure):
    """instance(name): exact data of X of rank one, proved the only one of least ‖D1 X D2‖_*, and
    of least ‖X‖_*, that fits; on the first measurement for which both proofs close.
    """

    @cache
    def made(name):
        rng = np.random.default_rng(7)
        X = np.multiply.outer(*(rng.standard_normal(d) for d in SHAPE))
        for seed in range(30):
            problem = stated(measure, name, X, seed)
            sides = problem.rescaling.D1, problem.rescaling.D2
            D = [weighted(side, np.eye(side.shape[0])) for side in sides]
            matrix = matrix_of(problem.measurement)
            duals = [dual(matrix, *D, X), dual(matrix, *map(np.eye, SHAPE), X)]
            if all(y is not None for y in duals):
                optimum, least = (float(problem.b @ y) for y in duals)
                return SimpleNamespace(
                    problem=problem, matrix=matrix, D=D, X=X, optimum=optimum, least=least
                )
        pytest.fail(f"no proof closes for {name}")

    return made


def stated(measure, name, X, seed):
    if name == "entries":
        rows, cols = np.divmod(np.random.default_rng(seed).permutation(X.size)[:M], X.shape[1])
        return fr.completion(rows, cols, X[rows, cols], X.shape)
    A = fr.measurements.WholeMatrix(*SHAPE) if name == "whole" else measure(name, SHAPE, M, seed)
    return fr.sensing(A, A.forward(fr.FactorPair(X, np.eye(X.shape[1]))))


def matrix_of(A):
    """The m × d1 d2 matrix of 𝒜, a row for each Aᵢ."""
    return np.stack([A.adjoint(e).right(np.eye(A.shape[1])).ravel() for e in np.eye(A.m)])


def dual(matrix, D1, D2, X):
    """y with ℬ*(y) = UVᵀ + W, ‖W‖ < 1, UᵀW = WV = 0, where D1 X D2 = U S Vᵀ, and ℬ injective on the
    tangent space: bᵀy = ‖D1 X D2‖_* is then the optimum, and X alone attains it. None if not so.
    """
    m = matrix.shape[0]
    whitened = np.linalg.solve(D1, matrix.reshape(m, *X.shape)) @ np.linalg.inv(D2)
    U, _, Vt = np.linalg.svd(D1 @ X @ D2)
    U, V = U[:, :1], Vt[:1].T
    P, Q = U @ U.T, V @ V.T
    tangent = P @ whitened + whitened @ Q - P @ whitened @ Q
    if np.linalg.matrix_rank(tangent.reshape(m, -1), tol=1e-8) < sum(X.shape) - 1:
        return None
    y = np.linalg.lstsq(tangent.reshape(m, -1).T, (U @ V.T).ravel(), rcond=1e-10)[0]
    W = np.einsum("i,ipq->pq", y, whitened) - U @ V.T
    ok = np.abs(P @ W).max() < 1e-11 and np.abs(W @ Q).max() < 1e-11
    return y if ok and np.linalg.norm(W, 2) < 1 else None
