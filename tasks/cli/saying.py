"""The one place where commands write to standard output and standard error."""

from __future__ import annotations

import click

from pipeline import plaintext
from pipeline.errors import ShardmillError
from pipeline.plaintext import Lines


def say(text: object, *, err: bool = False) -> None:
    """Print a text as one line that a terminal only shows; `Lines` and errors as their lines.

    Args:
        text: what to say; names of others may stand in it.
        err: to standard error, instead of standard output.
    """
    several = isinstance(text, Lines | ShardmillError)
    click.echo(plaintext.lines(text) if several else plaintext.line(text), err=err)


def say_refusal(error: ShardmillError) -> None:
    """Say why the command does not go on, or what a check has found."""
    say(Lines(f"shardmill: {error}"), err=True)


def say_traceback(error: BaseException) -> None:
    """Say where a defect shows; its lines are indented, so that none passes for another's."""
    import traceback  # noqa: PLC0415 - every command begins with this module, truncated end here

    text = "".join(traceback.format_exception(error)).rstrip("\n")
    say(Lines.of(f"  {each}" for each in text.split("\n")), err=True)
