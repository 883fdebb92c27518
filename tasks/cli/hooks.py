"""What is run or asked for when a command begins and ends: the user's programs, a health check.

None of it decides anything: what fails is said, and the exit status stays what it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from typing import IO, Final
from urllib.parse import urlsplit, urlunsplit

from pipeline import plaintext
from pipeline.errors import ShardmillError, UsageError
from tasks.cli.saying import insist

PROGRAM_S: Final = 300.0
"""Seconds after which a program is ended."""
HEALTH_S: Final = 10.0
"""Seconds that a health check may take to answer."""
_SHELL: Final = "/bin/sh"
_MOST_SAID: Final = 2000  # bytes of what a program that failed has printed


def run(option: str, command: str, variables: Mapping[str, str]) -> None:
    """Have the shell run a command; say it if it fails or takes too long.

    It has no input, and what it prints is said only if it fails: standard output is the answer of
    this program.

    Args:
        option: what gave the command.
        command: in the words of the shell.
        variables: of its environment, beside those of this process.
    """
    environment = {**os.environ, **{name: _plain(text) for name, text in variables.items()}}
    with tempfile.TemporaryFile() as printed:
        try:
            process = subprocess.Popen(
                [_SHELL, "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # so that all of it can be ended
            )
        except OSError as error:
            insist(f"{option}: it cannot be run: {error.strerror}")
            return
        try:
            status = process.wait(PROGRAM_S)
        except subprocess.TimeoutExpired:
            _end(process)
            insist(f"{option}: ended after {PROGRAM_S:,.0f} s{_said(printed)}")
            return
        except BaseException:
            _end(process)
            raise
        if status:
            how = f"status {status}" if status > 0 else _signal_name(-status)
            insist(f"{option}: it failed with {how}{_said(printed)}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # those of real time have none
        return f"signal {number}"


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _said(printed: IO[bytes]) -> str:
    """Return what a program printed first, in a line."""
    printed.seek(0)
    text = printed.read(_MOST_SAID).decode(errors="backslashreplace").strip()
    return f": {plaintext.line(text)}" if text else ""


def _plain(text: str) -> str:
    """Return a text that an environment can hold."""
    return text.replace("\0", "")


class HealthCheck:
    """An address that is asked for when a command begins and ends.

    It may hold a token, so whatever is said names its host only.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)

    @classmethod
    def of(cls, url: str) -> HealthCheck:
        """Return the check of ``--health-url``.

        Raises:
            UsageError: it is no address of the web; which is not said again.
        """
        refused = UsageError(
            "--health-url: not an address of the web",
            expected="https://HOST/... or http://HOST/...",
            remedy="give the address of the check as its service shows it",
        )
        try:
            check = cls(url)
            is_of_web = check._parts.scheme in {"http", "https"} and bool(check._parts.hostname)
            is_of_web = is_of_web and check._parts.port != 0
        except ValueError as error:
            raise refused from error
        if not is_of_web or not url.isprintable() or not url.isascii() or " " in url:
            raise refused
        return check

    def tell(self, what: str, text: str = "") -> None:
        """Ask for the address; say it if there is no answer of success.

        Args:
            what: what stands behind the path of the address: ``start``, ``fail`` or nothing.
            text: what is sent, for people who look at the check.
        """
        from pipeline.storage.http.ping import ping  # noqa: PLC0415 - libcurl: only where asked

        parts = self._parts
        path = f"{parts.path.rstrip('/')}/{what}" if what else parts.path
        url = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
        try:
            ping(url, text.encode(), HEALTH_S)
        except ShardmillError as error:
            insist(f"the health check at {parts.hostname} was not told: {error.brief}")
