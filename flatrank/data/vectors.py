"""Vectors beside names, in a file that an index of vectors reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flatrank.data.packages import load_polars


def write_vectors(path: Path, names: np.ndarray, vectors: np.ndarray) -> None:
    """Write parquet with the columns `id`, text, and `vector`, so many numbers in single precision.

    Raises
    ------
    InputError
        Without the package polars.
    OSError
        If the file cannot be written.
    """
    polars = load_polars()
    kind = polars.Array(polars.Float32, vectors.shape[1])
    columns = {
        "id": polars.Series(names.tolist(), dtype=polars.String),
        "vector": polars.Series(vectors.astype(np.float32), dtype=kind),
    }
    part = path.with_name(path.name + ".part")
    polars.DataFrame(columns).write_parquet(part)
    part.replace(path)
