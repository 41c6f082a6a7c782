"""What a call leaves behind in its process."""

import threading

from threadpoolctl import threadpool_info, threadpool_limits

from flatrank.arrays import all_cores, scope


def blas_threads():
    """Of every BLAS with threads: other tests may have loaded one that was built without."""
    pools = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
    return {pool["num_threads"] for pool in pools if pool.get("threading_layer") != "disabled"}


def test_overlapping_calls_leave_the_threads_of_blas_as_they_were():
    """The first to enter leaves first: the second still has one thread, and all end with two."""
    inside, leave, seen = threading.Event(), threading.Event(), {}

    def second():
        with scope():
            inside.set()
            leave.wait(10)
            seen["second"] = blas_threads()

    with threadpool_limits(2, "blas"):
        other = threading.Thread(target=second)
        with scope():
            other.start()
            assert inside.wait(10)
        seen["between"] = blas_threads()
        leave.set()
        other.join()
        seen["after"] = blas_threads()
    assert seen == {"between": {1}, "second": {1}, "after": {2}}


def test_what_is_long_has_all_cores_and_what_is_short_has_not(monkeypatch):
    monkeypatch.setenv("FLATRANK_NUM_THREADS", "2")
    with threadpool_limits(2, "blas"), scope():
        for flops, threads in ((1e6, 1), (1e12, 2)):
            with all_cores(flops):
                assert blas_threads() == {threads}
        assert blas_threads() == {1}
        monkeypatch.setenv("FLATRANK_NUM_THREADS", "1")
        with all_cores(1e12):
            assert blas_threads() == {1}


def test_an_error_inside_leaves_them_too():
    with threadpool_limits(2, "blas"):
        try:
            with scope():
                raise KeyError
        except KeyError:
            pass
        assert blas_threads() == {2}
