"""Figures of several sweeps."""

import numpy as np
import pytest

import flatrank as fr


def test_figures_3_and_4_are_of_the_same_cells(tmp_path):
    how = {"dims": (4,), "draws": 1, "folder": tmp_path}
    third = fr.experiments.figure_3(**how)
    assert [one.name for one in third] == ["sensing", "bilinear", "completion", "quadratic"]
    assert [one.ensemble.rank for one in third] == [2, 2, 2, 3]
    assert sum(one.uncertified for one in third) == 0
    # Everything is seen in the last cell of each.
    assert [one.cells[-1].share(0) for one in third] == [1.0] * 4
    events = []
    fourth = fr.experiments.figure_4(**how, monitor=events.append)
    assert [one.facts() for one in fourth] == [one.facts() for one in third[:3]]
    assert len(list(tmp_path.iterdir())) == 12 + len(events) == 48


def test_collapse_is_over_the_ratio_to_the_parameters():
    shapes = [(6, 6, 1), (4, 8, 1)]
    found = fr.experiments.collapse(shapes, sizes=(0.8, 3.0), draws=2)
    assert [one.ensemble.shape(one.dims[0]) for one in found] == [(6, 6), (4, 8)]
    for one, (d1, d2, r) in zip(found, shapes, strict=True):
        np.testing.assert_allclose(np.array(one.sizes) / (r * (d1 + d2)), (0.8, 3.0), atol=0.05)
        assert [cell.share(0) for cell in one.cells] == [0.0, 1.0]


def test_ratios_are_positive():
    with pytest.raises(fr.data.InputError, match="sizes must be numbers above 0; got -1"):
        fr.experiments.collapse(sizes=(-1.0,))
