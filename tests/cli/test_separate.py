"""`flatrank separate`: a matrix with gross errors in, both parts out in the form of the input."""

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

import flatrank as fr

RNG = np.random.default_rng(0)
LOW = RNG.standard_normal((80, 2)) @ RNG.standard_normal((2, 40))
SPARSE = np.where(RNG.random(LOW.shape) < 0.03, RNG.choice([-9.0, 9.0], LOW.shape), 0.0)
GAPS = RNG.random(LOW.shape) < 0.05


@pytest.fixture
def table(tmp_path):
    """A csv with names, a date and blanks, some of its numbers grossly wrong."""
    lines = ["station,day," + ",".join(f"c{j}" for j in range(40))]
    for i, row in enumerate(LOW + SPARSE):
        cells = ("" if gap else f"{x:.9f}" for x, gap in zip(row, GAPS[i], strict=True))
        lines.append(",".join([f"s{i}", "2020-01-01", *cells]))
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")


def numbers(path):
    frame = pl.read_csv(path)
    return frame.select(pl.selectors.starts_with("c")).cast(pl.Float64).to_numpy(), frame


def test_a_table_comes_apart_with_its_names(cli, tmp_path, table):
    outcome = cli("separate", "in.csv", "--out", "run", "--tol", "1e-8")
    assert outcome.code == 0
    low, frame = numbers(tmp_path / "run" / "low_rank.csv")
    sparse, _ = numbers(tmp_path / "run" / "sparse.csv")
    assert frame["station"].to_list() == [f"s{i}" for i in range(80)]
    assert frame["day"].to_list() == ["2020-01-01"] * 80
    # Gaps are filled in one part, and blank in the other, where nothing tells what they hold.
    np.testing.assert_allclose(low, LOW, atol=1e-6)
    assert np.array_equal(np.isnan(sparse), GAPS)
    np.testing.assert_allclose(sparse[~GAPS], SPARSE[~GAPS], atol=1e-6)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    found = np.count_nonzero(SPARSE[~GAPS])
    assert (record["status"], record["rank"], record["gaps"]) == ("certified", 2, GAPS.sum())
    assert record["outliers"]["count"] == found
    assert record["outliers"]["share"] == found / (~GAPS).sum()
    assert record["outliers"]["most"]["count"] <= found
    assert record["options"]["tol"] == 1e-8
    for said in ("80 rows of 40 columns", "left aside: station, day", "rank 2", "no two parts"):
        assert said in " ".join(outcome.out.split())
    assert cli("certify", "run").code == 0
    assert fr.load(tmp_path / "run").problem.sparsity == record["sparsity"]


def test_columns_of_different_units_are_noticed(cli, tmp_path, table):
    assert "times apart" not in cli("separate", "in.csv", "--out", "run").out
    frame = pl.read_csv(tmp_path / "in.csv").with_columns(pl.col("c3") * 1e4)
    frame.write_csv(tmp_path / "units.csv")
    said = " ".join(cli("separate", "units.csv", "--out", "other").out.split())
    assert "times apart: outliers of columns of small numbers pass unseen" in said


def test_arrays_and_frames_of_an_array_keep_their_shape(cli, tmp_path):
    stack = (LOW + SPARSE).reshape(80, 5, 8)
    np.save(tmp_path / "stack.npy", stack)
    assert cli("separate", "stack.npy", "--out", "run", "--quiet").code == 0
    low, sparse = (np.load(tmp_path / "run" / f"{name}.npy") for name in ("low_rank", "sparse"))
    assert low.shape == stack.shape
    np.testing.assert_allclose(low + sparse, stack, atol=1e-3)
    assert cli("separate", "stack.npy", "--out", "run").code == 2
    (tmp_path / "other.npy").write_bytes((tmp_path / "stack.npy").read_bytes())
    assert cli("separate", "other.npy", "--out", "run", "--force", "--radius", "300").code in (0, 3)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["radius"] == 300


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_pictures_come_back_as_pictures(cli, tmp_path, mode):
    folder = tmp_path / "film"
    folder.mkdir()
    top, kind = (60000, np.uint16) if mode == "I;16" else (240, np.uint8)
    still = np.add.outer(np.arange(12), np.arange(16)) * (top / 60)
    for n in range(12):
        frame = still.copy()
        frame[4:6, n : n + 2] = top
        frame = np.stack([frame] * 3, axis=2) if mode == "RGB" else frame
        Image.fromarray(frame.astype(kind)).save(folder / f"frame {n:02d}.png")
    (folder / "notes.txt").write_text("not a picture")
    outcome = cli("separate", "film", "--out", "run")
    assert outcome.code == 0
    assert "12 frames of 12 x 16" in outcome.out
    for name in ("low_rank", "sparse"):
        out = sorted((tmp_path / "run" / name).iterdir())
        assert [path.name for path in out] == [f"frame {n:02d}.png" for n in range(12)]
    with Image.open(tmp_path / "run" / "low_rank" / "frame 03.png") as opened:
        assert opened.mode.split(";")[0] == mode.split(";")[0]
        low = np.asarray(opened).astype(float)
    with Image.open(tmp_path / "run" / "sparse" / "frame 03.png") as opened:
        moved = np.asarray(opened).astype(float)
    low, moved = (x[..., 0] if mode == "RGB" else x for x in (low, moved))
    assert np.abs(low - still).max() < 0.02 * top
    assert moved[4:6, 3:5].min() > 0.2 * top


def test_gaps_of_pictures_and_a_matrix_without_outliers(cli, tmp_path):
    (tmp_path / "film").mkdir()
    frame = np.add.outer(np.arange(1, 9), np.arange(8)).astype(np.uint8) * 10
    for n in range(8):
        seen = frame * (RNG.random(frame.shape) > 0.1).astype(np.uint8)
        Image.fromarray(seen).save(tmp_path / "film" / f"{n}.png")
    outcome = cli("separate", "film", "--out", "run", "--missing", "0", "--sparsity", "9")
    assert outcome.code == 0
    assert "outliers 0 of" in " ".join(outcome.out.split())
    with Image.open(tmp_path / "run" / "low_rank" / "3.png") as opened:
        assert np.abs(np.asarray(opened).astype(float) - frame).max() < 30
    assert cli("separate", "film", "--out", "run", "--force", "--quiet").code == 0
    np.save(tmp_path / "m.npy", LOW + SPARSE)
    assert cli("separate", "m.npy", "--out", "run", "--force", "--quiet").code == 0
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"low_rank.npy", "sparse.npy", "model.safetensors", "run.json"}


def test_what_an_earlier_run_left_is_taken_away(cli, tmp_path, table):
    np.save(tmp_path / "m.npy", LOW + SPARSE)
    assert cli("separate", "in.csv", "--out", "run", "--quiet").code == 0
    assert cli("separate", "m.npy", "--out", "run", "--quiet", "--force").code == 0
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"low_rank.npy", "sparse.npy", "model.safetensors", "run.json"}


def test_interruptions(cli, tmp_path, table, monkeypatch):
    import flatrank.solvers.alternating_directions as ours

    step, count = ours.AlternatingDirections.step, iter(range(100))

    def stopped(self, problem, state):
        if next(count) == 3:
            raise KeyboardInterrupt
        return step(self, problem, state)

    monkeypatch.setattr(ours.AlternatingDirections, "step", stopped)
    outcome = cli("separate", "in.csv", "--out", "run")
    assert outcome.code == 130
    assert "the parts in run are the best found until then" in outcome.err
    assert (tmp_path / "run" / "sparse.csv").exists()

    def never(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("flatrank.cli.separating.Separation.solve", never)
    outcome = cli("separate", "in.csv", "--out", "other")
    assert (outcome.code, outcome.err) == (130, "flatrank: interrupted: nothing was written.\n")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.csv", "--sparsity", "0"], "--sparsity must be a positive number; got 0.0"),
        (["in.csv", "--radius", "inf"], "--radius must be a positive number; got inf"),
        (["in.csv", "--radius", "1", "--sparsity", "1"], "two forms of the problem: give one"),
        (["in.csv", "--tol", "0"], "--tol must be a positive number"),
        (["in.csv", "--tol", "2"], "tol is a relative duality gap between 0 and 1"),
        (["in.csv", "--keep", "wind"], "no column 'wind'"),
        (["in.csv", "--out", "in.csv"], "is not a folder; name another one"),
        (["sparse.npy", "--out", "."], "would be written over the input"),
        (["sparse.npy", "--keep", "x"], "has no named columns; leave out --keep"),
        (["deep.npy"], "never unpickled"),
        (["text.npy"], "expected an array of real numbers with two axes"),
        (["cut.npy"], "damaged or cut off"),
        (["endless.npy"], "1 are not, first Y[0, 0] = inf"),
        (["many.npz"], "expected the matrix alone"),
        (["absent.csv"], "no such file"),
        (["empty"], "at least two pictures of one size"),
        (["mixed"], "b.png is 4 x 5 grey of 8 bits, a.png 4 x 4 grey of 8 bits"),
        (["torn"], "does not read as a picture"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(cli, tmp_path, table, arguments, message):
    np.save(tmp_path / "sparse.npy", LOW)
    np.save(tmp_path / "deep.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    np.save(tmp_path / "endless.npy", np.where(LOW[0, 0] == LOW, np.inf, LOW))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "sparse.npy").read_bytes()[:300])
    np.savez(tmp_path / "many.npz", a=LOW)
    for folder in ("empty", "mixed", "torn"):
        (tmp_path / folder).mkdir()
    for path, shape in (("mixed/a", (4, 4)), ("mixed/b", (4, 5)), ("torn/a", (4, 4))):
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / f"{path}.png")
    (tmp_path / "torn" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    before = sorted(tmp_path.rglob("*"))
    outcome = cli("separate", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
