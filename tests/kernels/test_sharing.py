"""Threads and processes: the same numbers, whoever computes them, and no one waits for ever."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from flatrank import arrays, kernels

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def large(pattern, arguments):
    """Enough entries, unevenly spread, for three threads to take part."""
    C = pattern(3000, 500, 450_000, 60_000)
    return C, *arguments(C, 5, "float32")


@pytest.fixture
def crew(monkeypatch):
    """A fresh team of three threads."""
    from flatrank.kernels import team

    monkeypatch.setenv("FLATRANK_NUM_THREADS", "3")
    team.team.cache_clear()
    yield team.team()
    team.team.cache_clear()


def python(program, *before, **environment):
    """What a program prints, run on its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [*before, sys.executable, "-c", program]
    out = subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True, timeout=300
    )
    assert (out.returncode, out.stderr) == (0, "")
    return out.stdout


def test_bit_for_bit_the_same(large, every, crew):
    first = every(*large)
    assert len(crew.helpers) == 2
    for _ in range(20):
        for name, x in every(*large).items():
            np.testing.assert_array_equal(first[name], x)


def test_many_threads_at_once(large, crew):
    C, X, Y, P, Q, _v, b, e, _w = large

    def descend(scale):
        Z = scale * X
        for _ in range(5):
            G, _ = kernels.residual_gradient(C, Z, Y, b)
            Z = Z + np.float32(1e-4) * (G + kernels.curvature_product(C, Z, Y, P, Q, e))
        return Z

    scales = np.linspace(0.5, 1, 4, dtype=np.float32)
    expected = [descend(s) for s in scales]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(15):
            for got, wanted in zip(threads.map(descend, scales), expected, strict=True):
                np.testing.assert_array_equal(got, wanted)


def test_helpers_end_when_idle_and_come_back(large, crew):
    C, X, Y, *_ = large
    expected = kernels.sampled_product(C, X, Y)
    helpers = crew.helpers
    assert [helper.is_alive() for helper in helpers] == [True] * 2
    time.sleep(0.2)
    kernels.sampled_product(C, X, Y)
    assert crew.helpers == helpers
    for helper in helpers:
        helper.join(timeout=30)
    assert not any(helper.is_alive() for helper in helpers)
    np.testing.assert_array_equal(kernels.sampled_product(C, X, Y), expected)
    assert [helper.is_alive() for helper in crew.helpers] == [True] * 2


def test_where_no_thread_may_begin(large, crew, monkeypatch):
    C, X, Y, *_ = large
    expected = kernels.sampled_product(C, X, Y)

    def refused(_):
        raise RuntimeError("can't start new thread")

    for helper in crew.helpers:
        helper.join(timeout=30)
    monkeypatch.setattr(threading.Thread, "start", refused)
    np.testing.assert_array_equal(kernels.sampled_product(C, X, Y), expected)
    assert not crew.helpers


@pytest.mark.parametrize(
    ("ours", "others", "threads"),
    [("3", "2", 3), ("", "2", 2), (None, "5,2", 5), ("0", "2", 2), ("many", "1", 1)],
)
def test_how_many_threads(monkeypatch, ours, others, threads):
    for name, value in (("FLATRANK_NUM_THREADS", ours), ("OMP_NUM_THREADS", others)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert arrays.threads() == threads
    assert kernels.describe()["threads"] == threads


# A pattern, `sums()` of all kernels with narrow and wide factors, and the threads beside the first.
SHARED = """
import hashlib, os, sys
import numpy as np
from flatrank import arrays, kernels
m, n = 200_000, 1000
rng = np.random.default_rng(0)
rows = np.sort(rng.integers(0, n, m))
indptr = np.searchsorted(rows, np.arange(n + 1)).astype(np.int32)
C = kernels.Compressed(indptr, rng.integers(0, n, m).astype(np.int32), n)
b = rng.standard_normal(m)
factors = [rng.standard_normal((n, k)) for k in (3, 19)]
def results():
    for X in factors:
        yield kernels.sampled_product(C, X, X)
        yield kernels.sparse_tall(C, b, X)
        yield from kernels.residual_gradient(C, X, X, b)
        yield kernels.curvature_product(C, X, X, X, X, b)
        grams, sides = kernels.row_grams(C, X, b)
        yield from (grams, sides, kernels.inverses(grams))
def sums():
    return hashlib.sha256(b"".join(x.tobytes() for x in results())).hexdigest()
def helpers():
    from flatrank.kernels import team
    return len(team.team().helpers)
"""


def test_any_number_of_threads_gives_the_same():
    def run(**environment):
        return python(SHARED + "print(sums(), helpers())", **environment).split()

    alone, none = run(FLATRANK_NUM_THREADS="1")
    assert none == "0"
    for environment, count in (
        ({"FLATRANK_NUM_THREADS": "2"}, "1"),
        ({"FLATRANK_NUM_THREADS": "", "OMP_NUM_THREADS": "4"}, "3"),
    ):
        assert run(**environment) == [alone, count]


QUICK = """
import numpy as np
from array import array
from flatrank.kernels import execution, team
from flatrank.kernels.hardware import HARDWARE
from flatrank.kernels.rows import Variant
crew, rows = team.team(), execution.loop_of(Variant("turned", 1, 64, 1, False))
p, q, w = np.zeros(16 * HARDWARE.piece), np.ones(16 * HARDWARE.piece), np.ones(1)
where = {name: execution.address(x) for name, x in {"P": p, "Q": q, "W": w}.items()}
job = array("q", execution.job(N=16, M=p.size, **where))
crew.gather(3)
for _ in range(100_000):  # P = P + 1
    crew.lead.call(crew.box, job.buffer_info()[0], rows.address, 16, 3)
assert (p == 100_000).all()
"""


def test_calls_one_right_after_the_other():
    """A caller waits for helpers that still look for work of the call before; no row runs twice."""
    python(QUICK)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs to choose its processors")
def test_one_core():
    one = f"import os; os.sched_setaffinity(0, [{min(os.sched_getaffinity(0))}])\n"
    shared = python(one + SHARED + "print(sums())", FLATRANK_NUM_THREADS="3")
    alone = python(one + SHARED + "print(sums(), helpers())")
    assert alone.split() == [shared.strip(), "0"]


FORKED = """
import time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
first = sums()
for pause in (0, 0.001, 0.1, 3):  # helpers spin, doze, sleep, are gone
    time.sleep(pause)
    child = os.fork()
    if not child:
        os._exit(0 if helpers() == 0 and sums() == first and helpers() == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sums() == first
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_has_helpers_of_its_own():
    python(SHARED + FORKED, FLATRANK_NUM_THREADS="3")


@pytest.mark.parametrize("ending", ["", "sys.exit()", "del kernels, C; import gc; gc.collect()"])
def test_the_end_does_not_wait_for_helpers(ending):
    program = f"{SHARED}\nimport time\nsums()\nprint(helpers(), time.time())\n{ending}"
    for _ in range(3):
        helpers, left = python(program, FLATRANK_NUM_THREADS="3").split()
        assert helpers == "2"
        assert time.time() - float(left) < 20


SECOND = """
from flatrank.kernels import execution, support, team
made = [execution.rows_of("sampled_product", k, 32) for k in (3, 19)]
made += team.team().life, team.team().lead
print(*(int(f.found) for f in made), len(support.compiling), support.seconds_compiling())
"""


def test_a_second_process_compiles_nothing(tmp_path):
    """And no two processes write to the same file, unless they write the same."""

    def run():
        *hits, compiled, seconds = python(SECOND, FLATRANK_CACHE_DIR=str(tmp_path)).split()
        return [int(h) for h in hits], int(compiled), float(seconds)

    (cold, compiled, seconds), warm = run(), run()
    assert (cold, compiled) == ([0] * 4, 4)
    assert seconds > 0
    assert warm == ([1] * 4, 0, 0.0)
    assert [f.suffix for f in tmp_path.iterdir()] == [".o"] * 4


def test_files_that_are_broken_are_made_anew(tmp_path):
    python(SECOND, FLATRANK_CACHE_DIR=str(tmp_path))
    for i, file in enumerate(tmp_path.iterdir()):
        content = file.read_bytes()
        file.write_bytes([b"", b"nonsense", content[:-1], content[:99] + b"x" + content[100:]][i])
    assert python(SECOND, FLATRANK_CACHE_DIR=str(tmp_path)).startswith("0 0 0 0 4 ")
    assert python(SECOND, FLATRANK_CACHE_DIR=str(tmp_path)).startswith("1 1 1 1 0 ")


def test_no_place_for_a_cache(tmp_path):
    """Where nothing can be written, kernels are compiled in each process."""
    (tmp_path / "file").touch()
    inside = tmp_path / "file" / "folder"
    nowhere = "import flatrank.kernels as k\nassert k.describe()['cache'] is None\n"
    out = python(nowhere + SECOND, FLATRANK_CACHE_DIR=str(inside))
    assert out.startswith("0 0 0 0 4 ")


FULL = """
import tempfile
def full(*_, **__):
    raise OSError(28, "No space left on device")
tempfile.NamedTemporaryFile = full
"""


def test_a_disk_that_is_full(tmp_path):
    out = python(FULL + SECOND, FLATRANK_CACHE_DIR=str(tmp_path))
    assert out.startswith("0 0 0 0 4 ")


AT_ONCE = """
from concurrent.futures import ThreadPoolExecutor
X = factors[0]
with ThreadPoolExecutor(4) as threads:
    found = list(threads.map(lambda _: kernels.sampled_product(C, X, X), range(4)))
with kernels.using("reference"):
    assert all(np.allclose(x, kernels.sampled_product(C, X, X)) for x in found)
"""


def test_first_calls_of_several_threads_at_once(tmp_path):
    python(SHARED + AT_ONCE, FLATRANK_CACHE_DIR=str(tmp_path))
