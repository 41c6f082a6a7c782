"""Offsets against the dense least-squares problem, and their choice."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flatrank.data import InputError, Offsets, choose_offsets, random_instance, split

INF = float("inf")
RIDGES = [(1.0, 3.0), (0.0, 0.0), (0.0, 2.0), (2.0, 0.0), (1e-8, 1e-8), (1e8, 1.0)]
RIDGES += [(INF, 2.0), (2.0, INF), (INF, INF), (0.0, INF)]


def dense_fit(
    rows: NDArray[np.int32],
    cols: NDArray[np.int32],
    values: NDArray[np.float64],
    shape: tuple[int, int],
    ridge: tuple[float, float],
) -> NDArray[np.float64]:
    """Fitted values of the same least-squares problem, solved with dense matrices."""
    design = np.zeros((values.size, 1 + sum(shape)))
    at = np.arange(values.size)
    design[at, 0] = design[at, 1 + rows] = design[at, 1 + shape[0] + cols] = 1.0
    weights = np.concatenate([[0.0], np.full(shape[0], ridge[0]), np.full(shape[1], ridge[1])])
    kept = np.isfinite(weights)
    design, weights = design[:, kept], weights[kept]
    system = np.vstack([design, np.diag(np.sqrt(weights))])
    right = np.concatenate([values, np.zeros(weights.size)])
    return design @ np.linalg.lstsq(system, right, rcond=None)[0]


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (1, 7), (7, 1), (1, 1)])
@pytest.mark.parametrize("ridge", RIDGES)
def test_the_fit_is_the_minimiser(shape: tuple[int, int], ridge: tuple[float, float]) -> None:
    made = random_instance(*shape, 1, m=max(1, shape[0] * shape[1] // 3), seed=0, noise=1.0)
    fitted = Offsets.fit(made.rows, made.cols, made.values + 100.0, shape, ridge=ridge)
    expected = dense_fit(made.rows, made.cols, made.values + 100.0, shape, ridge)
    np.testing.assert_allclose(fitted.at(made.rows, made.cols), expected, rtol=1e-9)
    assert (
        fitted.kind
        == {(0, 0): "both", (1, 0): "col", (0, 1): "row", (1, 1): "mean"}[
            (int(ridge[0] == INF), int(ridge[1] == INF))
        ]
    )


def test_the_gradient_of_the_objective_vanishes() -> None:
    made = random_instance(60, 90, 2, m=1500, seed=1)
    fitted = Offsets.fit(made.rows, made.cols, made.values, made.shape, ridge=(2.0, 5.0))
    residual = made.values - fitted.at(made.rows, made.cols)
    row = np.bincount(made.rows, residual, minlength=60) - 2.0 * fitted.row
    col = np.bincount(made.cols, residual, minlength=90) - 5.0 * fitted.col
    assert abs(residual.sum()) < 1e-7
    assert max(np.abs(row).max(), np.abs(col).max()) < 1e-7


def test_one_ridge_serves_both_sides() -> None:
    made = random_instance(6, 5, 1, m=20, seed=0)
    one = Offsets.fit(made.rows, made.cols, made.values, made.shape, ridge=2.0)
    two = Offsets.fit(made.rows, made.cols, made.values, made.shape, ridge=(2.0, 2.0))
    listed = Offsets.fit(made.rows, made.cols, made.values, made.shape, ridge=[2.0, 2.0])  # type: ignore[arg-type]
    np.testing.assert_array_equal(one.row, two.row)
    np.testing.assert_array_equal(one.row, listed.row)


def test_additive_data_are_explained_exactly() -> None:
    rows, cols = (index.ravel() for index in np.indices((8, 6)))
    values = 3.0 + 0.5 * rows - 2.0 * cols
    fitted = Offsets.fit(rows, cols, values, (8, 6), ridge=0.0)
    np.testing.assert_allclose(fitted.at(rows, cols), values, rtol=1e-12, atol=1e-12)
    assert fitted.row.sum() == pytest.approx(0.0, abs=1e-9)
    assert fitted.col.sum() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1e300])
def test_any_scale(scale: float) -> None:
    made = random_instance(20, 15, 1, m=100, seed=0)
    one = Offsets.fit(made.rows, made.cols, made.values, made.shape, ridge=1.0)
    scaled = Offsets.fit(made.rows, made.cols, made.values * scale, made.shape, ridge=1.0)
    np.testing.assert_allclose(scaled.row, one.row * scale, rtol=1e-7, atol=1e-9 * scale)
    assert np.isfinite(scaled.mean)


def test_a_mean_far_above_the_spread() -> None:
    made = random_instance(20, 15, 1, m=100, seed=0)
    one = Offsets.fit(made.rows, made.cols, made.values, made.shape, ridge=1.0)
    shifted = Offsets.fit(made.rows, made.cols, made.values + 1e6, made.shape, ridge=1.0)
    np.testing.assert_allclose(shifted.row, one.row, atol=1e-8)
    assert shifted.mean == pytest.approx(one.mean + 1e6, abs=1e-8)


@pytest.mark.parametrize("level", [0.0, 4.0, -1e300, 0.1])
def test_constant_data(level: float) -> None:
    rows, cols = np.array([0, 1, 2, 2]), np.array([0, 0, 1, 2])
    fitted = Offsets.fit(rows, cols, np.full(4, level), (3, 3), ridge=1.0)
    np.testing.assert_allclose(fitted.at(rows, cols), level, rtol=1e-14)
    np.testing.assert_allclose(fitted.row, 0.0, atol=1e-15 * abs(level))


def test_lines_without_entries_have_no_effect() -> None:
    for ridge in (0.0, 1.0):
        rows, cols = np.array([0, 0, 2]), np.array([0, 3, 3])
        fitted = Offsets.fit(rows, cols, [1.0, 2.0, 5.0], (4, 5), ridge=ridge)
        assert fitted.row[[1, 3]].tolist() == [0.0, 0.0]
        assert fitted.col[[1, 2, 4]].tolist() == [0.0, 0.0, 0.0]


def test_unknown_lines_get_what_is_left() -> None:
    fitted = Offsets(1.0, np.array([10.0, 20.0]), np.array([0.1, 0.2]), (1.0, 1.0))
    np.testing.assert_allclose(
        fitted.at([0, -1, 1, -1], [1, 1, -1, -1]), [11.2, 1.2, 21.0, 1.0], rtol=1e-15
    )
    assert fitted.at([], []).size == 0
    with pytest.raises(InputError, match=r"row indices must lie in -1\.\.1.*got 2\.\.2"):
        fitted.at([2], [0])
    with pytest.raises(InputError, match=r"column indices must lie in -1\.\.1"):
        fitted.at([0], [-2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": [0, 3]}, r"row indices must lie in 0\.\.2, got 0\.\.3"),
        ({"cols": [-1, 0]}, r"column indices must lie in 0\.\.2"),
        ({"values": [1.0, np.nan]}, "1 values are NaN or infinite"),
        ({"values": [1.0]}, "equally long"),
        ({"ridge": -1.0}, "must be at least 0"),
        ({"ridge": (1.0, float("nan"))}, "must be at least 0"),
        ({"rows": [], "cols": [], "values": []}, "need at least one entry"),
    ],
)
def test_entries_that_cannot_be_fitted(change: dict[str, object], message: str) -> None:
    call = {"rows": [0, 1], "cols": [0, 1], "values": [1.0, 2.0], "shape": (3, 3), "ridge": 1.0}
    with pytest.raises(InputError, match=message):
        Offsets.fit(**(call | change))  # type: ignore[arg-type]


def rated(row_spread: float, col_spread: float, mean: float) -> tuple[NDArray[Any], ...]:
    rng = np.random.default_rng(0)
    rows, cols = rng.integers(80, size=4000), rng.integers(60, size=4000)
    effects = (
        row_spread * rng.standard_normal(80)[rows] + col_spread * rng.standard_normal(60)[cols]
    )
    return rows, cols, mean + effects + rng.standard_normal(4000)


@pytest.mark.parametrize(
    ("row_spread", "col_spread", "mean", "kind"),
    [(1, 1, 3, "both"), (1, 0, 3, "row"), (0, 1, 3, "col"), (0, 0, 3, "mean"), (0, 0, 0, "none")],
)
def test_the_simplest_sufficient_kind_is_chosen(
    row_spread: float, col_spread: float, mean: float, kind: str
) -> None:
    rows, cols, values = rated(row_spread, col_spread, mean)
    train, validation = split((rows, cols), 0.2, seed=0)
    offsets, trials = choose_offsets(rows, cols, values, (80, 60), train, validation)
    assert offsets.kind == kind
    assert len(trials) == 1 + 1 + 3 + 3 + 9
    fitted = Offsets.none((80, 60))
    if kind != "none":
        part = rows[train], cols[train], values[train]
        fitted = Offsets.fit(*part, (80, 60), ridge=offsets.ridge)
    np.testing.assert_allclose(offsets.at(rows, cols), fitted.at(rows, cols), atol=1e-7)
    mine = [trial for trial in trials if (trial.kind, trial.ridge) == (kind, offsets.ridge)]
    error = values[validation] - offsets.at(rows[validation], cols[validation])
    assert mine[0].rmse == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)


def test_refit_keeps_kind_and_ridge() -> None:
    rows, cols, values = rated(1, 0, 3)
    part = slice(0, 3000)
    chosen = Offsets.fit(rows[part], cols[part], values[part], (80, 60), ridge=(3.0, INF))
    refitted = chosen.refit(rows, cols, values)
    assert (refitted.kind, refitted.ridge) == ("row", chosen.ridge)
    np.testing.assert_array_equal(refitted.col, 0.0)
    assert Offsets.none((80, 60)).refit(rows, cols, values).mean == 0.0


def test_a_choice_that_cannot_be_made() -> None:
    rows, cols, values = rated(1, 1, 3)
    everything, nothing = np.arange(4000), np.arange(0)
    with pytest.raises(InputError, match="needs training and validation entries, got 4000 and 0"):
        choose_offsets(rows, cols, values, (80, 60), everything, nothing)


@pytest.mark.parametrize("ridge", [2.0, (3.0, np.inf), (np.inf, 3.0), np.inf])
def test_a_row_given_again_has_the_effect_it_had(ridge):
    rng = np.random.default_rng(0)
    rows, cols = np.nonzero(rng.random((9, 7)) < 0.6)
    values = rng.standard_normal(rows.size) + rows
    offsets = Offsets.fit(rows, cols, values, (9, 7), ridge=ridge)
    part = rows < 4
    new = offsets.of_rows(rows[part], cols[part], values[part], 6)
    np.testing.assert_allclose(new.row[:4], offsets.row[:4], atol=1e-8)
    assert np.all(new.row[4:] == 0)
    assert (new.mean, new.kind) == (offsets.mean, offsets.kind)
    np.testing.assert_array_equal(new.col, offsets.col)
