"""`python -m audit`: try to get a false claim out of a certificate, and count.

Ctrl-C keeps the counts; `--resume` goes on from them. Exit code 1 where there are violations, 130
where the run was interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from audit import running, table

# Seconds between two lines of progress, and two savings.
EVERY = 15.0


def main() -> int:
    """Run, or show a block, or write the table."""
    parser = argparse.ArgumentParser(prog="python -m audit", description=__doc__)
    parser.add_argument("--tries", type=int, default=2000, help="certificates to ask for, at least")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other instances")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the results there are")
    parser.add_argument(
        "--results", type=Path, default=table.RESULTS, help="where the counts are kept"
    )
    parser.add_argument("--page", action="store_true", help="write docs/audit-counts.md as well")
    parser.add_argument("--table", action="store_true", help="write docs/audit-counts.md only")
    parser.add_argument("--block", type=int, metavar="N", help="run one instance, and show it")
    options = parser.parse_args()
    if options.table:
        running.say(f"wrote {table.write(options.results)}")
        return 0
    if options.block is not None:
        return shown(options.seed, options.block)
    totals = table.Totals(options.seed)
    if options.resume and options.results.exists():
        totals = table.load(options.results)
        running.say(f"going on from {table.summary(totals)}")
    code = run(totals, options)
    totals.save(options.results)
    if options.page:
        table.write(options.results)
    for example in totals.examples:
        print(line(example))
    print(table.summary(totals))
    return code or int(bool(totals.violations))


def run(totals: table.Totals, options: argparse.Namespace) -> int:
    """Blocks until there are tries enough; 130 where interrupted."""
    began, told = time.monotonic() - totals.seconds, 0.0
    try:
        with closing(running.outcomes(totals.seed, totals.blocks, options.processes)) as more:
            while totals.tries < options.tries:
                totals.add(next(more))
                totals.seconds = time.monotonic() - began
                if totals.seconds - told > EVERY:
                    told = totals.seconds
                    running.say(table.summary(totals))
                    totals.save(options.results)
    except KeyboardInterrupt:
        running.say("interrupted; the counts are kept")
        return 130
    return 0


def shown(seed: int, index: int) -> int:
    """An instance in full, and what is wrong with what is claimed of it."""
    instance, found, _ = next(running.shown(seed, index))
    np.set_printoptions(precision=17)
    print(f"fr.{instance.door}(")
    for name, value in instance.arguments.items():
        print(f"    {name}={value!r},")
    print(f")\n{instance.family}, {instance.fit}, {', '.join(instance.traits) or 'plain'}")
    print(f"optimum, in units of 2**{instance.units.value}: {found.optimum}")
    outcome = running.block(seed, index)
    for example in outcome.examples:
        print(line(example))
    print(dict(outcome.counts))
    return int(bool(outcome.examples))


def line(example: dict) -> str:
    """A violation in one line."""
    place = f"--block {example['block']}"
    text = f"{place}: {example['kind']}; {example['family']}, {example['fit']}; {example['attack']}"
    if "claim" in example:
        primal, floor, gap, certified, unique = example["claim"]
        low, high = example["optimum"]
        text += (
            f"; claimed [{floor:.9g}, {primal:.9g}], gap {gap:.1e}, certified {bool(certified)}, "
            f"unique {bool(unique)}; optimum in [{low:.12g}, {high:.12g}]"
        )
    return text


if __name__ == "__main__":
    sys.exit(main())
