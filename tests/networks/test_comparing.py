"""Networks compared: what is chosen, kept and ranked."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from flatrank.data import InputError
from flatrank.networks import DeepLinear, compare, flatness
from flatrank.networks.comparing import _least_trace
from flatrank.networks.estimates import Estimate
from flatrank.networks.probing import _root
from flatrank.networks.ranking import MEASURES, correlated


def test_the_best_on_validation_data_is_chosen_and_cells_are_kept(tmp_path):
    options = {"steps": 20, "draws": 2, "folder": tmp_path}
    found = compare(["quadratic network"], ["gradient descent", "flat penalty"], **options)
    assert len(found.runs) == 16
    for method in ("gradient descent", "flat penalty"):
        own = [run for run in found.runs if run["method"] == method]
        mean = {
            s: np.mean([run["validation"] or np.inf for run in own if run["strength"] == s])
            for s in {run["strength"] for run in own}
        }
        assert {run["strength"] for run in own if run["chosen"]} == {
            min(mean, key=lambda s: mean[s])
        }
    assert found.gaps["quadratic network"] < 1e-6
    assert len(found.table()) == 2
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    before = [file.stat().st_mtime_ns for file in files]
    again = compare(["quadratic network"], ["gradient descent", "flat penalty"], **options)
    assert again.runs == found.runs
    assert [file.stat().st_mtime_ns for file in files] == before


def test_the_least_trace_is_a_bound_that_equal_terms_attain():
    """Of the factors of one product, by the means of the terms: attained by the flattest ones."""
    task = DeepLinear.draw((3, 4), depth=2, samples=6)
    x = np.asarray(task.train[0], np.float64)
    root = np.linalg.cholesky(x.T @ x / len(x)).T  # Σ = rootᵀ root
    U, s, Vt = np.linalg.svd(task.truth @ root.T, full_matrices=False)
    # ‖W2‖² tr Σ = d_2 ‖W1 Σ^½‖² for the pair that shares the singular values with this c.
    c = (np.sum(np.diag(root.T @ root)) / 3) ** 0.25
    first, last = (c * s[:, None] ** 0.5) * Vt @ np.linalg.inv(root.T), U * s**0.5 / c
    least, pair = _least_trace(task, [first, last]), list(map(jnp.asarray, (first, last)))
    assert 2 * float(task.penalty(pair, task.train)) == pytest.approx(least, rel=1e-5)
    moved = 2 * float(task.penalty([2 * pair[0], pair[1] / 2], task.train))
    assert moved > 1.5 * least


def test_ranks_see_what_was_put_there():
    rng = np.random.default_rng(0)
    rows = [
        {"method": method, "strength": strength, "chosen": strength == 1, "test": test}
        | {"trace": math.exp(test), "norm": -test + 10 * n, "imbalance": rng.random()}
        for n, method in enumerate("abcd")
        for strength in (1, 2)
        for test in rng.random(6)
    ]
    rows = [dict.fromkeys(MEASURES) | row for row in rows]
    found = {(row["measure"], row["within"]): row for row in correlated(rows)}
    for within in ("methods", "strengths", "seeds"):
        exact = found["trace", within]
        np.testing.assert_allclose([exact["rho"], exact["low"], exact["high"]], 1.0)
    # The order of methods hides what holds within each.
    assert found["norm", "methods"]["rho"] > -0.6
    assert found["norm", "seeds"]["rho"] == pytest.approx(-1.0)
    assert found["imbalance", "seeds"]["low"] < 0.5 < 1 + found["imbalance", "seeds"]["high"]
    assert found["trace", "seeds"]["groups"] == 8
    assert not any(measure == "distance" for measure, _ in found)


def test_a_spread_that_dwarfs_the_value_has_an_infinite_end():
    assert _root(Estimate(1e-9, (-1.0, 1.0), 0.95), 0.0).interval == (0.0, math.inf)
    nothing = flatness(lambda w: 0.0 * np.float32(1) * w.sum(), np.ones(3, np.float32))
    assert nothing.frobenius.value == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"tasks": ["x"]}, "the task must be one of factor recovery, quadratic network, deep"),
        ({"methods": ["x"]}, "the method must be one of gradient descent, Adam, decay"),
        ({"steps": 3}, "steps must be even; got 3."),
        ({"draws": 0}, "draws must be a whole number from 1; got 0."),
    ],
)
def test_refusals(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        compare(**arguments)
