"""`flatrank impute`: a table with gaps in, the same table out."""

import numpy as np
import polars as pl
import pytest


@pytest.fixture
def table(tmp_path):
    """A csv of rank 2 with a fifth of its cells blank, and the truth."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 6)) * [1, 10, 100, 1, 1, 1] + 5
    gaps = rng.random(X.shape) < 0.2
    lines = ["site,a,b,c,d,e,f"]
    for n, row in enumerate(X):
        cells = ("" if gap else f"{x:.4f}" for x, gap in zip(row, gaps[n], strict=True))
        lines.append(",".join([f"site {n}", *cells]))
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    return X, gaps


def test_a_csv_is_filled_and_what_was_there_stays(cli, tmp_path, table):
    X, gaps = table
    outcome = cli("impute", "in.csv", "--out", "out.csv", "--interval", "0.9")
    assert outcome.code == 0
    assert outcome.out == ""
    assert f"filled {gaps.sum()} of 240 cells of 40 rows and 6 columns" in outcome.err
    assert "left as they are: site" in outcome.err
    before = pl.read_csv(tmp_path / "in.csv", infer_schema=False)
    after = pl.read_csv(tmp_path / "out.csv", infer_schema=False)
    assert after["site"].equals(before["site"])
    inside = []
    for n, name in enumerate("abcdef"):
        old, new = before[name].to_list(), after[name].to_list()
        assert [b for a, b in zip(old, new, strict=True) if a] == [a for a in old if a]
        low, high = (after[f"{name}_{end}"].cast(float).to_numpy() for end in ("low", "high"))
        at = gaps[:, n]
        inside += list((low[at] < X[at, n]) & (X[at, n] < high[at]))
        assert np.array_equal(low[~at], high[~at])
    assert np.mean(inside) > 0.8


def test_values_that_stand_for_gaps(cli, tmp_path, table):
    text = (tmp_path / "in.csv").read_text()
    (tmp_path / "marked.csv").write_text(text.replace(",,", ",-99,").replace(",,", ",-99,"))
    for name, options in (("in", []), ("marked", ["--missing", "-99,?"])):
        assert cli("impute", f"{name}.csv", "--out", f"{name}_out.csv", *options).code == 0
    assert (tmp_path / "in_out.csv").read_text() == (tmp_path / "marked_out.csv").read_text()


def test_simpler_ways_stand_beside_and_can_be_mixed_in(cli, table):
    outcome = cli("impute", "in.csv", "--average", "--out", "out.csv")
    assert outcome.code == 0
    for name in ("column mean", "effects", "nearest neighbours", "regression on the other"):
        assert f"{name}" in outcome.err
    assert "Low rank and regression on the other columns cannot be told apart" in outcome.err
    assert "filled with a weighted mean: flatrank 1.00; cells held out are hit to 0." in outcome.err
    outcome.err.encode("ascii")
    alone = cli("impute", "in.csv", "--out", "alone.csv")
    assert "weighted" not in alone.err
    assert "nearest neighbours 0.5" in alone.err


def test_intervals_of_held_out_cells_need_no_posterior(cli, tmp_path, table):
    X, gaps = table
    asked = ("--predict", "flat", "--intervals", "conformal", "--out", "out.csv")
    assert cli("impute", "in.csv", *asked).code == 0
    after = pl.read_csv(tmp_path / "out.csv", infer_schema=False)
    ends = [[after[f"{name}_{end}"].cast(float).to_numpy() for name in "abcdef"]
            for end in ("low", "high")]  # fmt: skip
    low, high = (np.column_stack(end) for end in ends)
    assert np.mean(((low < X) & (high > X))[gaps]) > 0.8


def test_a_table_too_small_for_intervals_says_so(cli, tmp_path):
    (tmp_path / "small.csv").write_text("n,a,b\nr1,1,2\nr2,,\nr3,3,4\nr4,4,5\n")
    outcome = cli("impute", "small.csv", "--interval", "0.9")
    assert outcome.code == 2
    assert outcome.out == ""
    assert "too small to hold an entry out" in outcome.err
    outcome = cli("impute", "small.csv", "--intervals", "conformal")
    assert outcome.code == 2
    assert "no held-out entries are there to calibrate" in outcome.err
    assert cli("impute", "small.csv").code == 0


def test_it_reads_and_writes_streams_and_parquet(cli, tmp_path, table):
    assert cli("impute", "in.csv", "--quiet", "--out", "out.parquet").code == 0
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame["c"].dtype == pl.Float64
    assert frame.null_count().sum_horizontal().item() == 0
    outcome = cli("impute", "out.parquet")
    assert outcome.code == 0
    assert outcome.out.startswith("site,a,b,c,d,e,f\nsite 0,")
    assert "nothing is missing" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.csv", "--interval", "90"], "--interval must lie between 0 and 1"),
        (["in.csv", "--interval", "0.9", "--predict", "flat"], "--interval needs the posterior"),
        (["in.csv", "--interval", "0.9", "--average"], "leave out --average, or --interval"),
        (["in.csv", "--intervals", "exact"], "--intervals must be posterior or conformal"),
        (["in.csv", "--predict", "mode"], "--predict must be posterior or flat"),
        (["in.csv", "--out", "in.csv"], "--out in.csv: exists; name another file, or add --force"),
        (["in.csv", "--out", "no/where.csv"], "there is no folder"),
        (["in.csv", "--keep", "g"], "no column 'g'"),
        (["absent.csv"], "no such file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(cli, tmp_path, table, arguments, message):
    before = (tmp_path / "in.csv").read_bytes()
    outcome = cli("impute", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert (tmp_path / "in.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
