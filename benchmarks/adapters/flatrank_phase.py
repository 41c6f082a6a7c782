"""flatrank on phase retrieval: certified, unique or not, cold (first call) and warm."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from instance import cold_and_warm

import flatrank as fr

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.instances import PHASE


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    x, y, z = drawn(PHASE[options.instance])
    print(json.dumps(cold_and_warm(lambda: solve(x, y, z), options.repeats)))


def drawn(signal):
    """What measures, the sizes seen, and the signal."""
    rng = np.random.default_rng(signal.seed)
    complex_normal = lambda *shape: rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    z = complex_normal(signal.n)
    if signal.masks:
        x = fr.measurements.coded_diffraction(signal.n, signal.masks, seed=signal.seed)
        return x, np.abs(np.fft.fft(np.asarray(x.masks) * z, axis=1)).ravel() ** 2, z
    x = complex_normal(signal.m, signal.n)
    return x, np.abs(x.conj() @ z) ** 2, z


def solve(x, y, z):
    start, cpu = time.perf_counter(), time.process_time()
    solution = fr.solve(fr.phase_retrieval(x, y))
    U = np.asarray(solution.U)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    certificate, u = solution.certificate, U[:, 0]
    phase = np.vdot(u, z) / abs(np.vdot(u, z))
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "error": float(np.linalg.norm(phase * u - z) / np.linalg.norm(z)),
        "status": solution.status.name.lower(),
        "rank": solution.rank,
        "unique": bool(certificate.unique),
        "relative_gap": float(certificate.relative_gap),
        "operator_norm": float(certificate.operator_norm),
        "iterations": solution.counts.steps,
        "products": solution.counts.forward + solution.counts.adjoint,
    }


if __name__ == "__main__":
    main()
