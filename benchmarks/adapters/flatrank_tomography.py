"""flatrank on states: twenty measured ones of three ions, or one from all mean values of 8 qubits.

Cold is the first solve of the process, warm the median of the others: each ion state once, the
same mean values again.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

import flatrank as fr
from flatrank.data import load_ion_states
from flatrank.measurements import pauli_strings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.instances import TOMOGRAPHY


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if options.instance == "ions":
        ions = load_ion_states()
        asked = [
            (ions.effects, *pair) for pair in zip(ions.frequencies, ions.published, strict=True)
        ]
    else:
        asked = [of_strings(TOMOGRAPHY[options.instance])] * (options.repeats + 1)
    runs = [solve(*one) for one in asked]
    print(json.dumps({
        "seconds": float(np.median([run["seconds"] for run in runs[1:] or runs])),
        "cold_seconds": runs[0]["seconds"],
        "certified": sum(run["status"] == "certified" for run in runs),
        "unique": sum(run["unique"] for run in runs),
        "of": len(runs),
        "fidelity": min(run["fidelity"] for run in runs),
        "error": max(run["error"] for run in runs),
        "relative_gap": max(run["relative_gap"] for run in runs),
        "ranks": sorted({run["rank"] for run in runs}),
        "runs": runs,
    }))  # fmt: skip


def of_strings(state):
    strings, (truth, noise) = pauli_strings(state.qubits), state.draw()
    means = strings.of_matrix(truth)
    return strings, means + noise, truth


def solve(effects, frequencies, state):
    start = time.perf_counter()
    solution = fr.solve(fr.tomography(effects, frequencies))
    U = np.asarray(solution.U)
    seconds = time.perf_counter() - start
    certificate = solution.certificate
    return {
        "seconds": seconds,
        "status": solution.status.name.lower(),
        "unique": bool(certificate.unique),
        "fidelity": float(fr.fidelity(U, state)),
        "error": float(np.linalg.norm(U @ U.conj().T - state) / np.linalg.norm(state)),
        "relative_gap": float(certificate.relative_gap),
        "rank": solution.rank,
    }


if __name__ == "__main__":
    main()
