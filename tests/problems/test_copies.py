"""A problem is what it was when made: no front door shares memory with the caller's arrays."""

import copy
import pickle

import numpy as np
import pytest

import flatrank as fr
from flatrank.arrays import leaves
from flatrank.measurements import CodedDiffraction, DenseMatrices, check_measurement

RNG = np.random.default_rng(0)
A, X, Y = RNG.standard_normal((90, 10, 8)), RNG.standard_normal((80, 12)), RNG.random(80)
ROWS, COLS = np.divmod(RNG.permutation(80)[:60], 8)
PAULI = [np.eye(2), [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], np.diag([1, -1])]
PLACES = ROWS.astype(np.int32), COLS.astype(np.int32)


def of_masks(masks, y):
    return fr.phase_retrieval(CodedDiffraction(masks), y)


def of_measurement(A, b):
    return fr.sensing(DenseMatrices(A), b)


DOORS = {
    "completion": (lambda i, j, v: fr.completion(i, j, v, (10, 8)), (*PLACES, RNG.random(60))),
    "sensing": (fr.sensing, (A, RNG.random(90))),
    "a measurement": (of_measurement, (A, RNG.random(90))),
    "bilinear": (fr.bilinear, (X, X[:, :5].copy(), Y)),
    "covariance": (fr.covariance, (X, Y)),
    "quadratic_network": (fr.quadratic_network, (X, Y)),
    "phase_retrieval": (fr.phase_retrieval, (X, Y)),
    "complex phase_retrieval": (fr.phase_retrieval, (X + 1j * X[::-1], Y)),
    "masks": (of_masks, (np.exp(1j * RNG.random((3, 8))), RNG.random(24))),
    "tomography": (fr.tomography, (np.tile(np.array(PAULI), (20, 1, 1)), RNG.random(80))),
    "robust_pca": (fr.robust_pca, (A[0],)),
}


def arrays(problem):
    return [*leaves(problem), *vars(problem.unidentifiable).values()]


@pytest.mark.parametrize("name", DOORS)
def test_a_buffer_may_be_filled_again(name):
    make, arguments = DOORS[name]
    buffers = [x.copy() for x in arguments]
    problem, untouched = make(*buffers), make(*arguments)
    for buffer in buffers:
        buffer[...] = 0
    for p, q in zip(arrays(problem), arrays(untouched), strict=True):
        assert np.array_equal(p, q)


WAYS = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_copies_of_a_problem_keep_every_digit(name, way):
    make, arguments = DOORS[name]
    problem = make(*arguments)
    other = way(problem)
    assert type(other) is type(problem)
    assert type(other.measurement) is type(problem.measurement)
    assert (other.shape, other.settings()) == (problem.shape, problem.settings())
    for p, q in zip(arrays(problem), arrays(other), strict=True):
        assert np.asarray(p).dtype == np.asarray(q).dtype
        assert np.array_equal(p, q)


def test_a_copy_measures_what_the_original_does():
    make, arguments = DOORS["completion"]
    check_measurement(WAYS["pickle"](make(*arguments)).measurement)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_copies_of_a_solution_keep_every_digit_and_the_claims(way):
    M = np.outer(RNG.standard_normal(10), RNG.standard_normal(8))
    solution = fr.solve(fr.completion(*PLACES, M[PLACES], (10, 8)))
    other = way(solution)
    assert (other.status, other.certificate) == (solution.status, solution.certificate)
    assert (other.counts, other.seed, other.history) == (
        solution.counts, solution.seed, solution.history,
    )  # fmt: skip
    assert np.array_equal(other.y, solution.y)
    assert str(other.factors.L.dtype) == "float64"
    assert np.array_equal(other.entries(*PLACES), solution.entries(*PLACES))
    assert fr.certify(other.problem, other.factors).certified(1e-6)
    assert str(other) == str(solution)
