"""How a command ends: what stopped it is said, and an exit status follows."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import click

from pipeline import plaintext
from pipeline.errors import EnvironmentRefused, ShardmillError, out_of_memory
from pipeline.plaintext import Lines
from tasks.cli.saying import say_failure, say_refusal

INTERRUPTED = 130
_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""Raised without words, with the lines of ``--help``; of click 8.2 and later."""


def carried_out(command: Callable[[], object]) -> int:
    """Carry out a command; return its exit status, also where it raises what it may raise."""
    try:
        status = command()
    except ShardmillError as error:
        status = _refused(error)
    except click.ClickException as error:
        if not isinstance(error, _HELP):
            vars(error)["message"] = plaintext.line(error.message)
        shown = io.StringIO()
        error.show(file=shown)
        say_failure(Lines(shown.getvalue().rstrip("\n")))
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say_failure("interrupted")
        status = INTERRUPTED
    except ModuleNotFoundError as error:
        status = _refused(_incomplete(error))
    except MemoryError as error:
        status = _refused(out_of_memory(error))
    except OSError as error:
        status = _refused(_translated(error))
    return status if isinstance(status, int) else 0


def _translated(error: OSError) -> ShardmillError:
    """Return the error of a call that no step expected to fail, such as to start a process."""
    from pipeline.storage import translated  # noqa: PLC0415  (Arrow: not for every command)

    return translated(error, Path(error.filename) if error.filename else None)


def _incomplete(error: ModuleNotFoundError) -> ShardmillError:
    """Return which packages are missing here, all at once; a defect of the program is raised."""
    from pipeline.environment import packages  # noqa: PLC0415 - not where none is missing

    missing = packages.missing()
    if not missing:
        raise error
    return EnvironmentRefused(
        "packages that shardmill needs are not installed",
        expected=", ".join(each.requirement for each in missing),
        found=str(error),
        remedy=packages.install_command([each.requirement for each in missing]),
    )


def _refused(error: ShardmillError) -> int:
    say_refusal(error)
    return error.exit_status
