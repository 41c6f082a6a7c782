"""What is known of rows and columns beside their entries, from tables of people."""

import numpy as np
import pytest

from flatrank.cli.folders import fingerprint
from flatrank.data import InputError, read_entries, read_features

FILMS = """movieId,title,year,genres,colour
7,Alien,1979,Horror|Sci-Fi,yes
9,Heat,1995,Crime,
3,Toys,,Comedy|Sci-Fi,yes
8,Them,1954,Horror|Crime,no
"""


@pytest.fixture
def films(tmp_path):
    path = tmp_path / "films.csv"
    path.write_text(FILMS, encoding="utf-8")
    return path


@pytest.fixture
def ratings(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("user,movieId,rating\na,7,4\na,9,3\nb,7,5\nb,5,1\n", encoding="utf-8")
    return path


def test_numbers_and_words_become_features_and_titles_do_not(films):
    found = read_features(films)
    assert found.ids == ["7", "9", "3", "8"]
    assert found.names == ["year", "genres", "colour"]
    nan = np.nan
    # The year; Crime, Horror and Sci-Fi, which two films have; yes, which two films are.
    expected = [[1979, 0, 1, 1, 1], [1995, 1, 0, 0, nan], [nan, 0, 0, 1, 1], [1954, 1, 1, 0, 0]]
    np.testing.assert_array_equal(found.values, expected)


def test_parquet_and_a_key_that_is_not_first(tmp_path, films):
    import polars

    frame = polars.read_csv(films).select("title", "year", "genres", "colour", "movieId")
    path = tmp_path / "films.parquet"
    frame.write_parquet(path)
    plain, moved = read_features(films), read_features(path, "movieId")
    assert moved.ids == plain.ids
    np.testing.assert_array_equal(moved.values, plain.values)


def test_ids_that_only_features_know_are_columns_without_entries(films, ratings):
    entries, plain = read_entries(ratings, col_features=films), read_entries(ratings)
    assert entries.col_labels.tolist() == ["5", "7", "9", "3", "8"]
    assert entries.shape == (2, 5)
    for name in ("rows", "cols", "values"):
        np.testing.assert_array_equal(getattr(entries, name), getattr(plain, name))
    rows, cols = entries.features
    assert rows is None
    # Film 5 is not described, and Toys has no year: means over the films with ratings.
    np.testing.assert_allclose(cols[0], [1987, 0.5, 0.5, 0.5, 1])
    np.testing.assert_allclose(cols[3], [1987, 0, 0, 1, 1])
    np.testing.assert_allclose(cols[1], [1979, 0, 1, 1, 1])


def test_a_run_is_not_resumed_with_other_features(films, ratings):
    entries = read_entries(ratings, col_features=films)
    films.write_text(FILMS.replace("1995", "1996"), encoding="utf-8")
    assert fingerprint(read_entries(ratings, col_features=films)) != fingerprint(entries)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,x\n7,1\n7,2\n", "the id '7' comes more than once in column 'id'; features need one"),
        ("id,x\n7,1\n,2\n", "a line has no id in column 'id'"),
        ("id,name\n7,a\n9,b\n", "no column beside 'id' holds numbers, or words that two ids"),
        ("id,x\n70,1\n90,2\n", "none of its ids, such as '70', is the id of a column, such as '5'"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, ratings, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_entries(ratings, col_features=path)
    assert message in str(refused.value)
    assert "bad.csv" in str(refused.value)
