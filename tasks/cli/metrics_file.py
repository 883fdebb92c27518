"""``--metrics-file``: the figures of a command in a file that is never seen half written."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline import manifest, storage
from pipeline.errors import OutputConflict, ShardmillError, UsageError
from pipeline.state import metrics, progress
from pipeline.state.metrics import Ends, Metrics, StepFigures
from pipeline.storage.local.local_path import absolute
from tasks.cli.listening import Heard
from tasks.cli.saying import insist

if TYPE_CHECKING:
    from tasks.cli.bars import Bar

EVERY_S: Final = 60.0
"""How often the file is renewed while tasks run."""


class MetricsFile:
    """The file of one command.

    It decides nothing: where it cannot be written any more, that is said once.
    """

    def __init__(self, file: Path, before: Ends, heard: Heard) -> None:
        self._file, self._ends, self._heard = file, before, heard
        self._began = time.time()
        self._next = 0.0
        self._is_broken = False

    @classmethod
    def opened(cls, given: str, heard: Heard) -> MetricsFile:
        """Return the file of ``--metrics-file``, checked before work.

        Raises:
            UsageError: its folder is not there or cannot be written, or something else lies there.
        """
        file = Path(absolute(given, "--metrics-file"))
        if not storage.is_folder(file.parent):
            raise UsageError(
                "--metrics-file: its folder is not there",
                file=given,
                expected="a file in a folder that is there",
                remedy="make the folder, or name a file in another one",
            )
        try:
            real = storage.output_file(file)  # a link is followed: its readers read what it names
            storage.probe_writable(real.parent)
        except OutputConflict as error:
            raise _taken(given, error.found) from error
        except ShardmillError as error:
            raise UsageError(
                "--metrics-file: it cannot be written",
                file=given,
                found=error.what,
                remedy="name a file that this user may write",
            ) from error
        return cls(real, metrics.ends_in(_earlier(real, given)), heard)

    def begin(self) -> None:
        """Say that the command is at work."""
        self._write(is_running=True)

    def look(self, bars: Callable[[float], list[Bar]]) -> None:
        """Renew the file if it is time to; `bars` says how far tasks are."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY_S
        self._heard.look(bars(now))
        self._write(is_running=True)

    def end(self, status: int, *, is_success: bool) -> None:
        """Write how the command has ended."""
        self._ends = self._ends.then(time.time(), status, is_success=is_success)
        self._write(is_running=False)

    def _write(self, *, is_running: bool) -> None:
        try:
            self._publish(is_running=is_running)
        except ShardmillError as error:
            if not self._is_broken:
                self._is_broken = True
                insist(f"--metrics-file: it cannot be written any more: {error.brief}")

    def _publish(self, *, is_running: bool) -> None:
        figures = Metrics(
            started=self._began,
            is_running=is_running,
            ends=self._ends,
            outputs=self._heard.outputs,
            steps=self._steps(),
            failures=self._heard.kinds,
        )
        storage.write_unsynced(self._file, figures.text().encode())

    def _steps(self) -> tuple[StepFigures, ...]:
        """Return what the steps of all runs have taken; empty where that cannot be read."""
        timings = [
            timing
            for out, run in self._heard.runs
            for timing in progress.timings(storage.parse(out), run)
        ]
        return tuple(
            StepFigures(each.step, each.tasks, each.seconds, each.images, each.bytes)
            for each in progress.by_step(timings)
        )


def _earlier(file: Path, given: str) -> str:
    """Return the text of an earlier command; "": there is none.

    Raises:
        UsageError: what lies there is none, and would be lost.
    """
    info = storage.stat(file)
    if info is None:
        return ""
    text = None
    if info.size <= manifest.MOST_BYTES:
        text = storage.read_bytes(file, manifest.MOST_BYTES).decode(errors="replace")
    if text is None or not metrics.is_of_metrics(text):
        raise _taken(given, None)
    return text


def _taken(given: str, found: str | None) -> UsageError:
    return UsageError(
        "--metrics-file: something else lies there",
        file=given,
        expected="no file, or one that this option has written",
        found=found,
        remedy="name another file",
    )
