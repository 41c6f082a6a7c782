"""Save and load: the same problem, of every family, and so the same proof."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import flatrank as fr
from flatrank.arrays import leaves
from flatrank.factors import Cone
from flatrank.measurements import DenseMatrices, from_parts, to_parts
from flatrank.problems import rebuilt
from flatrank.solvers import Counts

RNG = np.random.default_rng(0)
M, D1, D2, N = 20, 6, 5, 4
B = RNG.standard_normal(M)
X, Z = RNG.standard_normal((M, N)), RNG.standard_normal((M, N))
E = RNG.standard_normal((M, N, N)) + 1j * RNG.standard_normal((M, N, N))


def entries():
    rows, cols = np.divmod(RNG.choice(D1 * D2, M, replace=False), D2)
    return fr.completion(rows, cols, B, (D1, D2), lam=0.3, smoothing=0.5)


def transformed(shape, m, transform):
    return fr.measurements.masked_transform(shape, m, transform=transform, seed=1)


# Programs are few: most families differ in them.
FAMILIES = {
    "completion": entries,
    "dense": lambda: fr.sensing(RNG.standard_normal((M, D1, D2)), B, lam=0.3, smoothing=0.2),
    "regenerated": lambda: fr.sensing(fr.measurements.gaussian((D1, D2), M, seed=3), B, lam=0.3),
    "masked": lambda: fr.sensing(fr.measurements.masked_transform((D1, D2), M), B, lam=0.3),
    "hadamard": lambda: fr.sensing(transformed((8, 4), 20, "hadamard"), B, lam=0.3),
    "fourier": lambda: fr.sensing(transformed((D1, D2), 10, "fourier"), B, lam=0.3),
    "sampled": lambda: fr.sensing(entries().measurement, B, lam=0.3),
    "bilinear": lambda: fr.bilinear(X, Z, B, lam=0.3),
    "covariance": lambda: fr.covariance(X, B, lam=0.3),
    "quadratic": lambda: fr.quadratic_network(X, B, lam=0.3),
    "real phase": lambda: fr.phase_retrieval(X, B, lam=0.3),
    "complex phase": lambda: fr.phase_retrieval(X + 1j * Z, B, lam=0.3),
    "diffraction": lambda: fr.phase_retrieval(fr.measurements.coded_diffraction(N, 5), B, lam=0.3),
    "effects": lambda: fr.tomography(E + E.conj().transpose(0, 2, 1), B, lam=0.3),
    "strings": lambda: fr.tomography(fr.measurements.pauli_strings(2), B[:16]),
    "clicks": lambda: fr.implicit([0, 0, 2], [1, 4, 3], [1, 2, 1], (D1, D2), alpha=2.0, lam=0.3),
    "radius": lambda: fr.robust_pca(RNG.standard_normal((D1, D2)), radius=2.0),
    "sparsity": lambda: fr.robust_pca(RNG.standard_normal((D1, D2)), sparsity=0.3),
    # In the order of a data frame's columns, which is not the one that files hold.
    "gaps": lambda: fr.robust_pca(
        RNG.standard_normal((D1, D2)), mask=np.asfortranarray(RNG.random((D1, D2)) < 0.8)
    ),
}


def some_solution(problem, certificate=None):
    """Not an optimum: what is saved need not be one."""
    rng = np.random.default_rng(1)
    L = np.asarray(rng.standard_normal((problem.shape[0], 1)))
    whole = problem.cone is Cone.WHOLE
    R = np.asarray(rng.standard_normal((problem.shape[1], 1))) if whole else L
    y = np.asarray(1e-3 * rng.standard_normal(problem.b.shape))
    pair, status = fr.FactorPair(L, R), fr.Status.STALLED
    return fr.Solution(pair, y, certificate, status, Counts(), [{"step": 1}], 0.1, problem)


def assert_same(problem, loaded):
    assert type(loaded) is type(problem)
    assert loaded.cone is problem.cone
    assert loaded.settings() == problem.settings()
    assert np.array_equal(loaded.b, problem.b)
    ours, theirs = leaves(problem), leaves(loaded)
    for x, saved in zip(ours, theirs, strict=True):
        # Grams and D are computed again.
        assert np.asarray(x).dtype == np.asarray(saved).dtype
        assert np.allclose(x, saved, rtol=1e-12, atol=1e-13)
    for x, saved in zip(*(vars(p.unidentifiable).values() for p in (problem, loaded)), strict=True):
        assert np.array_equal(x, saved)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_problem_comes_back(name, tmp_path):
    solution = some_solution(FAMILIES[name]())
    loaded = fr.load(solution.save(tmp_path / "run"))
    assert_same(solution.problem, loaded.problem)
    assert np.array_equal(loaded.factors.L, solution.factors.L)
    assert np.array_equal(loaded.factors.R, solution.factors.R)
    assert np.array_equal(loaded.y, solution.y)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("dense", "effects") else pytest.mark.slow)
        for name in FAMILIES
    ],
)
def test_the_proof_is_the_same(name, tmp_path):
    solution = some_solution(FAMILIES[name]())
    first = fr.certify(solution.problem, solution.factors, solution.y)
    loaded = fr.load(some_solution(solution.problem, first).save(tmp_path / "run"))
    again = fr.certify(loaded.problem, loaded.factors, loaded.y)
    for name in ("primal", "dual_bound", "relative_gap", "feasibility", "operator_norm"):
        assert getattr(again, name) == pytest.approx(getattr(first, name), rel=1e-9, abs=1e-12)
        assert getattr(loaded.certificate, name) == getattr(first, name)


def test_gaussian_matrices_are_kept_as_a_key(tmp_path):
    problem = fr.sensing(fr.measurements.gaussian((D1, D2), M, seed=3), B)
    some_solution(problem).save(tmp_path)
    arrays = load_file(tmp_path / "model.safetensors")
    assert sorted(arrays) == ["L", "R", "b", "key", "y"]
    assert arrays["key"].shape == ()


@pytest.mark.parametrize("name", ["completion", "radius", "sparsity"])
def test_folders_from_before_the_form_was_kept_are_read(name, tmp_path):
    solution = some_solution(FAMILIES[name]())
    solution.save(tmp_path)
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    del record["problem"]
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    kept = ("L", "R", "y", "rows", "cols", "b", "Y")  # what they held
    arrays = load_file(tmp_path / "model.safetensors")
    save_file({k: x for k, x in arrays.items() if k in kept}, tmp_path / "model.safetensors")
    loaded = fr.load(tmp_path)
    assert_same(solution.problem, loaded.problem)


class Mine(DenseMatrices):
    """A user's own, by the name of one of the library's or not."""


@pytest.mark.parametrize("kind", ["LinearMap", "Mine", "DenseMatrices"])
def test_functions_and_classes_of_ones_own_are_refused_with_the_way_out(measure, kind, tmp_path):
    if kind == "LinearMap":
        A = measure("user's map", (D1, D2), M)
    else:
        named = type(kind, (Mine,), {})
        A = named(np.asarray(RNG.standard_normal((M, D1, D2))))
    solution = some_solution(fr.sensing(A, B))
    with pytest.raises(TypeError, match=rf"(?s)of {kind} cannot be saved.*numpy\.savez.*certify"):
        solution.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_files_of_something_else_are_named(tmp_path):
    settings, arrays = to_parts(fr.sensing(RNG.standard_normal((M, D1, D2)), B).measurement)
    with pytest.raises(ValueError, match="unknown measurement 'Problem'; expected one of Coded"):
        from_parts({"kind": "Problem"}, arrays)
    with pytest.raises(ValueError, match="the A of DenseMatrices is missing"):
        from_parts(settings, {})
    form = {"family": "Tomography", "among": "hermitian", "measurement": settings}
    with pytest.raises(ValueError, match="unknown problem 'Tomography' with DenseMatrices"):
        rebuilt(form, {"lam": 0.0, "smoothing": 0.0}, arrays | {"b": B})
    with pytest.raises(TypeError, match="DenseMatrices does not sample entries"):
        from_parts(settings, arrays).places()
