"""The whole choice on a small table, its memory, and Ctrl-C."""

import numpy as np
import pytest

from flatrank.data import InputError, read_entries
from flatrank.selection import complete_entries as complete
from flatrank.solvers import Status


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    rng = np.random.default_rng(0)
    L, R = rng.standard_normal((40, 2)), rng.standard_normal((25, 2))
    X = 3 + L @ R.T + rng.standard_normal((40, 1)) + 0.3 * rng.standard_normal((40, 25))
    rows, cols = np.nonzero(rng.random((40, 25)) < 0.6)
    file = tmp_path_factory.mktemp("data") / "table.csv"
    lines = [f"u{i},v{j},{X[i, j]:.4f}" for i, j in zip(rows, cols, strict=True)]
    file.write_text("user,item,value\n" + "\n".join(lines), encoding="utf-8")
    return read_entries(file)


def test_a_completed_table_beats_its_offsets_and_is_certified(entries):
    seen, kept = [], []
    done = complete(entries, smoothing=1.0, monitor=seen.append, checkpoint=kept.append)
    assert done.solution.status is Status.CERTIFIED
    assert done.solution.certificate.relative_gap <= 1e-4
    assert done.rmse["holdout"] < 0.8 * done.rmse["baseline"]
    assert done.path_ended in ("turned", "settled")
    assert done.chosen_at == "inside"
    assert done.path[0].rank == 0
    assert all(p.relative_gap <= 2e-3 for p in done.path if p.stage == "path")
    assert {"offsets", "coarse", "posterior", "refit"} <= {record["stage"] for record in seen}
    again = complete(entries, smoothing=1.0, resume=kept[-1])
    assert again.rmse["holdout"] == done.rmse["holdout"]
    np.testing.assert_array_equal(again.scores, done.scores)
    assert again.solution.certificate.primal == pytest.approx(
        done.solution.certificate.primal, rel=1e-3
    )


def test_ctrl_c_before_any_model_is_passed_on(entries):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        complete(entries, monitor=stop)


def test_the_path_goes_below_a_fifteenth_of_lam_max_where_there_is_little_noise(tmp_path):
    rng = np.random.default_rng(2)
    X = 3 + rng.standard_normal((40, 2)) @ rng.standard_normal((2, 25))
    X += 0.01 * rng.standard_normal(X.shape)
    rows, cols = np.nonzero(rng.random(X.shape) < 0.6)
    lines = [f"u{i},v{j},{X[i, j]:.5f}" for i, j in zip(rows, cols, strict=True)]
    done = complete(written(tmp_path, lines), smoothing=1.0)
    assert min(p.share for p in done.path) < 0.05
    assert done.chosen_at == "inside"
    assert done.rmse["holdout"] < 0.05


def test_columns_of_different_scales_are_brought_to_one(tmp_path):
    rng = np.random.default_rng(3)
    X = 3 + rng.standard_normal((60, 2)) @ rng.standard_normal((2, 25))
    X += 0.3 * rng.standard_normal(X.shape)
    X *= np.exp(1.2 * rng.standard_normal(25))
    rows, cols = np.nonzero(rng.random(X.shape) < 0.6)
    lines = [f"u{i},v{j},{X[i, j]:.6g}" for i, j in zip(rows, cols, strict=True)]
    entries = written(tmp_path, lines)
    done = complete(entries, smoothing=1.0)
    assert done.scales.side == "columns"
    errors = {
        side: min(p.validation_rmse for p in done.path if p.side == side)
        for side in ("none", "columns")
    }
    assert errors["columns"] < 0.95 * errors["none"]
    held, predicted = done.holdout
    assert np.sqrt(np.mean((predicted - entries.values[held]) ** 2)) == pytest.approx(
        done.rmse["holdout"]
    )
    fitted = done.predict(entries.rows, entries.cols)
    assert np.sqrt(np.mean((fitted - entries.values) ** 2)) == pytest.approx(done.rmse["train"])


def test_ctrl_c_within_a_fit_leaves_the_best_so_far_without_a_proof(entries):
    def stop(record):
        if (record["stage"], record["step"], record["message"]) == ("coarse", 3, "fitting"):
            raise KeyboardInterrupt

    kept = []
    done = complete(entries, smoothing=1.0, monitor=stop, checkpoint=kept.append)
    assert done.solution.status is Status.INTERRUPTED
    assert done.solution.certificate is None
    assert done.path_ended == "interrupted"
    assert done.scores is None
    assert done.rmse["train"] < 1
    again = complete(entries, smoothing=1.0, resume=kept[-1])
    assert again.solution.status is Status.CERTIFIED


def test_holdout_must_be_a_share(entries):
    with pytest.raises(ValueError, match="share between"):
        complete(entries, holdout=1.5)


def written(tmp_path, lines):
    file = tmp_path / "table.csv"
    file.write_text("user,item,value\n" + "\n".join(lines), encoding="utf-8")
    return read_entries(file)


def full(value):
    return [f"u{i},v{j},{value}" for i in range(6) for j in range(5)]


@pytest.mark.parametrize("value", [0, 3])
def test_where_offsets_leave_nothing_the_answer_is_zero_and_certified(tmp_path, value):
    done = complete(written(tmp_path, full(value)))
    assert done.solution.status is Status.CERTIFIED
    assert done.solution.rank == 0
    assert done.rmse["holdout"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("value", ["1e300", "1e-300"])
def test_values_whose_squares_leave_the_range_are_refused(tmp_path, value):
    with pytest.raises(InputError, match="divide the values by a common unit"):
        complete(written(tmp_path, full(value)))


@pytest.mark.parametrize(
    "lines", [["a,b,3"], ["a,b,3", "a,c,4"], [f"a,c{j},{j}" for j in range(9)]]
)
def test_a_table_too_small_to_choose_on_says_what_to_give(tmp_path, lines):
    entries = written(tmp_path, lines)
    with pytest.raises(InputError, match="--lam, --smoothing"):
        complete(entries)
    done = complete(entries, lam=0.1, smoothing=1.0)
    assert done.solution.status is Status.CERTIFIED
