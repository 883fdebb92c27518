"""The command line that does a recorded job again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import plaintext
from pipeline.job.build import command_words
from pipeline.job.options import Job

_LONGEST_WORD = 80  # characters


@dataclass(frozen=True)
class CommandLine:
    """A command that a person may copy into a shell.

    A job may have been recorded by others, in an output folder from elsewhere: each word is quoted,
    and a command with a character that a terminal obeys or does not show is not offered, because
    what a person sees of it would not be what the shell is given.

    Attributes:
        words: of the command.
    """

    words: Sequence[str]

    @property
    def text(self) -> str:
        """The command for a shell."""
        return shlex.join(self.words)

    @property
    def offer(self) -> str:
        """The command, or why it is not offered."""
        hidden = next((word for word in self.words if not plaintext.is_plain(word)), None)
        if hidden is None:
            return self.text
        return (
            "not shown, for the recorded job holds characters that a terminal obeys or does not"
            f" show, so what you read would not be what you paste: {_shortened(ascii(hidden))}"
        )


def command_line(job: Job) -> CommandLine | None:
    """Return the ``shardmill`` command of a job; None if only Luigi's own can do it."""
    words = command_words(job)
    return None if words is None else CommandLine(words)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_WORD else f"{text[:_LONGEST_WORD]}..."
