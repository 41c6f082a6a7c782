"""What does not fit is refused in a sentence, before anything is computed."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.flatness import Rescaling
from flatrank.measurements import CodedDiffraction, coded_diffraction, gaussian, pauli_strings
from flatrank.solvers.reference import FixedRank
from flatrank.theory import Isometry, product_trace, uniqueness_bound, weak_recovery_bound


def of_complex(kind):
    if kind == "vectors":
        return fr.phase_retrieval(np.ones((6, 2)) + 1j, np.ones(6)).measurement
    return pauli_strings(1) if kind == "strings" else coded_diffraction(3, 2)


@pytest.mark.parametrize(
    ("kind", "m", "door"),
    [
        ("strings", 4, "complex Hermitian matrices.*use flatrank.tomography"),
        ("masks", 6, "CodedDiffraction measures complex Hermitian.*use flatrank.phase_retrieval"),
        ("vectors", 6, "QuadraticForms measures .*use flatrank.phase_retrieval"),
    ],
)
def test_sensing_of_complex_matrices_has_another_door(kind, m, door):
    with pytest.raises(ValueError, match=door):
        fr.sensing(of_complex(kind), np.ones(m))


def test_real_quadratic_forms_may_be_asked_about_any_matrix():
    A = fr.covariance(np.random.default_rng(0).standard_normal((6, 2)), np.ones(6)).measurement
    assert fr.sensing(A, np.ones(6)).m == 6


@pytest.mark.parametrize(
    ("name", "door"),
    [
        ("A", lambda x: fr.sensing(x, [1.0])),
        ("a", lambda x: fr.bilinear(x, x, [1.0])),
        ("x", lambda x: fr.covariance(x, [1.0])),
        ("Y", fr.robust_pca),
        ("effects", lambda x: fr.tomography(x, [1.0])),
        ("values", lambda x: fr.completion([0, 1], [0, 1], x, (2, 2))),
    ],
)
def test_lists_of_different_lengths_are_no_array(name, door):
    with pytest.raises(ValueError, match=f"{name} must be an array, every row as long"):
        door([[1, 2], [3]])


def test_masks_may_be_lists():
    drawn = coded_diffraction(3, 2)
    listed = CodedDiffraction(np.asarray(drawn.masks).tolist())
    assert listed.shape == (6, 6)
    assert listed.m == 6
    assert listed.masks.dtype == drawn.masks.dtype
    assert np.array_equal(listed.masks, drawn.masks)


@pytest.mark.parametrize("masks", [[1.0, 2.0], [[]], [[np.nan]], "masks", 3, [[1], [2, 3]]])
def test_masks_are_rows_of_numbers(masks):
    with pytest.raises(ValueError, match=r"masks must be an array \(count, n\) of finite numbers"):
        CodedDiffraction(masks)


@pytest.mark.parametrize(
    ("U", "state"),
    [(np.ones((4, 1)), np.eye(2)), (np.ones(2), np.eye(2)), (np.ones((2, 1)), np.ones((2, 3)))],
)
def test_fidelity_is_of_a_factor_and_a_matrix(U, state):
    with pytest.raises(ValueError, match=r"U and state must be \(d, k\) and \(d, d\)"):
        fr.fidelity(U, state)


@pytest.mark.parametrize(
    ("factors", "got"), [([np.eye(2), np.eye(3)], r"\(2, 2\), \(3, 3\)"), ([], "none")]
)
def test_factors_that_do_not_multiply_have_no_trace(factors, got):
    factors = [np.asarray(W) for W in factors]
    with pytest.raises(ValueError, match=f"factors must be matrices that multiply.*got {got}"):
        product_trace(factors)


def test_bounds_are_of_something():
    with pytest.raises(ValueError, match="rank must be a whole number >= 1; got 0"):
        uniqueness_bound(Isometry(5, 2, 0.9, 1.1), 1.0, 0)
    pair = fr.FactorPair(np.ones((3, 1)), np.ones((2, 1)))
    with pytest.raises(ValueError, match="m must be a whole number >= 1; got 0"):
        weak_recovery_bound(pair, pair, 0)


def test_a_manifold_is_checked_at_ranks_there_are():
    A = gaussian((4, 3), 5)
    with pytest.raises(ValueError, match=r"rank must be at most min\(d1, d2\) = 3.*got 9"):
        fr.check_manifold(FixedRank(), A, rank=9)
    with pytest.raises(ValueError, match="rank must be a whole number >= 1; got 0"):
        fr.check_manifold(FixedRank(), A, rank=0)


@pytest.mark.parametrize("dense", [False, True])
def test_a_condition_number_is_double_wherever_it_is_asked_for(dense):
    rng = np.random.default_rng(0)
    if dense:
        rescaling = fr.sensing(rng.standard_normal((12, 4, 3)), np.zeros(12)).rescaling
    else:
        rescaling = fr.completion([0, 0, 1], [0, 1, 1], np.ones(3), (2, 2)).rescaling
    assert isinstance(rescaling, Rescaling)
    kappa = rescaling.kappa
    sides = [np.asarray(D) for D in (rescaling.D1, rescaling.D2)]
    w = np.concatenate([D if D.ndim == 1 else np.linalg.eigvalsh(D) for D in sides])
    assert kappa.dtype == np.float64
    assert float(kappa) == pytest.approx(w.max() / w.min(), rel=1e-12)
