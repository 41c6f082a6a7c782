"""Memory kept for reuse: measured by the pages that the system must hand out anew."""

import subprocess
import sys

import pytest

from flatrank.cli.allocation import FEW, keep_freed_memory

SCRIPT = """
import resource, numpy as np
from flatrank.cli.allocation import keep_freed_memory
pages = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def churn():
    before = pages()
    for _ in range(20):
        np.ones(2**21)
    return pages() - before
first = churn()
done = keep_freed_memory(1000)
churn()
print(int(done), first, churn())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_pages_are_used_again():
    out = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    ).stdout
    done, first, kept = map(int, out.split())
    if not done:
        pytest.skip("this C library has no such settings")
    assert kept < 0.1 * first


def test_large_tables_leave_it_alone():
    assert not keep_freed_memory(FEW + 1)


ONE_THREAD = """
import numpy, scipy.linalg
from threadpoolctl import threadpool_info
from flatrank.arrays import one_blas_thread
one_blas_thread()
print(*{pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})
"""


def test_blas_keeps_to_one_thread():
    out = subprocess.run(
        [sys.executable, "-c", ONE_THREAD], capture_output=True, text=True, check=True
    ).stdout
    assert out.split() == ["1"]
