"""The audit finds what is wrong, and its own references are right."""

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from audit import families, running, table  # noqa: E402
from audit.attacks import Attack, attacks  # noqa: E402
from audit.drawing import Units  # noqa: E402
from audit.judging import KINDS, Claim, judged  # noqa: E402
from audit.reference import Model, Range, lower, solved  # noqa: E402


def plain(instance):
    model = instance.model
    return instance.units == Units() and np.linalg.norm(model.b) > 0


def even(instance):
    return plain(instance) and not instance.traits


def an_instance(family, seed=0, wanted=plain):
    for index in range(seed, seed + 200):
        instance = families.made(np.random.default_rng(index), family)
        if wanted(instance):
            return instance, instance.known or solved(instance.model, instance.truth)
    raise AssertionError(f"no such instance of {family}")


def honest(instance, found):
    """A true claim for the optimum."""
    unit = 2.0**instance.units.value
    low, high = (float(v) * unit for v in found.optimum)
    return Claim(high, low, (high - low) / high, True, False)


def at_optimum(instance, found):
    return next(
        a
        for a in attacks(np.random.default_rng(0), instance, found)
        if a.name == "optimum" and a.y is None
    )


@pytest.mark.parametrize("index", [961, 4105])
def test_blocks_that_once_held_violations(index):
    """Measurements that vanish with D; two equal ones, whose misfit of rounding was a proof."""
    counts = running.block(0, index).counts
    assert counts["tries"] == 20
    assert not [name for name in counts if name.startswith("violation")]


@pytest.mark.parametrize("family", families.FAMILIES)
def test_a_true_claim_is_no_violation(family):
    instance, found = an_instance(family)
    assert judged(instance, found, at_optimum(instance, found), honest(instance, found)) == []


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("floor", {"dual_bound": 1.001}),
        ("ceiling", {"primal": 0.999}),
        ("nan", {"relative_gap": np.nan}),
    ],
)
def test_a_doctored_certificate_is_caught(kind, changes):
    instance, found = an_instance("dense")
    claim = honest(instance, found)
    doctored = {name: getattr(claim, name) * factor for name, factor in changes.items()}
    assert kind in judged(instance, found, at_optimum(instance, found), claim._replace(**doctored))


def test_a_pair_that_is_not_optimal_must_not_be_certified():
    instance, found = an_instance("dense", wanted=lambda i: plain(i) and i.model.lam > 0)
    d1, d2 = instance.model.A.shape[1:]
    zero = Attack("zero", np.zeros((d1, 1)), np.zeros((d2, 1)), None)
    kinds = judged(instance, found, zero, honest(instance, found))
    assert "certified" in kinds
    assert "objective" in kinds


def test_one_of_two_minimisers_is_not_unique():
    instance, found = an_instance("mirror images")
    claim = honest(instance, found)._replace(unique=True)
    assert judged(instance, found, at_optimum(instance, found), claim) == ["unique"]


def test_zero_is_the_only_minimiser_of_zero_data():
    x = np.random.default_rng(0).standard_normal((7, 3, 2)) @ [1, 1j]
    A = x[:, :, None] * x[:, None, :].conj()
    assert solved(Model("positive", A, np.zeros(7), 0.5)).others == ()


def test_contradictory_data_are_not_certified():
    instance, found = an_instance(
        "dense", wanted=lambda i: "contradiction" in i.traits and i.model.lam == 0 and plain(i)
    )
    assert found.optimum == Range(np.inf, np.inf)
    claim = Claim(1.0, 1.0, 0.0, True, False)
    assert judged(instance, found, at_optimum(instance, found), claim) == ["infeasible"]


@pytest.mark.parametrize("family", ["entries", "thin", "bilinear", "covariance", "robust PCA"])
def test_nothing_false_is_found_in_a_hundred_tries(family):
    outcome = running.block(4, running.NAMES.index(family))
    assert outcome.family == family
    assert outcome.counts["tries"] >= 20
    assert outcome.counts["certified"] > 0
    assert outcome.examples == []


def test_a_doctored_library_is_reported(monkeypatch):
    import flatrank as fr

    true = fr.certify

    def doctored(problem, factors, y=None):
        return replace(true(problem, factors, y), dual_bound=1e300, relative_gap=0.0)

    monkeypatch.setattr(fr, "certify", doctored)
    outcome = running.block(0, running.NAMES.index("bilinear"))
    assert outcome.counts["violation: floor"] > 0
    assert outcome.examples[0]["kind"] in KINDS


def test_a_library_that_breaks_is_reported(monkeypatch):
    import flatrank as fr

    def broken(problem, factors, y=None):
        raise ZeroDivisionError

    monkeypatch.setattr(fr, "certify", broken)
    outcome = running.block(0, running.NAMES.index("bilinear"))
    assert outcome.counts["violation: exception"] == outcome.counts["tries"] > 0


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("family", ["dense", "bilinear", "quadratic network", "robust PCA"])
def test_the_reference_agrees_with_another_solver(family):
    cvxpy = pytest.importorskip("cvxpy")
    for seed in (0, 50, 100):
        instance, found = an_instance(family, seed, wanted=even)
        model = instance.model
        B = model.roots[2]
        X = cvxpy.Variable(B.shape[1:])
        norm = cvxpy.normNuc(X)
        r = B.reshape(model.b.size, -1) @ cvxpy.vec(X, order="C") - model.b
        cost, constraints = norm, []
        if model.form == "sparse":
            cost = norm + model.lam * cvxpy.norm1(r)
        elif model.form == "ball":
            constraints = [cvxpy.norm1(r) <= model.lam]
        elif model.lam > 0:
            cost = 0.5 * cvxpy.sum_squares(r) + model.lam * norm
        else:
            constraints = [r == 0]
        problem = cvxpy.Problem(cvxpy.Minimize(cost), constraints)
        value = problem.solve(solver="CLARABEL")
        assert value == pytest.approx(found.optimum.high, rel=1e-4, abs=1e-7)
        assert found.optimum.low <= found.optimum.high * (1 + 1e-12)


def test_no_dual_point_is_above_any_primal_one():
    for index in range(3 * len(families.FAMILIES)):
        rng = np.random.default_rng([7, index])
        instance = families.made(rng, list(families.FAMILIES)[index % len(families.FAMILIES)])
        found = instance.known or solved(instance.model, instance.truth)
        for _ in range(20):
            y = found.y + 10.0 ** rng.uniform(-6, 2) * rng.standard_normal(found.y.size)
            assert lower(instance.model, y) <= found.optimum.high * (1 + 1e-9) + 1e-13


def test_rescaling_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((7, 4, 3))
    C1, C2, B = Model("whole", A, np.zeros(7), 0.0, 0.3).roots
    D1, D2 = np.einsum("mij,mkj->ik", A, A) / 21, np.einsum("mij,mik->jk", A, A) / 28
    for C, square in ((C1, D1), (C2, D2)):
        smooth = 0.7 * square + 0.3 * np.mean(np.diag(square)) * np.eye(len(square))
        np.testing.assert_allclose(C.T @ C, smooth, atol=1e-13)
    np.testing.assert_allclose(C1.T @ B @ C2, A, atol=1e-12)


def test_weights_of_graded_columns_keep_their_digits():
    f, m = np.array([1.0, 1e-9, 1e-4]), 12
    A = np.eye(m).reshape(m, 4, 3) * f
    X = np.random.default_rng(1).standard_normal((4, 3)) / f
    value = Model("whole", A, np.einsum("mij,ij->m", A, X), 0.0).value(X)
    true = np.linalg.norm(f) / np.sqrt(m * 3) * np.linalg.norm(X * f, "nuc") / np.sqrt(m)
    assert value.low == pytest.approx(true, rel=1e-11)


def test_only_one_file_imports_the_library():
    for path in (ROOT / "audit").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        rooms = {name for name in names if name and name.split(".")[0] == "flatrank"}
        assert not rooms or path.name == "running.py", f"{path.name} imports {rooms}"


def test_the_page_is_what_the_results_say():
    assert table.PAGE.read_text(encoding="utf-8") == table.page()


@pytest.mark.slow
def test_a_short_audit_runs_and_goes_on_where_it_stopped(tmp_path):
    results = tmp_path / "counts.json"
    command = [sys.executable, "-m", "audit", "--results", str(results)]
    subprocess.run([*command, "--tries", "30"], cwd=ROOT, check=False, capture_output=True)
    first = json.loads(results.read_text(encoding="utf-8"))
    subprocess.run(
        [*command, "--tries", "60", "--resume"], cwd=ROOT, check=False, capture_output=True
    )
    second = json.loads(results.read_text(encoding="utf-8"))
    assert 30 <= first["tries"] < 60 <= second["tries"]
    assert second["blocks"] > first["blocks"]
