"""A problem is what it was when made: no front door shares memory with the caller's arrays."""

import copy
import pickle
from dataclasses import replace

import jax
import numpy as np
import pytest

import flatrank as fr
from flatrank.arrays import leaves
from flatrank.kernels import own_copy
from flatrank.measurements import CodedDiffraction, DenseMatrices, check_measurement

RNG = np.random.default_rng(0)
A, X, Y = RNG.standard_normal((90, 10, 8)), RNG.standard_normal((80, 12)), RNG.random(80)
ROWS, COLS = np.divmod(RNG.permutation(80)[:60], 8)
PAULI = [np.eye(2), [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], np.diag([1, -1])]
PLACES = ROWS.astype(np.int32), COLS.astype(np.int32)


def of_masks(masks, y):
    return fr.phase_retrieval(CodedDiffraction(masks), y)


def of_measurement(A, b):
    """Arrays of NumPy inside a measurement, as a measurement of one's own may hold them."""
    dense = DenseMatrices(jax.numpy.asarray(A.copy()))
    return fr.sensing(replace(dense, A=A), b)


DOORS = {
    "completion": (lambda i, j, v: fr.completion(i, j, v, (10, 8)), (*PLACES, RNG.random(60))),
    "sensing": (fr.sensing, (A, RNG.random(90))),
    "a measurement of NumPy's": (of_measurement, (A, RNG.random(90))),
    "bilinear": (fr.bilinear, (X, X[:, :5].copy(), Y)),
    "covariance": (fr.covariance, (X, Y)),
    "quadratic_network": (fr.quadratic_network, (X, Y)),
    "phase_retrieval": (fr.phase_retrieval, (X, Y)),
    "complex phase_retrieval": (fr.phase_retrieval, (X + 1j * X[::-1], Y)),
    "masks": (of_masks, (np.exp(1j * RNG.random((3, 8))), RNG.random(24))),
    "tomography": (fr.tomography, (np.tile(np.array(PAULI), (20, 1, 1)), RNG.random(80))),
    "robust_pca": (fr.robust_pca, (A[0],)),
}


def leaves(problem):
    found = [np.array(x) for x in leaves(problem) if hasattr(x, "shape")]
    return found + [np.array(x) for x in vars(problem.unidentifiable).values()]


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("offset", [0, 8])
def test_a_buffer_may_be_filled_again(name, offset):
    """Aligned memory is shared by JAX, and other memory copied later than one would think."""
    make, arguments = DOORS[name]
    buffers = []
    for x in arguments:
        room = own_copy(np.zeros(x.nbytes + 64, np.uint8))
        buffers.append(room[offset : offset + x.nbytes].view(x.dtype).reshape(x.shape))
        buffers[-1][...] = x
    problem, untouched = make(*buffers), make(*(x.copy() for x in arguments))
    for buffer in buffers:
        buffer[...] = 0
    for p, q in zip(leaves(problem), leaves(untouched), strict=True):
        assert np.array_equal(p, q)


@pytest.mark.parametrize("kind", [np.float64, np.int32, np.complex128])
def test_own_copy_is_placed_without_another(kind):
    x = np.arange(24).astype(kind)[::2].reshape(3, 4)
    mine = own_copy(x)
    assert np.array_equal(mine, x)
    assert mine.dtype == x.dtype
    assert mine.flags.c_contiguous
    assert mine.ctypes.data % 64 == 0
    assert own_copy(np.zeros((0, 3))).shape == (0, 3)


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
    assert jax.tree.structure(other.measurement) == jax.tree.structure(problem.measurement)
    for p, q in zip(leaves(problem), leaves(other), strict=True):
        assert p.dtype == q.dtype
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
    assert np.array_equal(np.asarray(other.y), np.asarray(solution.y))
    assert str(other.factors.L.dtype) == "float64"
    values = np.asarray(other.entries(*PLACES))
    assert np.array_equal(values, np.asarray(solution.entries(*PLACES)))
    assert fr.certify(other.problem, other.factors).certified(1e-6)
    assert str(other) == str(solution)
