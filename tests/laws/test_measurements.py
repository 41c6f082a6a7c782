"""Every measurement obeys the law, and the law can fail."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard

from flatrank import FactorPair, check_measurement, completion, kernels, sensing
from flatrank.arrays import compiled, leaves, tree_map, xp
from flatrank.measurements import (
    CodedDiffraction,
    CoupledCurvature,
    HermitianEffects,
    MaskedFourier,
    QuadraticForms,
    SampledEntries,
    WholeMatrix,
    WithTrace,
    coded_diffraction,
    masked_transform,
    pauli_strings,
)


def some_entries(d1, d2, m, seed):
    rng = np.random.default_rng(seed)
    places = rng.choice(d1 * d2, m, replace=False)
    rows, cols = np.divmod(places, d2)
    return completion(rows, cols, rng.standard_normal(m), (d1, d2))


@settings(max_examples=4, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_sampled_entries_obey_the_law(d1, d2, seed):
    check_measurement(some_entries(d1, d2, max(1, d1 * d2 // 2), seed).measurement, rank=2)


def test_whitened_entries_obey_the_law():
    check_measurement(some_entries(7, 5, 20, 0).whitened, rank=2)


# The columns of the factors decide whether the tangent map is written out: 1 (7 + 5) < 35 < 36.
@pytest.mark.parametrize(
    ("name", "rank"),
    [
        ("dense", 1),
        ("rank one", 3),
        ("regenerated", 1),
        ("masked transform", 2),
        ("user's map", 2),
        pytest.param("dense", 3, marks=pytest.mark.slow),
        pytest.param("regenerated", 3, marks=pytest.mark.slow),
    ],
)
def test_every_family_obeys_the_law(measure, name, rank):
    check_measurement(measure(name, (7, 5), 20), rank=rank)


@pytest.mark.parametrize(
    ("transform", "shape", "m"),
    [
        ("hadamard", (8, 4), 20),
        ("fourier", (6, 4), 9),
        pytest.param("fourier", (1, 5), 2, marks=pytest.mark.slow),
    ],
)
def test_coefficients_of_other_transforms_obey_the_law_and_are_numpys(transform, shape, m):
    A = masked_transform(shape, m, transform=transform, seed=2)
    check_measurement(A, rank=2)
    X = np.random.default_rng(0).standard_normal(shape)
    signed = A.signs * X
    seen, normal = A.of_matrix(X), A.normal(np.ones(A.m))
    if transform == "fourier":
        c = np.fft.fft2(signed, norm="ortho").ravel()[A.chosen]
        assert np.allclose(seen, np.concatenate([c.real, c.imag]))
        assert np.allclose(normal, 0.5)
    else:
        H1, H2 = (hadamard(d) / np.sqrt(d) for d in shape)
        assert np.allclose(seen, (H1 @ signed @ H2).ravel()[A.chosen])


@pytest.mark.slow
def test_fourier_coefficients_may_be_chosen_freely_and_those_that_are_real_too():
    chosen = np.array([0, 5, 6, 23])  # the first is real, (1, 1) and (5, 3) are conjugate
    check_measurement(MaskedFourier(np.ones((6, 4)), chosen), rank=2)


@pytest.mark.parametrize("imaginary", [0, 1j])
def test_quadratic_forms_obey_the_law(imaginary):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((9, 4)) + imaginary * rng.standard_normal((9, 4))
    check_measurement(QuadraticForms(x), rank=2)


def test_coded_diffraction_obeys_the_law():
    check_measurement(coded_diffraction(5, 3, seed=1), rank=2)


def test_coded_diffraction_is_the_transform_of_what_the_masks_let_through():
    """𝒜(z z*) = |F(d_l ∘ z)|², mask after mask; so do the vectors x with conj(x) = d_l ∘ ω."""
    rng = np.random.default_rng(0)
    masks = rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))
    z = rng.standard_normal(4) + 1j * rng.standard_normal(4)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(4), np.arange(4)) / 4)
    x = np.concatenate([(waves * mask[None, :]).conj() for mask in masks])
    U = np.concatenate([z.real, z.imag])[:, None]
    coded, stored = CodedDiffraction(masks), QuadraticForms(x)
    seen = [A.forward(FactorPair(U, U)) for A in (coded, stored)]
    weights = [A.gram_weights() for A in (coded, stored)]
    assert np.allclose(seen[0], np.abs(np.fft.fft(masks * z, axis=1)).ravel() ** 2)
    assert np.allclose(seen[0], seen[1])
    assert np.allclose(*weights)


def test_octanary_masks_are_what_they_say_and_the_same_each_time():
    masks = coded_diffraction(50, 40, seed=3).masks
    assert np.array_equal(masks, coded_diffraction(50, 40, seed=3).masks)
    values = np.unique(np.round(masks, 12))
    assert len(values) == 8
    assert np.allclose(np.unique(np.round(np.abs(masks) ** 2, 12)), [0.5, 3.0])
    # 2000 numbers: |d|² has mean and standard deviation 1, the mean of d² 1/√2000 or so.
    assert np.mean(np.abs(masks) ** 2) == pytest.approx(1, abs=0.1)
    assert abs(np.mean(masks)) < 0.1
    assert abs(np.mean(masks**2)) < 0.15


@pytest.mark.parametrize(
    ("n", "count", "message"), [(0, 3, "n must be a whole"), (4, 0, "count must be a whole")]
)
def test_masks_want_whole_numbers(n, count, message):
    with pytest.raises(ValueError, match=message):
        coded_diffraction(n, count)


@pytest.mark.parametrize("name", ["dense", "rank one"])
def test_whitening_by_a_dense_matrix_obeys_it_too(measure, name):
    problem = sensing(measure(name, (7, 5), 20), np.ones(20))
    assert problem.rescaling.D1.ndim == problem.rescaling.D2.ndim == 2
    check_measurement(problem.whitened, rank=1)


def test_regenerated_numbers_are_the_same_each_time_and_normal(measure):
    drawn = [measure("regenerated", (30, 20), 100, seed).matrix(np.ones(100)) for seed in (1, 1, 2)]
    assert np.array_equal(drawn[0], drawn[1])
    assert abs(np.corrcoef(drawn[0].ravel(), drawn[2].ravel())[0, 1]) < 0.15  # 3.7 deviations
    # Sums of 100 numbers N(0, 1): 600 of them.
    assert np.mean(drawn[0] / 10) == pytest.approx(0, abs=0.15)
    assert np.std(drawn[0] / 10) == pytest.approx(1, abs=0.1)


def test_the_reference_kernels_obey_it_too():
    with kernels.using("reference"):
        check_measurement(some_entries(7, 5, 20, 0).measurement)


def test_the_whole_matrix_obeys_the_law():
    check_measurement(WholeMatrix(5, 7), rank=2)


def test_a_wrong_adjoint_is_caught():
    class Wrong(SampledEntries):
        def forward(self, pair):
            return 1.001 * super().forward(pair)

    good = some_entries(7, 5, 20, 0).measurement
    with pytest.raises(AssertionError, match="adjoint from the right"):
        check_measurement(Wrong(good.by_row, good.by_col, good.order))


def test_a_wrong_gram_is_caught(measure):
    good = measure("dense", (7, 5), 20)
    gram2 = good.gram2.copy()
    gram2[0, 1] += 1.0
    wrong = copy.copy(good)
    vars(wrong)["gram2"] = gram2
    with pytest.raises(AssertionError, match="Gram of columns"):
        check_measurement(wrong, rank=1)


def test_a_residual_of_another_measurement_is_refused():
    problem = some_entries(7, 5, 20, 0)
    pair, S = FactorPair(np.ones((7, 2)), np.ones((5, 2))), problem.measurement.adjoint(problem.b)
    with pytest.raises(TypeError, match="own adjoint returns, ScaledAdjoint; got _SparseAdjoint"):
        problem.whitened.curvature_at(pair, S)
    with pytest.raises(TypeError, match="got ScaledAdjoint"):
        problem.measurement.curvature_at(pair, problem.whitened.adjoint(problem.b))


def test_an_answer_in_the_wrong_type_is_caught():
    class Wide(SampledEntries):
        def forward(self, pair):
            return super().forward(pair).astype(np.float64)

    good = some_entries(7, 5, 20, 0).measurement
    with pytest.raises(AssertionError, match="dtype of forward"):
        check_measurement(Wide(good.by_row, good.by_col, good.order))


@pytest.mark.parametrize(
    "name", ["entries", "whole", "dense", "rank one", "regenerated", "masked transform"]
)
def test_arrays_of_jax_are_answered_in_kind(measure, name):
    made = {
        "entries": lambda: some_entries(7, 5, 20, 0).measurement,
        "whole": lambda: WholeMatrix(7, 5),
    }
    same_in_both(made[name]() if name in made else measure(name, (7, 5), 20))


@pytest.mark.slow
def test_arrays_of_jax_are_answered_in_kind_where_numbers_are_complex():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((9, 4)) + 1j * rng.standard_normal((9, 4))
    E = x[:, :, None] * x[:, None, :].conj()
    strings = pauli_strings(2, ["XY", "ZI", "YY", "II"])
    for A in (QuadraticForms(x), HermitianEffects(E), coded_diffraction(4, 3), strings):
        same_in_both(A)
    same_in_both(masked_transform((6, 4), 9, transform="fourier"))
    same_in_both(masked_transform((8, 4), 20, transform="hadamard"))


def same_in_both(A):
    """All that a measurement does, with its arrays JAX's, and compiled."""
    rng = np.random.default_rng(1)
    pair, step = (FactorPair(*(rng.standard_normal((d, 2)) for d in A.shape)) for _ in range(2))
    y = rng.standard_normal(A.m)
    expected = everything(A, pair, step, y)
    with jax.enable_x64(True):
        given = tree_map(jnp.asarray, (A, pair, step, y))
        for found in (everything(*given), compiled(everything)(*given)):
            for a, b in zip(leaves(found), leaves(expected), strict=True):
                assert isinstance(a, jax.Array)
                assert a.dtype == b.dtype
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.max(np.abs(b)))


def everything(A, pair, step, y):
    S = A.adjoint(y)
    H = A.curvature_at(pair, S)
    return [
        A.forward(pair),
        S.right(pair.R),
        S.left(pair.L),
        S.size(xp.ones_like(pair.L[:, 0]), xp.ones_like(pair.R[:, 0])),
        A.normal(y),
        A.tangent(pair, step),
        H(step),
        *([H.blocks(), H.left_to_right(step.L)] if isinstance(H, CoupledCurvature) else []),
        A.curvature_diagonal(pair),
        A.side_norms(y),
    ]


def test_forward_is_the_entries_in_order():
    problem = some_entries(6, 4, 13, 3)
    rows, cols = problem.measurement.places()
    pair = FactorPair(np.ones((6, 2)), np.full((4, 2), 2.0))
    assert np.allclose(problem.measurement.forward(pair), 4.0)
    assert np.all(np.diff(rows * 4 + cols) > 0)


@pytest.mark.parametrize("name", ["effects", "some strings", "all strings with the trace"])
def test_measurements_of_states_obey_the_law(name):
    rng = np.random.default_rng(0)
    E = rng.standard_normal((5, 3, 3)) + 1j * rng.standard_normal((5, 3, 3))
    if name == "effects":
        A = HermitianEffects(E + E.conj().transpose(0, 2, 1))
    else:
        A = pauli_strings(2, None if name.startswith("all") else ["XY", "ZI", "YY", "II"])
    if name.endswith("trace"):
        A = WithTrace(A, np.array(1.7))
    check_measurement(A, rank=2)
