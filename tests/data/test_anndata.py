"""AnnData: what is stored of X is observed, under the names of obs and var."""

import sys

import numpy as np
import pytest
from scipy import sparse

from flatrank.data import InputError, read_entries, read_pairs

ROWS, COLS = ["cell 2", "cell 10", "blank"], ["geneA", "geneB"]
X = sparse.csr_array(([1.5, 0.0, 4.0], ([0, 0, 1], [0, 1, 1])), (3, 2))


def h5ad(path, X, rows=ROWS, cols=COLS, **attrs):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        if sparse.issparse(X):
            group = file.create_group("X")
            group.attrs.update({"encoding-type": f"{X.format}_matrix", "shape": X.shape} | attrs)
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(X, name)
        else:
            file["X"] = X
        for side, names in (("obs", rows), ("var", cols)):
            table = file.create_group(side)
            table.attrs["_index"] = "names"
            table["names"] = np.array(names, dtype=h5py.string_dtype())
    return path


@pytest.mark.parametrize("build", [sparse.csr_array, sparse.csc_array])
def test_stored_entries_by_name(tmp_path, build):
    entries = read_entries(h5ad(tmp_path / "a.h5ad", build(X)))
    named = zip(
        entries.row_labels[entries.rows], entries.col_labels[entries.cols], entries.values,
        strict=True,
    )  # fmt: skip
    assert list(named) == [
        ("cell 2", "geneA", 1.5), ("cell 2", "geneB", 0.0), ("cell 10", "geneB", 4.0)
    ]  # fmt: skip
    assert (entries.empty_rows, entries.empty_cols) == (1, 0)
    rows, cols = read_pairs(tmp_path / "a.h5ad")
    assert (rows.tolist(), cols.tolist()) == (
        ["cell 2", "cell 2", "cell 10"], ["geneA", "geneB", "geneB"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ({"X": X.toarray()}, {}, "X is dense, so that every zero would count as observed"),
        ({"X": X, "rows": ["a", "a", "b"]}, {}, r"adata\.obs_names_make_unique\(\)"),
        ({"X": X, "cols": ["a"]}, {}, "var has 1 names for 2 of X"),
        ({"X": X * 1j}, {}, "is no AnnData file, or is damaged"),
        ({"X": X, "shape": (1, 1)}, {}, "is no AnnData file, or is damaged"),
        ({"X": X}, {"row": "obs"}, "has no named columns to choose from"),
    ],
)
def test_what_cannot_be_used(tmp_path, content, options, message):
    path = h5ad(tmp_path / "a.h5ad", **content)
    with pytest.raises(InputError, match=message):
        read_entries(path, **options)


def test_other_files_of_the_name_and_the_package(tmp_path, monkeypatch):
    path = tmp_path / "a.h5ad"
    path.write_text("u,i,v\n")
    with pytest.raises(InputError, match=r"named \.h5ad but does not begin like such a file"):
        read_entries(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match="needs h5py, which is not installed: pip install h5py"):
        read_entries(path)
