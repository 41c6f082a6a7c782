"""`python -m benchmarks [SECTION ...]`: measure, keep the results, write the table.

A figure that is measured again replaces the one before; the others stay, each with its date and the
load it was taken under.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from benchmarks import clicks, coverage, imputing, instances, nets, ordinary, running, table
from benchmarks.blocks import BLOCKS

WORK = running.ROOT / ".benchmarks" / "instances"
SECTIONS = tuple(BLOCKS)
GRADIENTS = {
    "100000x5000000xfloat32": "n = 1e5 + 1e5, 5e6 entries, k = 10, float32",
    "100000x5000000xfloat64": "n = 1e5 + 1e5, 5e6 entries, k = 10, float64",
    "1000000x10000000xfloat32": "n = 1e6 + 1e6, 1e7 entries, k = 10, float32",
    "1000000x10000000xfloat64": "n = 1e6 + 1e6, 1e7 entries, k = 10, float64",
}
SWEEPS = {
    "671x9066x100000x16": "671 × 9066, 1e5 entries, k = 16",
    "25000x100x1800000x16": "25 000 × 100, 1.8e6 entries, k = 16",
    "100000x20000x10000000x16": "100 000 × 20 000, 1e7 entries, k = 16",
}
#: Sections whose adapters make their instances themselves, of the name alone.
NAMED = {
    "hard": instances.HARD,
    "ordinary": {name: f"{n // 4} to {n}" for name, n in ordinary.CLASSES.items()},
    "coverage": {name: f"{mask}, noise {noise}" for name, (noise, mask) in coverage.CELLS.items()},
    "kernels": GRADIENTS,
    "sweeps": SWEEPS,
    "figures": instances.FIGURES,
    "robust": instances.ROBUST,
    "tomography": instances.TOMOGRAPHY,
    "phase": instances.PHASE,
    "balanced": instances.BALANCED,
    "cli": {name: name for name in instances.RATINGS},
}


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--only", action="append", default=[], metavar="SOLVER",
                        help="solvers whose name begins so; may be repeated")  # fmt: skip
    parser.add_argument(
        "--instance", action="append", default=[], help="a name or a pattern: n1000, 'insteval/*'"
    )
    parser.add_argument("--repeats", type=int, default=5, help="timed runs; the fastest counts")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(instances.SEEDS))
    parser.add_argument("--timeout", type=float, default=3600, help="seconds a solver may take")
    parser.add_argument("--keep-faster", action="store_true",
                        help="keep the figure before where it was faster")  # fmt: skip
    parser.add_argument("--table", action="store_true", help="write the table only")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    for section in [] if options.table else options.sections or SECTIONS:
        for peer in running.peers(section, options.only):
            for name, title, argument in wanted(section, options):
                if peer.instances and name not in peer.instances:
                    continue
                running.say(f"{section}: {peer.name} on {name}")
                outcome = running.run(peer, argument, options.repeats, options.timeout)
                table.keep(section, peer, (name, title), outcome, options.keep_faster)
                running.say(f"    {table.line(section, outcome)}")
    path = table.write()
    running.say(f"wrote {path.relative_to(running.ROOT)}")
    return 0


def wanted(section: str, options: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    """Name, title and adapter argument of each instance asked for."""
    for name, title, make in every(section, options.seeds):
        if not options.instance or any(fnmatch(name, word) for word in options.instance):
            yield name, title, str(make())


def every(section: str, seeds: list[int]):
    if section in NAMED:
        return [
            (name, recipe if isinstance(recipe, str) else recipe.title, lambda name=name: name)
            for name, recipe in NAMED[section].items()
        ]
    if section == "imputing":
        return [
            (name, title, lambda n=name: running.table_file(WORK, n))
            for name, title in imputing.TABLES.items()
        ]
    if section == "sharpness":
        return [
            (name, title, lambda n=name: nets.net_file(WORK, n))
            for name, (title, _) in nets.NETS.items()
        ]
    if section == "penalised":
        return [
            (name, r.title, lambda n=name, r=r: instances.discrete_file(WORK, n, r))
            for name, r in instances.PENALISED.items()
        ]
    if section == "implicit":
        return [
            (name, log.title, lambda n=name, g=log: clicks.clicks_file(WORK, n, g))
            for name, log in clicks.CLICKS.items()
        ]
    if section == "ratings":
        return [
            (f"{name}/{seed}", name, lambda n=name, s=seed: instances.ratings_file(WORK, n, s))
            for name in instances.RATINGS
            for seed in seeds
        ]
    recipes = getattr(instances, section.upper())
    return [
        (name, r.title, lambda n=name, r=r: instances.completion_file(WORK, f"{section}-{n}", r))
        for name, r in recipes.items()
    ]


if __name__ == "__main__":
    Path(WORK).mkdir(parents=True, exist_ok=True)
    sys.exit(main())
