"""Alternating least squares in NumPy and SciPy, from the SVD of the zero-filled matrix.

What a careful user writes: all r × r normal equations of a side formed by one sparse product with
the pairwise products of the other side's columns, and solved in one batch.
"""

import argparse

import numpy as np
from instance import Clock, Completion, Stopped, report
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--budget", type=float, default=120)
    options = parser.parse_args()
    instance = Completion(options.instance)
    runs = [solve(instance, options.budget) for _ in range(options.repeats)]
    report(runs)


def solve(instance, budget):
    clock = Clock(instance, budget=budget)
    try:
        iterate(instance, clock)
    except Stopped:
        return clock.trace


def iterate(instance, clock):
    places = (instance.rows, instance.cols)
    values = csr_array((instance.values, places), shape=instance.shape)
    seen = csr_array((np.ones(instance.values.size), values.indices, values.indptr),
                     shape=instance.shape)  # fmt: skip
    valuesT, seenT = values.T.tocsr(), seen.T.tocsr()
    U, s, Vt = svds(values, k=instance.rank, random_state=0)
    R = Vt.T * np.sqrt(s)
    while True:
        L = half_step(values, seen, R)
        R = half_step(valuesT, seenT, np.linalg.qr(L)[0])
        clock.record(np.linalg.qr(L)[0], R)


def half_step(values, seen, other):
    k = other.shape[1]
    i, j = np.triu_indices(k)
    packed = seen @ (other[:, i] * other[:, j])
    gram = np.empty((packed.shape[0], k, k))
    gram[:, i, j] = packed
    gram[:, j, i] = packed
    ridge = 1e-14 * np.trace(gram, axis1=1, axis2=2)[:, None, None] + 1e-300
    return np.linalg.solve(gram + ridge * np.eye(k), (values @ other)[:, :, None])[:, :, 0]


if __name__ == "__main__":
    main()
