"""`flatrank complete --col-features`: predictions and recommendations of columns nobody rated."""

import csv
import io
import json

import numpy as np
import pytest


@pytest.fixture
def files(tmp_path):
    """Films of two kinds, each liked by one half of the people; the last four were never rated."""
    rng = np.random.default_rng(0)
    kinds = np.arange(24) % 2
    liking = np.where(np.arange(40)[:, None] % 2 == kinds, 4.5, 1.5)
    ratings = liking + 0.3 * rng.standard_normal(liking.shape)
    i, j = np.nonzero(rng.random(liking.shape) < 0.6)
    lines = [f"p{a},f{b},{ratings[a, b]}" for a, b in zip(i, j, strict=True) if b < 20]
    (tmp_path / "ratings.csv").write_text("\n".join(["user,film,stars", *lines]), "utf-8")
    films = [f"f{n},{('war', 'love')[kinds[n]]}" for n in range(24)]
    (tmp_path / "films.csv").write_text("\n".join(["film,kind", *films]), "utf-8")
    pairs = [f"p{a},f{b}" for a in range(4) for b in range(20, 24)]
    (tmp_path / "pairs.csv").write_text("\n".join(["user,film", *pairs]), "utf-8")
    return liking


def test_films_without_ratings(cli, files, tmp_path):
    asked = "complete", "ratings.csv", "--col-features", "films.csv", "--seed", "1"
    assert cli(*asked).code == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    # war and love say the same twice
    assert record["features"] == {"columns": {"features": 2, "alone": 4}}
    outcome = cli("predict", "run", "pairs.csv", "--interval", "0.9")
    assert outcome.err == ""
    for line in csv.DictReader(io.StringIO(outcome.out)):
        truth = files[int(line["row"][1:]), int(line["col"][1:])]
        assert abs(float(line["value"]) - truth) < 0.6  # offsets alone are off by 1.5
        assert float(line["low"]) < truth < float(line["high"])
    best = cli("recommend", "run", "--row", "p2", "--top", "3").out
    assert all(int(line["col"][1:]) % 2 == 0 for line in csv.DictReader(io.StringIO(best)))
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "Features of columns" in page
    assert "4 columns have nothing else" in page


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("without", [("--predict", "flat"), ("--lam", "0")])
def test_features_need_the_posterior(cli, without):
    outcome = cli("complete", "ratings.csv", "--col-features", "films.csv", *without)
    assert outcome.code == 2
    assert "tell the posterior: leave out --predict flat and --lam 0" in outcome.err
