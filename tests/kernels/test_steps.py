"""The passes of conjugate gradients are what their formulas say, whatever the length."""

import numpy as np
import pytest

from flatrank.kernels import steps

lengths = pytest.mark.parametrize("sizes", [(5, 11), (2048, 4096), (40_003, 6_007)])
types = pytest.mark.parametrize("dtype", ["float32", "float64"])


def vectors(count, sizes, dtype):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(sum(sizes)).astype(dtype) for _ in range(count)]


def in_pieces(h, sizes):
    return [part.copy() for part in np.split(h, [sizes[0]])]


def close(x, y, dtype, size):
    np.testing.assert_allclose(x, y, rtol=0, atol=20 * np.finfo(dtype).eps * size)


@types
@lengths
@pytest.mark.parametrize("ridged", [False, True])
def test_curvature_along(sizes, dtype, ridged):
    p, h, ridge = vectors(3, sizes, dtype)
    expected = h.astype(float) + (ridge.astype(float) * p if ridged else 0.0)
    pieces = in_pieces(h, sizes)
    bend, square = steps.curvature_along(p, pieces, ridge if ridged else None)
    close(np.concatenate(pieces), expected, dtype, 10)
    close(bend, p @ expected, dtype, p.size)
    close(square, p.astype(float) @ p, dtype, p.size)


@types
@lengths
@pytest.mark.parametrize("preconditioned", [False, True])
def test_stepped(sizes, dtype, preconditioned):
    x, r, p, z, h, diagonal = vectors(6, sizes, dtype)
    moved, left = x + dtype_of(0.3, x) * p, r - dtype_of(0.3, r) * h
    image = diagonal * left if preconditioned else z.copy()
    total = steps.stepped(
        (x, r, p, z), 0.3, in_pieces(h, sizes), diagonal if preconditioned else None
    )
    close(x, moved, dtype, 10)
    close(r, left, dtype, 10)
    close(z, image, dtype, 50)
    close(total, left.astype(float) @ image if preconditioned else 0.0, dtype, 10 * p.size)


@types
@lengths
def test_turned(sizes, dtype):
    p, z = vectors(2, sizes, dtype)
    expected = dtype_of(0.7, p) * p + z
    steps.turned(p, 0.7, z)
    close(p, expected, dtype, 10)


def test_pieces_must_be_as_long_as_the_vector():
    with pytest.raises(ValueError, match="pieces have 3 numbers in all; expected 4"):
        steps.curvature_along(np.ones(4), [np.ones(3)], None)


def dtype_of(number, like):
    return like.dtype.type(number)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 100, 16_384, 70_001])
def test_gathered(size, dtype):
    rng = np.random.default_rng(size)
    x = rng.standard_normal(3 * size + 1).astype(dtype)
    places = rng.integers(0, x.size, size).astype(np.int32)
    for at in (places, places.astype(np.int64), np.repeat(places, 2)[::2]):
        found = steps.gathered(x, at)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, x[at])
    np.testing.assert_array_equal(steps.gathered(x[::2], places // 2), x[::2][places // 2])
