"""Standard output and standard error: that they cannot be written decides nothing.

A full disk under a redirected output, a terminal that was closed, a reader that has seen enough:
the command goes on and ends with the status of its work. What one of the two cannot take is said
on the other.

Whatever is written to them is text: what a terminal would obey is escaped. The ends of lines are
not: whoever writes has to mean them (`tasks.cli.saying`).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from typing import TextIO

from pipeline import plaintext

_STDOUT, _STDERR = 1, 2


def install() -> None:
    """Put such streams in the places of `sys.stdout` and `sys.stderr`."""
    for fd in range(3):
        _ensure_open(fd)
    out, err = _Unfailing(_STDOUT, "standard output"), _Unfailing(_STDERR, "standard error")
    out.other, err.other = err, out
    sys.stdout = _text(out, sys.stdout, by_line=out.isatty())
    sys.stderr = _text(err, sys.stderr, by_line=True)


def display() -> TextIO:
    """Return standard error for a display that moves the cursor, and escapes what it shows."""
    here = sys.stderr
    return here.obeyed() if isinstance(here, _PlainText) else here


class _PlainText(io.TextIOWrapper):
    """A stream of text that a terminal only shows."""

    _obeyed: TextIO | None = None  # kept: without an owner it would close what both write to

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):  # click tries bytes, to see what a stream takes
            return super().write(text)
        super().write(plaintext.lines(text))
        return len(text)

    def obeyed(self) -> TextIO:
        """Return the same stream for one whose escape sequences are its own."""
        if self._obeyed is None:
            self._obeyed = io.TextIOWrapper(
                self.buffer, encoding=self.encoding, errors=self.errors, line_buffering=True
            )
        return self._obeyed


class _Unfailing(io.RawIOBase):
    """Writes to a descriptor until that fails, then to the other one."""

    other: _Unfailing

    def __init__(self, fd: int, name: str) -> None:
        super().__init__()
        self._fd = fd
        self._shown = name
        self._broken = False

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def writable(self) -> bool:
        return True

    def write(self, content: object, /) -> int:
        view = memoryview(content)  # type: ignore[arg-type]
        if not self._broken:
            try:
                return _write(self._fd, view)
            except OSError as error:
                self._give_up(error)
        return self._pass_on(view)

    def _give_up(self, error: OSError) -> None:
        self._broken = True
        if self._unread(error):
            self.other = self
            return
        why = f"{self._shown} cannot be written ({error.strerror})"
        self._pass_on(memoryview(f"shardmill: {why}: the rest is here\n".encode()))

    def _unread(self, error: OSError) -> bool:
        """Whether somebody has just read enough of the output, as ``head`` does."""
        return self._fd == _STDOUT and error.errno == errno.EPIPE

    def _pass_on(self, view: memoryview) -> int:
        if self.other._broken:  # noqa: SLF001 - of the same class
            return len(view)
        return self.other.write(view)


def _write(fd: int, view: memoryview) -> int:
    while True:
        try:
            return os.write(fd, view)
        except BlockingIOError:  # somebody else has made it so
            select.select([], [fd], [])


def _ensure_open(fd: int) -> None:
    """Keep a closed standard stream's number from becoming that of a file."""
    try:
        os.fstat(fd)
    except OSError:
        with contextlib.suppress(OSError):
            os.open(os.devnull, os.O_RDWR)


def _text(raw: _Unfailing, before: TextIO | None, *, by_line: bool) -> TextIO:
    encoding = getattr(before, "encoding", None) or "utf-8"
    errors = getattr(before, "errors", None) or "strict"
    # A name that the terminal cannot show is no reason to fail, either.
    return _PlainText(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace" if errors == "strict" else errors,
        line_buffering=by_line,
    )
