"""Which path is taken and why, and what happens when things do not fit."""

import subprocess
import sys

import numpy as np
import pytest

from flatrank import kernels
from flatrank.kernels import support


def test_shapes_are_checked(pattern):
    C, X, Y = pattern(4, 5, 6), np.ones((4, 3)), np.ones((5, 3))
    assert kernels.sampled_product(C, X, Y).shape == (6,)
    wrong = {"X": (X[1:], Y), "Y": (X, Y[:, 1:])}
    for name, factors in wrong.items():
        with pytest.raises(ValueError, match=rf"sampled_product: expected {name} of shape \("):
            kernels.sampled_product(C, *factors)
    with pytest.raises(ValueError, match=r"A of shape \(C.n, k, k\) = \(4, 3, 3\), got"):
        kernels.inverses(np.ones((4, 3, 2)))
    with pytest.raises(ValueError, match=r"expected v of shape \(C.m\) = \(6,\), got \(5,\)"):
        kernels.sparse_tall(C, np.ones(5), Y)
    with pytest.raises(ValueError, match=r"expected X of shape \(C.n, k\) = \(4, None\), got"):
        kernels.sampled_product(C, X[:, 0], Y)


@pytest.mark.parametrize(
    ("indptr", "indices", "message"),
    [
        (np.zeros(2, np.int16), [0], "indptr must be a vector of int64 or int32; got"),
        (np.array([0, 1]), [[0]], "indices must be a vector of int32; got"),
        (np.zeros(0, np.int32), [0], "indptr must have at least one element"),
        (np.array([0, 2]), [0], r"indptr must go from 0 to 1, .* got \[0, 2\]"),
        (np.array([1, 1]), [0], r"indptr must go from 0 to 1, .* got \[1, 1\]"),
    ],
)
def test_patterns_are_checked(indptr, indices, message):
    with pytest.raises(ValueError, match=message):
        kernels.Compressed(indptr, np.array(indices, np.int32), 1)


def test_using(pattern, calls, monkeypatch):
    C, X = pattern(4, 4, 6), np.ones((4, 2))
    monkeypatch.setenv(support.VARIABLE, "reference")
    assert kernels.path_in_use() == "reference: asked for by FLATRANK_KERNELS"
    kernels.sampled_product(C, X, X)
    assert not calls
    with kernels.using("auto"):
        assert kernels.path_in_use().startswith("compiled: ")
        kernels.sampled_product(C, X, X)
        assert calls == ["sampled_product"]
        with kernels.using("reference"):
            assert kernels.path_in_use() == "reference: asked for by flatrank.kernels.using"
            kernels.sampled_product(C, X, X)
    assert calls == ["sampled_product"]
    assert kernels.path_in_use().startswith("reference: ")
    with pytest.raises(ValueError, match=r'using: expected "auto" or "reference", got \'fast\''):
        kernels.using("fast").__enter__()
    monkeypatch.setenv(support.VARIABLE, "fast")
    with pytest.raises(ValueError, match="FLATRANK_KERNELS: expected"):
        kernels.path_in_use()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("sys.platform", "win32", "no compiled kernels for "),
        ("sys.byteorder", "big", "no compiled kernels for big-endian processors"),
        ("find_spec", lambda _: None, "llvmlite is not installed"),
    ],
)
def test_where_they_cannot_run(pattern, calls, monkeypatch, name, value, reason):
    monkeypatch.setattr(f"flatrank.kernels.support.{name}", value)
    support.inability.cache_clear()
    try:
        facts = kernels.describe()
        assert facts["path"] == "reference"
        assert facts["reason"].startswith(reason)
        X = np.ones((4, 2))
        np.testing.assert_array_equal(kernels.sampled_product(pattern(4, 4, 6), X, X), 2)
        assert not calls
    finally:
        monkeypatch.undo()
        support.inability.cache_clear()


def test_a_failure_to_compile_leaves_the_reference(pattern, arguments, monkeypatch):
    from flatrank.kernels import execution

    def broken(*_):
        raise RuntimeError("no room for code")

    monkeypatch.setattr(support, "failures", [])
    monkeypatch.setattr(execution, "rows_of", broken)
    C = pattern(20, 10, 50)
    X, Y, *_ = arguments(C, 3, "float32")
    with pytest.warns(RuntimeWarning, match="compiling sampled_product failed: .*no room"):
        got = kernels.sampled_product(C, X, Y)
    assert "no room" in kernels.path_in_use()
    assert "no room" in kernels.describe()["reason"]
    with kernels.using("reference"):
        np.testing.assert_array_equal(got, kernels.sampled_product(C, X, Y))
    np.testing.assert_array_equal(got, kernels.sampled_product(C, X, Y))  # and no second warning


def test_describe():
    facts = kernels.describe()
    assert facts["path"] == "compiled"
    assert facts["vector_bytes"] in (16, 32)
    assert facts["threads"] >= 1
    assert {"reason", "llvmlite", "processor", "cache"} <= facts.keys()


def test_time_spent_compiling_is_known(monkeypatch):
    monkeypatch.setattr(support, "compiling", [0.25, 0.5])
    assert kernels.seconds_compiling() == 0.75


def test_importing_takes_neither_llvm_nor_jax():
    program = (
        "import sys, flatrank.kernels as k; k.path_in_use(); k.seconds_compiling(); "
        "assert not {'numba', 'llvmlite', 'jax'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
