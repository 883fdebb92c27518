"""A proxy between a client and one server, which spoils answers and counts requests."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

SLOW_DOWN: Final = "<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>"
EXPIRED: Final = "<Error><Code>ExpiredToken</Code><Message>expired</Message></Error>"
_SERVER: Final = Path(__file__).with_name("faultserver.py")
Rule = dict[str, Any]


@dataclass(frozen=True)
class Passed:
    """A request that came in.

    Attributes:
        request: method, path and range.
        fault: what was done about it, in order; empty: it was passed on.
        status: of the answer that went to the client; 0: there was none.
        sent: bytes of the body that went to the client.
    """

    request: str
    fault: list[str]
    status: int
    sent: int


def rule(fault: str, match: str = "", **options: Any) -> Rule:
    """Return a rule for `FaultProxy.follow`.

    Args:
        fault: ``answer`` with `status`, `headers` and `body` of its own; ``delay`` for `seconds`,
            beside other faults; ``reset`` the connection at once; ``lose`` the answer of a server
            that has done what was asked; ``whole``: the range is not passed on, so that all is
            sent; ``elsewhere``: a range that begins `by` bytes later; ``cut`` the body `after` so
            many bytes; ``length``: announce `by` bytes more, and close the connection; ``gzip``
            the body; ``flip`` a bit of the byte at `after`; ``headers``: only put `headers` into
            the answer, as all others do, too.
        match: a regular expression, which is looked for in ``METHOD /path?query bytes=0-9``.
        options: beside those, `skip`: how many such requests pass first; `every`: one of so many;
            `times`: how often at most.
    """
    return {"fault": fault, "match": match, **options}


class FaultProxy:
    """Runs the proxy in a process of its own.

    Args:
        upstream: scheme (http), host and port of the server.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = parts.hostname or "", str(parts.port or 80)
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Scheme, host and port; without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    def follow(self, *rules: Rule) -> None:
        """Do what these rules say from now on, and nothing else; count from 0."""
        self._ask("PUT", "rules", json.dumps(rules))
        self._ask("PUT", "clear")

    def passed(self, match: str = "") -> list[Passed]:
        """Return the requests since the last `follow` that have a text in them, as they came."""
        log = self._ask("GET", "log")["log"]
        return [Passed(**entry) for entry in log if match in entry["request"]]

    def most_under_way(self) -> int:
        """Return how many requests had no answer at a time, at most."""
        return int(self._ask("GET", "log")["most"])

    def start(self) -> None:
        """Start it; it listens when this returns."""
        self._process = subprocess.Popen(
            [sys.executable, str(_SERVER), *self._upstream],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """End it, in the middle of whatever it sends."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have every request wait for as long as the context lasts."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _ask(self, method: str, what: str, body: str | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, f"/-/{what}", body)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
