"""Whole commands as most tests run them: in the test's own process, one task after another.

Nothing but the processes is another than where people run them (`support` has those): the same
main function reads the words, the same tasks do the work, both streams escape what a terminal
would obey. What a worker alone does is left out: trying a task again that failed for a reason
that passes, and going on with other tasks beside one that was refused.
"""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from typing import Any

import forked
import inprocess
import pytest
from support import RawSet

from tasks import cli
from tasks.run import streams
from tasks.run.safepath import SAFE_PATH


class _Kept(io.BytesIO):
    """What was written to a stream that is closed."""

    def close(self) -> None: ...


def shardmill(*arguments: object, answer: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in this process; its worker's tasks and what it compares, too."""
    words = ["shardmill", *map(str, arguments)]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers[signal.SIGHUP] = signal.getsignal(signal.SIGHUP)
    said = {"stdout": _Kept(), "stderr": _Kept()}
    forked.forget_caches()
    with pytest.MonkeyPatch.context() as patch:
        inprocess.in_this_process(patch)
        patch.setattr(sys, "argv", words)
        patch.setattr(sys, "stdin", io.StringIO(answer))
        for name, content in said.items():
            patch.setattr(sys, name, _text(content))
        patch.setattr(streams, "install", lambda: None)
        patch.setattr(sys, "unraisablehook", sys.unraisablehook)  # the command sets its own
        for name, value in SAFE_PATH.items():  # which `main` sets, and the test's own lacks
            patch.setenv(name, value)
        try:
            cli.main()
            raise AssertionError("the command ended without a status")
        except SystemExit as ended:
            status = ended.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        for name in said:
            getattr(sys, name).flush()
    assert isinstance(status, int)
    stdout, stderr = (content.getvalue().decode() for content in said.values())
    return subprocess.CompletedProcess(words, status, stdout, stderr)


def prepare(raw_set: RawSet, out: object, *options: object) -> subprocess.CompletedProcess[str]:
    """Run ``shardmill imagenet`` on a raw set."""
    where = ("--raw", raw_set.raw, "--config", raw_set.config, "--out", out)
    return shardmill("imagenet", *where, *options)


def _text(content: _Kept) -> Any:
    plain: Any = streams._PlainText
    return plain(content, encoding="utf-8", errors="backslashreplace", write_through=True)
