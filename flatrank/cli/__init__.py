"""The command line: arguments to a few calls. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, on the process's arguments by default, and leave with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from flatrank.cli.app import run

        code = run(given)
        if arguments is None:
            # Nothing is left to interrupt but the end of the interpreter.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        sys.stderr.write("flatrank: interrupted.\n")
        raise SystemExit(130) from None
    except ModuleNotFoundError as absent:
        if absent.name not in ("typer", "rich"):
            raise
        sys.stderr.write(
            f"flatrank: the command line needs {absent.name}, which is not installed: "
            'pip install "flatrank[cli]".\n'
        )
        raise SystemExit(2) from None
    raise SystemExit(code)
