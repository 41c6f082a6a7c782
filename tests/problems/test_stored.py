"""Problems from the arrays of a file: which front door, which of its numbers, what is refused."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.problems import from_arrays

RNG = np.random.default_rng(0)
M, D1, D2, N = 20, 6, 5, 4
A, B = RNG.standard_normal((M, D1, D2)), RNG.standard_normal(M)
LEFT, RIGHT, X = (RNG.standard_normal((M, d)) for d in (D1, D2, N))
Z = X + 1j * RNG.standard_normal((M, N))
E = Z[:, :, None] * Z[:, None, :].conj()
F = 0.1 * RNG.random(M)

FAMILIES = {
    "sensing": ({"A": A, "b": B}, lambda: fr.sensing(A, B)),
    "bilinear": ({"a": LEFT, "c": RIGHT, "b": B}, lambda: fr.bilinear(LEFT, RIGHT, B)),
    "covariance": ({"x": X, "y": B}, lambda: fr.covariance(X, B)),
    "phase_retrieval": ({"x": Z, "b": B}, lambda: fr.phase_retrieval(Z, B)),
    "tomography": ({"effects": E, "frequencies": F}, lambda: fr.tomography(E, F)),
}


def assert_same(found, expected):
    assert type(found) is type(expected)
    assert found.cone is expected.cone
    assert found.settings() == expected.settings()
    for name, x in expected.arrays().items():
        assert np.array_equal(found.arrays()[name], x)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_family_is_known_by_its_arrays(family):
    arrays, expected = FAMILIES[family]
    found = from_arrays(arrays | {"notes": np.zeros(3)})
    assert (found.family, found.unused) == (family, ["notes"])
    assert_same(found.problem, expected())


def test_other_names_of_the_data_and_matrices_row_by_row():
    assert_same(from_arrays({"A": A, "y": B}).problem, fr.sensing(A, B))
    flat = {"A": A.reshape(M, -1), "b": B, "shape": np.array([D1, D2])}
    assert_same(from_arrays(flat).problem, fr.sensing(A, B))


def test_a_family_that_is_named():
    found = from_arrays({"x": X, "y": B}, "quadratic_network")
    assert_same(found.problem, fr.quadratic_network(X, B))
    both = {"A": A, "b": B, "x": X}
    with pytest.raises(ValueError, match=r"they fit sensing and covariance: name one"):
        from_arrays(both)
    assert from_arrays(both, "sensing").unused == ["x"]


def test_numbers_of_the_file_give_way_to_those_that_are_asked():
    held = {"A": A, "b": B, "lam_ratio": np.array(0.2), "smoothing": np.array([0.5])}
    expected = fr.sensing(A, B, lam_ratio=0.2, smoothing=0.5)
    assert_same(from_arrays(held).problem, expected)
    assert_same(from_arrays(held, lam=None).problem, expected)
    assert_same(from_arrays(held, lam=3.0).problem, fr.sensing(A, B, lam=3.0, smoothing=0.5))
    asked = from_arrays(held, lam_ratio=0.1, smoothing=0.0).problem
    assert_same(asked, fr.sensing(A, B, lam_ratio=0.1))


@pytest.mark.parametrize(
    ("arrays", "family", "message"),
    [
        ({}, None, "there are none, expected those of one. sensing: A, b; bilinear"),
        ({"B": A, "b": B}, None, "B, b are there, expected those"),
        ({"A": A}, None, "sensing takes arrays A, b; there is no 'b' among A"),
        ({"A": A, "b": B}, "bilinear", "bilinear takes arrays a, c, b; there is no 'a' among A, b"),
        ({"A": A, "b": B}, "completion", "family must be one of sensing, bilinear"),
        ({"A": A, "b": B, "shape": np.array([5, 5])}, None, r"matrices of shape \(5, 5\)"),
        ({"A": A, "b": B, "lam": B}, None, "lam must be one number; got shape"),
        ({"x": X, "y": B, "smoothing": np.array(1.0)}, None, "covariance has no smoothing"),
        ({"A": A, "b": B[1:]}, None, "one number for each of the 20 measurements; got 19"),
    ],
)
def test_what_is_no_problem_is_refused(arrays, family, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(arrays, family)
