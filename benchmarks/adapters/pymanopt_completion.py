"""pymanopt: conjugate gradients on the fixed-rank manifold, from the zero-filled SVD."""

import argparse
import contextlib

import numpy as np
import pymanopt
from instance import Clock, Completion, Stopped, report
from pymanopt.manifolds import FixedRankEmbedded
from pymanopt.optimizers import ConjugateGradient
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--budget", type=float, default=300)
    options = parser.parse_args()
    instance = Completion(options.instance)
    runs = [solve(instance, options.budget) for _ in range(options.repeats)]
    report(runs)


def solve(instance, budget):
    clock = Clock(instance, budget=budget)
    values = csr_array((instance.values, (instance.rows, instance.cols)), shape=instance.shape)
    manifold = FixedRankEmbedded(*instance.shape, instance.rank)
    rows = np.repeat(np.arange(instance.shape[0]), np.diff(values.indptr))
    start = svds(values, k=instance.rank, random_state=0)

    def misfit(u, s, vt):
        left, right = u * s, vt.T
        return np.einsum("ij,ij->i", left[rows], right[values.indices]) - values.data

    @pymanopt.function.numpy(manifold)
    def cost(u, s, vt):
        return 0.5 * np.sum(misfit(u, s, vt) ** 2)

    @pymanopt.function.numpy(manifold)
    def gradient(u, s, vt):
        clock.record(u * s, vt.T)  # once an iteration, at the point accepted
        residual = csr_array((misfit(u, s, vt), values.indices, values.indptr), values.shape)
        right, left = residual @ vt.T, residual.T @ u
        return right * s, np.sum(u * right, axis=0), (left * s).T

    problem = pymanopt.Problem(manifold, cost, euclidean_gradient=gradient)
    optimizer = ConjugateGradient(max_iterations=10**6, max_time=budget, min_gradient_norm=1e-14,
                                  min_step_size=1e-16, verbosity=0)  # fmt: skip
    with contextlib.suppress(Stopped):
        optimizer.run(problem, initial_point=start)
    return clock.trace


if __name__ == "__main__":
    main()
