"""The one place where commands write to standard output and standard error.

What is said goes to a `Voice`: usually one that prints. A command that was asked to be quiet, or
to write a log, speaks with another one for as long as it lasts.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import click

from pipeline import plaintext
from pipeline.errors import ShardmillError
from pipeline.plaintext import Lines
from tasks.cli.wrapping import fitting

if TYPE_CHECKING:
    from tasks.cli.bars import Bar


class Level(StrEnum):
    """How much a message matters."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Voice:
    """Prints: what was asked for on standard output, all else on standard error.

    Attributes:
        shows_bars: whether progress may be drawn on a terminal, instead of said in lines.
        is_for_programs: whether events matter to who listens.
        keeps_errors: whether errors are said here, too, where a log has them.
    """

    shows_bars = True
    is_for_programs = False
    keeps_errors = False

    def say(self, text: str, level: Level) -> None:
        """Say a text, which holds nothing that a terminal obeys, and no line feed at its end."""
        _print(text, err=level is not Level.INFO)

    def insist(self, text: str) -> None:
        """Say what a person should know even if all is well otherwise."""
        self.say(text, Level.WARNING)

    def say_as_it_is(self, text: str) -> None:
        """Say on standard output what is read by programs, or copied; its lines are not broken."""
        click.echo(text)

    def say_progress(self, text: str) -> None:
        """Say how far something is, which matters only now."""
        _print(text, err=True)

    def refuse(self, error: ShardmillError) -> None:
        """Say an error that is raised on purpose."""
        self.say(plaintext.lines(f"shardmill: {error}"), Level.ERROR)

    def event(self, name: str, /, **fields: Any) -> None:
        """Tell a program of something that happened; a person is told it by what is said."""

    def fact(self, **fields: Any) -> None:
        """Tell a program something that there is once."""

    def look(self, bars: Callable[[float], list[Bar]]) -> None:
        """Hear several times a second that tasks run; `bars` says how far they are."""

    def begin(self, command: str) -> None:
        """Note that a command begins."""

    def end(self, status: int) -> None:
        """Note that the command ends with an exit status; nothing is said after it."""


_voices = [Voice()]


@contextlib.contextmanager
def speaking(voice: Voice) -> Iterator[None]:
    """Have everything be said by a voice in this context."""
    _voices.append(voice)
    try:
        yield
    finally:
        _voices.pop()


def voice() -> Voice:
    """Return the voice of the command that is carried out."""
    return _voices[-1]


def say(text: object, *, err: bool = False) -> None:
    """Print a text as one line that a terminal only shows; `Lines` and errors as their lines.

    Args:
        text: what to say; names of others may stand in it.
        err: to standard error, instead of standard output.
    """
    voice().say(_plain(text), Level.WARNING if err else Level.INFO)


def insist(text: object) -> None:
    """Print on standard error, as one line, what a person should know even of a quiet command."""
    voice().insist(_plain(text))


def say_as_it_is(text: object) -> None:
    """Print a path, a script or a document on standard output, however narrow a terminal is."""
    voice().say_as_it_is(_plain(text))


def say_progress(text: object) -> None:
    """Print on standard error, as one line, how far something is."""
    voice().say_progress(_plain(text))


def say_refusal(error: ShardmillError) -> None:
    """Say why the command does not go on, or what a check has found."""
    voice().refuse(error)


def say_failure(text: object) -> None:
    """Say why the command fails, as `say` does."""
    voice().say(_plain(text), Level.ERROR)


def say_traceback(error: BaseException) -> None:
    """Say where a defect shows; its lines are indented, so that none passes for another's."""
    import traceback  # noqa: PLC0415 - every command begins with this module, and few end here

    text = "".join(traceback.format_exception(error)).rstrip("\n")
    say_failure(Lines.of(f"  {each}" for each in text.split("\n")))


def _print(text: str, *, err: bool) -> None:
    click.echo(fitting(text, sys.stderr if err else sys.stdout), err=err)


def _plain(text: object) -> str:
    several = isinstance(text, Lines | ShardmillError)
    return plaintext.lines(text) if several else plaintext.line(text)
