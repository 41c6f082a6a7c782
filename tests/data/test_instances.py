"""Generated instances: the mask, the matrix, the error."""

import numpy as np
import pytest
from scipy import stats

from flatrank.data import InputError, random_instance


@pytest.mark.parametrize("m", [1, 7, 30, 55, 99, 110])
def test_positions_are_distinct_and_sorted(m: int) -> None:
    made = random_instance(10, 11, 2, m=m, seed=3)
    linear = made.rows.astype(np.int64) * 11 + made.cols
    assert made.m == m
    assert (np.diff(linear) > 0).all()
    assert linear.min() >= 0
    assert linear.max() < 110
    np.testing.assert_allclose(made.values, (made.U @ made.V.T)[made.rows, made.cols], rtol=1e-12)
    np.testing.assert_allclose(made.truth(made.rows, made.cols), made.values, rtol=1e-12)


@pytest.mark.parametrize("m", [3, 12, 17])
def test_positions_are_uniform(m: int) -> None:
    counts = np.zeros(20)
    for seed in range(2000):
        made = random_instance(4, 5, 1, m=m, seed=seed)
        counts[made.rows * 5 + made.cols] += 1
    # Sampling without repetition lowers the spread, so this is a conservative test.
    assert stats.chisquare(counts).pvalue > 1e-3


def test_oversampling_counts_entries() -> None:
    made = random_instance(30, 40, 2, oversampling=2.5, seed=0)
    assert made.m == int(2.5 * 2 * (30 + 40 - 2))
    assert made.oversampling == pytest.approx(2.5)


def test_a_seed_gives_one_instance() -> None:
    one, same, other = (random_instance(9, 8, 2, m=40, seed=s, noise=0.1) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.values, same.values)
    assert not np.array_equal(one.values, other.values)


@pytest.mark.parametrize(
    ("spectrum", "expected"),
    [("log", [100.0, 10.0, 1.0]), ("linear", [100.0, 50.5, 1.0]), ("gaussian", [100.0, 10.0, 1.0])],
)
def test_spectra(spectrum: str, expected: list[float]) -> None:
    made = random_instance(30, 20, 3, m=100, seed=0, kappa=100.0, spectrum=spectrum)  # type: ignore[arg-type]
    singular = np.linalg.svd(made.U @ made.V.T, compute_uv=False)
    np.testing.assert_allclose(singular[:3], expected, rtol=1e-12)
    np.testing.assert_allclose(made.U.T @ made.U, made.V.T @ made.V, atol=1e-12)


def test_noise_has_its_standard_deviation() -> None:
    made = random_instance(300, 200, 3, m=30_000, seed=0, noise=0.5)
    noise = made.values - made.truth(made.rows, made.cols)
    assert noise.std() == pytest.approx(0.5, rel=0.03)


def test_masks_are_redrawn_until_every_line_is_filled() -> None:
    plain = [random_instance(50, 60, 2, oversampling=1.6, seed=seed) for seed in range(5)]
    filled = [
        random_instance(50, 60, 2, oversampling=1.6, seed=seed, min_per_line=2) for seed in range(5)
    ]
    assert min(made.fewest_per_line for made in plain) < 2
    assert min(made.fewest_per_line for made in filled) == 2


def test_the_best_mask_is_used_when_none_is_good_enough() -> None:
    made = random_instance(40, 40, 2, m=200, seed=0, min_per_line=5, max_tries=5)
    assert 0 <= made.fewest_per_line < 5


def test_relative_error_against_the_dense_matrix() -> None:
    made = random_instance(12, 9, 2, m=50, seed=0)
    rng = np.random.default_rng(1)
    L, R = rng.standard_normal((12, 3)), rng.standard_normal((9, 3))
    truth = made.U @ made.V.T
    expected = np.linalg.norm(L @ R.T - truth) / np.linalg.norm(truth)
    assert made.relative_error(L, R) == pytest.approx(expected, rel=1e-12)
    assert made.relative_error(L[:, :0], R[:, :0]) == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize("exponent", [4, 8, 12, 14])
def test_relative_error_is_exact_far_below_the_square_root_of_rounding(exponent: int) -> None:
    made = random_instance(400, 300, 5, m=5000, seed=0, kappa=1e3)
    eps = 10.0**-exponent
    assert made.relative_error(made.U * (1.0 + eps), made.V) == pytest.approx(eps, rel=0.2)
    mixing = np.random.default_rng(2).standard_normal((5, 5))
    rotated = made.relative_error(made.U @ mixing, made.V @ np.linalg.inv(mixing).T)
    assert rotated < 5e-14
    assert made.relative_error(made.U, made.V) < 3e-15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n1": 0, "m": 1}, "n1 and n2 must be between 1"),
        ({"n2": 2**31, "m": 1}, r"2\*\*31 - 1, got 4 and 2147483648"),
        ({"r": 0, "m": 5}, r"r must be between 1 and min\(n1, n2\) = 4, got 0"),
        ({"r": 5, "m": 5}, "r must be between 1"),
        ({}, "exactly one of oversampling and m"),
        ({"m": 5, "oversampling": 2.0}, "exactly one of oversampling and m"),
        ({"m": 0}, r"between 1 and n1 \* n2 = 20, got 0"),
        ({"m": 21}, r"between 1 and n1 \* n2 = 20, got 21"),
        ({"m": 9, "min_per_line": 2}, "9 entries cannot give each of 5 rows or columns 2"),
        ({"m": 9, "noise": -1.0}, "noise must be a finite standard deviation"),
        ({"m": 9, "spectrum": "log"}, "needs a finite kappa >= 1, got None"),
        ({"m": 9, "kappa": 0.5}, "needs a finite kappa >= 1, got 0.5"),
        ({"m": 9, "kappa": 2.0, "spectrum": "flat"}, 'spectrum must be "gaussian", "log" or'),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, object], message: str) -> None:
    call = {"n1": 4, "n2": 5, "r": 2, "seed": 0} | arguments
    with pytest.raises(InputError, match=message):
        random_instance(**call)  # type: ignore[arg-type]


def test_factors_that_do_not_fit() -> None:
    made = random_instance(4, 5, 2, m=9, seed=0)
    with pytest.raises(InputError, match=r"L must have shape \(4, k\), got \(5, 2\)"):
        made.relative_error(made.V, made.V)
    with pytest.raises(InputError, match="same number of columns, got 2 and 1"):
        made.relative_error(made.U, made.V[:, :1])


def test_memory_is_that_of_the_entries() -> None:
    import tracemalloc

    tracemalloc.start()
    random_instance(100_000, 100_000, 2, m=1_000_000, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # 45 bytes an entry, and 16 MB of chunks; the full matrix has 80 GB
