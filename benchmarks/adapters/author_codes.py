"""Completion codes of their authors, run by GNU Octave where a copy is already installed.

FLATRANK_AUTHOR_CODES names the folder that holds them (compiled for Octave); nothing of them is
part of this project. Two clocks: `seconds` is a whole call from entries to factors; `own_seconds`
is what the code itself reports, without its starting point.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from instance import thin
from scipy.io import savemat


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("algorithm")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(measure(options)))


def measure(options):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "instance.mat"
        with np.load(options.instance) as data:
            savemat(file, {key: np.asarray(data[key], dtype=np.float64) for key in data.files})
        call = "author_codes ('{}', '{}', '{}', {}, {})".format(
            os.environ["FLATRANK_AUTHOR_CODES"], file, options.algorithm, options.steps,
            options.repeats,
        )  # fmt: skip
        command = ["octave-cli", "--no-gui", "--quiet", "--no-init-file", "--eval", call]
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("@@@")]
    if not lines:
        raise SystemExit(f"{options.algorithm} failed: {done.stderr.strip()[-500:]}")
    return outcome(json.loads(lines[-1][3:]))


def outcome(answer):
    trace = np.atleast_1d(answer["trace"]).tolist()
    facts = {"final_error": answer["final_error"], "trace": thin(list(enumerate(trace, 1)))}
    if "steps" not in answer:
        return facts | {"seconds": None, "error": min(trace), "iterations": len(trace)}
    whole, own = np.atleast_1d(answer["whole"]), np.atleast_1d(answer["own"])
    return facts | {
        "seconds": float(whole.min()),
        "own_seconds": float(own.min()),
        "error": answer["error"],
        "iterations": answer["steps"],
        "repeats": whole.tolist(),
    }


if __name__ == "__main__":
    main()
