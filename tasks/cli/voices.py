"""How a command speaks that was asked to be quiet, or to write a log."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from pipeline import plaintext, storage
from pipeline.errors import ShardmillError, UsageError
from pipeline.storage.local.local_path import absolute
from pipeline.storage.waiting import WAITS
from tasks.cli.saying import Level, Voice, say


class Quiet(Voice):
    """Keeps what is to be said, and says it only if the command does not end with status 0."""

    shows_bars = False
    keeps_errors = True

    def __init__(self) -> None:
        self._kept = list[tuple[str, Level]]()

    def say(self, text: str, level: Level) -> None:
        """Keep a text."""
        self._kept.append((text, level))

    def insist(self, text: str) -> None:
        """Say a text at once."""
        super().say(text, Level.WARNING)

    def say_progress(self, text: str) -> None:
        """Say nothing: it mattered only then."""

    def end(self, status: int) -> None:
        """Say everything if the command has failed."""
        for text, level in self._kept if status else ():
            super().say(text, level)


class Logged(Voice):
    """Appends what is said to a log; only what belongs on standard output is printed, too.

    Quiet commands say errors where they fail, and those that tell programs always.
    """

    shows_bars = False

    def __init__(self, log: Log, beside: Voice) -> None:
        self._log = log
        self._beside = beside
        self.is_for_programs = beside.is_for_programs

    def say(self, text: str, level: Level) -> None:
        """Log a text."""
        logged = self._log.write(text, level)
        if level is Level.INFO or self._beside.keeps_errors or not logged:
            self._beside.say(text, level)

    def insist(self, text: str) -> None:
        """Log a text, and have a quiet voice say it, too."""
        logged = self._log.write(text, Level.WARNING)
        if self._beside.keeps_errors or not logged:
            self._beside.insist(text)

    def say_progress(self, text: str) -> None:
        """Log how far something is."""
        self._log.write(text, Level.INFO)

    def refuse(self, error: ShardmillError) -> None:
        """Log an error."""
        logged = self._log.write(plaintext.lines(f"shardmill: {error}"), Level.ERROR)
        if self._beside.keeps_errors or not logged:
            self._beside.refuse(error)

    def event(self, name: str, /, **fields: Any) -> None:
        """Tell programs, as without a log."""
        self._beside.event(name, **fields)

    def begin(self, command: str) -> None:
        """Log which command begins."""
        self._log.write(f"shardmill {command} begins, process {os.getpid()}", Level.INFO)
        self._beside.begin(command)

    def end(self, status: int) -> None:
        """Log the exit status."""
        self._log.write(f"ended with status {status}", Level.ERROR if status else Level.INFO)
        self._beside.end(status)


class Log:
    """A file that messages are appended to: several commands may write into it at once.

    A log that cannot be written any more decides nothing; that is said on standard error, once.
    """

    def __init__(self, file: Path, stream: BinaryIO) -> None:
        self._file = file
        self._stream = stream
        self._is_broken = False

    @staticmethod
    @contextlib.contextmanager
    def opened(given: str) -> Iterator[Log]:
        """Open the log of ``--log-file`` for this context.

        Raises:
            UsageError: its folder is not there, or it cannot be written.
        """
        file = Path(absolute(given, "--log-file"))
        if not storage.is_folder(file.parent):
            raise UsageError(
                "--log-file: its folder is not there",
                file=str(file),
                expected=f"the folder {file.parent}",
                remedy="make the folder, or name a file in another one",
            )
        try:
            stream = storage.open_log(file)
        except ShardmillError as error:
            raise UsageError(
                "--log-file: it cannot be written",
                file=str(file),
                found=error.what,
                remedy="name a file that this user may write",
            ) from error
        with stream:
            yield Log(file, stream)

    def write(self, text: str, level: Level) -> bool:
        """Append the lines of a text, each with time and level; return whether it was written."""
        head = f"{datetime.now().astimezone().isoformat(timespec='seconds')} {level}"
        content = "".join(f"{head} {line}\n" for line in text.split("\n"))
        try:
            self._stream.write(content.encode(errors="backslashreplace"))  # one call for all of it
        except OSError as error:
            if not self._is_broken:
                self._is_broken = True
                Voice().say(f"{self._file}: cannot be written: {error.strerror}", Level.WARNING)
            return False
        return True


@contextlib.contextmanager
def saying_waits() -> Iterator[None]:
    """Have the voice of the command say what is waited for in this context."""
    handler, logger = _Saying(logging.WARNING), logging.getLogger(WAITS)
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


class _Saying(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage(), err=True)
