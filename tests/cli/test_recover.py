"""`flatrank recover`: stored measurements in, factors, singular values and a certificate out."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import flatrank as fr

RNG = np.random.default_rng(0)
X = RNG.standard_normal((8, 2)) @ RNG.standard_normal((2, 7))
A, LEFT, RIGHT = (RNG.standard_normal((100, *d)) for d in ((8, 7), (8,), (7,)))
VECTORS = RNG.standard_normal((60, 5)) + 1j * RNG.standard_normal((60, 5))
SECRET = RNG.standard_normal(5) + 1j * RNG.standard_normal(5)
SIZES = np.abs(VECTORS.conj() @ SECRET) ** 2


@pytest.fixture
def files(tmp_path):
    b = np.einsum("mij,ij->m", A, X)
    np.savez(tmp_path / "dense.npz", A=A, b=b)
    np.savez(tmp_path / "noisy.npz", A=A, b=b + RNG.standard_normal(100))
    both = np.ascontiguousarray(VECTORS).view(float).reshape(60, 5, 2)
    save_file({"x.complex": both, "y": SIZES}, tmp_path / "phase.safetensors")
    bilinear = {"a": LEFT, "c": RIGHT, "b": np.einsum("mi,ij,mj->m", LEFT, X, RIGHT)}
    np.savez(tmp_path / "pairs.npz", **bilinear, extra=np.zeros(3))


@pytest.mark.parametrize(("file", "family"), [("dense", "sensing"), ("pairs", "bilinear")])
def test_the_matrix_comes_out_in_factors(cli, tmp_path, files, file, family):
    outcome = cli("recover", f"{file}.npz", "--out", "run")
    assert outcome.code == 0
    with np.load(tmp_path / "run" / "factors.npz") as held:
        np.testing.assert_allclose(held["L"] @ held["R"].T, X, atol=1e-9)
        np.testing.assert_allclose(held["s"], np.linalg.svd(X)[1][:2])
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["status"], record["family"], record["rank"]) == ("certified", family, 2)
    assert record["misfit"] < 1e-12
    assert f"{family}, 100 data of 8 x 7" in outcome.out
    assert ("arrays not used: extra" in outcome.out) == (file == "pairs")
    assert cli("certify", "run").code == 0
    assert fr.load(tmp_path / "run").rank == 2


def test_complex_vectors_in_safetensors(cli, tmp_path, files):
    assert cli("recover", "phase.safetensors", "--out", "run", "--quiet").code == 0
    with np.load(tmp_path / "run" / "factors.npz") as held:
        Z = held["L"] @ held["R"].conj().T
        np.testing.assert_allclose(Z, np.outer(SECRET, SECRET.conj()), atol=1e-6)
        np.testing.assert_allclose(held["s"], [np.linalg.norm(SECRET) ** 2])


def test_noise_asks_for_a_weight_and_a_saved_problem_is_solved_again(cli, tmp_path, files):
    outcome = cli("recover", "noisy.npz", "--out", "exact")
    assert outcome.code == 3
    assert "no matrix fits the data exactly, and that is proved" in outcome.out
    assert "for noisy data give a weight, such as --lam-ratio 0.1" in outcome.out
    outcome = cli("recover", "exact", "--out", "run", "--lam-ratio", "0.1", "--json")
    assert outcome.code == 0
    record = json.loads(outcome.out)
    assert record["lam"] > 0
    assert record["certificate"]["relative_gap"] < 1e-6
    direct = fr.solve(fr.load(tmp_path / "exact").problem.with_lam(record["lam"]))
    assert record["certificate"]["primal"] == pytest.approx(direct.certificate.primal, rel=1e-6)


def test_ctrl_c(cli, tmp_path, files, monkeypatch):
    def never(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("flatrank.cli.recovering.Recovery.solve", never)
    outcome = cli("recover", "dense.npz", "--out", "run")
    assert (outcome.code, outcome.err) == (130, "flatrank: interrupted: nothing was written.\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.npz"], "no such file"),
        (["text.npz"], "expected arrays by name, in an npz"),
        (["cut.npz"], "the npz file is damaged or cut off"),
        (["cut.safetensors"], "expected arrays by name"),
        (["torn.safetensors"], "the safetensors file is damaged"),
        (["entries.npz"], "what it holds, col, row, val, is for flatrank complete"),
        (["whole.npz"], "what it holds, Y, is for flatrank separate"),
        (["odd.npz"], "which arrays hold the measurements is not clear: B, b are there"),
        (["dense.npz", "--family", "bilinear"], "there is no 'a' among A, b"),
        (["dense.npz", "--goal", "all"], "--goal must be recover or flat; got all"),
        (["dense.npz", "--rank", "0"], "rank must be a whole number >= 1"),
        (["dense.npz", "--lam", "-1"], "lam must be a finite number >= 0"),
        (["dense.npz", "--lam", "1", "--lam-ratio", "0.1"], "give lam or lam_ratio"),
        (["dense.npz", "--seed", "-1"], "--seed must be a whole number from 0"),
        (["folder"], "folder is not a run folder"),
        (["apart"], "is a robust PCA, which is for flatrank separate"),
        (["kept", "--family", "sensing"], "is a saved solution: leave out --family"),
        (["kept", "--out", "kept", "--force"], "would be written over the input"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(cli, tmp_path, files, arguments, message):
    (tmp_path / "text.npz").write_text("A,b\n1,2\n")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "dense.npz").read_bytes()[:2000])
    whole = (tmp_path / "phase.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:20])
    (tmp_path / "torn.safetensors").write_bytes(whole[:-20])
    np.savez(tmp_path / "entries.npz", row=[0], col=[0], val=[1.0])
    np.savez(tmp_path / "whole.npz", Y=X)
    np.savez(tmp_path / "odd.npz", B=A, b=X[0])
    (tmp_path / "folder").mkdir()
    fr.solve(fr.robust_pca(X)).save(tmp_path / "apart")
    fr.solve(fr.sensing(A, np.einsum("mij,ij->m", A, X))).save(tmp_path / "kept")
    before = sorted(tmp_path.rglob("*"))
    outcome = cli("recover", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
