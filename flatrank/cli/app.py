"""The command line as one function: arguments in, exit code out, every refusal in one line."""

from __future__ import annotations

import os
import shlex

import typer

from flatrank.cli.interrupts import INTERRUPTED
from flatrank.cli.scores import app
from flatrank.cli.terminal import complain, prepare_streams

# typer does not give its usage errors a public name; BadParameter is one of them.
_USAGE: type[Exception] = typer.BadParameter.__mro__[1]


def run(arguments: list[str]) -> int:
    """The exit code of a command; what went wrong was said in one line on standard error."""
    prepare_streams()
    command = typer.main.get_command(app)
    if os.environ.get("_FLATRANK_COMPLETE"):  # a shell asks how a line may go on
        command.main(prog_name="flatrank")
    # Kept in the record: the command that makes the same run from nothing.
    line = shlex.join(["flatrank", *(word for word in arguments if word != "--resume")])
    twice = _given_twice(arguments)
    if twice is not None:
        complain(f"{twice} is given twice, and one of them would be dropped; give it once.")
        return 2
    try:
        # Not `command.main`, which answers Ctrl-C itself, without a word.
        with command.make_context("flatrank", arguments or ["--help"], obj=line) as context:
            return int(command.invoke(context) or 0)
    except typer.Exit as done:
        return done.exit_code
    except _USAGE as misused:
        within = getattr(misused, "ctx", None)
        where = within.command_path if within is not None else "flatrank"
        complain(f"{misused.format_message()} (see {where} --help)")  # pyright: ignore[reportAttributeAccessIssue]
        return 2
    except ValueError as refused:
        # Imported here: the room costs half a second, which --help should not take.
        from flatrank.data.entries import InputError

        if not isinstance(refused, InputError):
            raise
        complain(str(refused))
        return 2
    except OSError as refused:
        place = f"{refused.filename}: " if refused.filename else ""
        complain(f"{place}{refused.strerror or refused}.")
        return 2
    except MemoryError as short:
        complain(f"out of memory: {str(short) or 'the input is too large for this machine'}.")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted.")
        return INTERRUPTED


def _given_twice(arguments: list[str]) -> str | None:
    """The first option that comes a second time."""
    seen: set[str] = set()
    for word in arguments:
        if word == "--":
            break
        option = word.partition("=")[0]
        if option.startswith("--") and option in seen:
            return option
        seen.add(option)
    return None
