"""Contexts that another process has entered: a staged file, a lock."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import forked

HOLD = """
import fcntl, sys
from pathlib import Path
from pipeline import storage
{before}
with {context}:
    print(flush=True)
    sys.stdin.read()
"""
NO_LOCKS = "fcntl.flock = lambda *_: None"
"""What `before` is for a file system that grants every lock."""


def _hold() -> None:
    exec(sys.argv[1], {})  # noqa: S102  (what a test has written)


forked._MODULES[__name__] = _hold


@contextlib.contextmanager
def elsewhere(context: str, before: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Enter a context in another process, which keeps it until it is killed."""
    command = [sys.executable, "-m", __name__, HOLD.format(context=context, before=before)]
    with forked.ForkedPopen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        try:
            yield process
        finally:
            process.kill()


def staging(path: Path) -> str:
    return f"storage.StagedFile(Path({str(path)!r}))"


def dead() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid
