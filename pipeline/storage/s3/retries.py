"""When a request to a store is sent again, and after how long.

boto3's own way of trying again takes no Retry-After and gives up within seconds, which is less than
the restart of a server takes; and it cannot tell a store that was never reached, where a person
waits for the message, from one that is away for a moment.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, HTTPClientError, SSLError
from botocore.exceptions import ConnectionError as NotConnected

from pipeline.errors import ShardmillError
from pipeline.storage.waiting import QUIET_S, SAY_AGAIN_S, say_tries

UNANSWERED: Final = (HTTPClientError, NotConnected)
"""What botocore raises where a request had no answer."""
TRIES: Final = 8
"""How often a request is sent, at most."""
FIRST_TRIES: Final = 5
"""How often it is, where no request to this store has had an answer yet."""
FEW_TRIES: Final = 3
"""How often a body is sent that the store says is not the one whose MD5 came with it."""

_FIRST_WAIT_S, _LONGEST_WAIT_S, _LONGEST_RETRY_AFTER_S = 0.5, 20.0, 60.0
_PASSING_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_ALTERED: Final = frozenset({"BadDigest", "IncompleteBody"})
_PASSING_CODES: Final = frozenset(
    {
        *_ALTERED,
        *("InternalError", "RequestTimeout", "OperationAborted"),
        *("ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException"),
        *("TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded"),
    }
)


def is_passing(status: int, code: str) -> bool:
    """Whether another try may meet another answer.

    Args:
        status: of HTTP.
        code: that of S3's error, such as ``SlowDown``; empty where the answer has none.
    """
    return status in _PASSING_STATUS or code in _PASSING_CODES


def wait_s(attempt: int, retry_after: str | None = None, spread: float | None = None) -> float:
    """Return how many seconds pass before the next try.

    Args:
        attempt: which try has just failed, from 1.
        retry_after: the header of that name, if the answer has one; seconds, or a date, which is
            not taken: clocks differ.
        spread: from 0 to 1, how much of the random part is taken; by default by chance, so that
            many clients that failed together do not return together.
    """
    longest = min(_FIRST_WAIT_S * 2.0 ** (attempt - 1), _LONGEST_WAIT_S)
    share = random.random() if spread is None else spread  # noqa: S311 - no secret
    wait = longest * (1 + share) / 2
    if retry_after is not None and retry_after.strip().isdecimal():
        wait = max(wait, min(float(retry_after), _LONGEST_RETRY_AFTER_S) * (1 + share / 4))
    return wait


class _OfThread(threading.local):
    """What holds for the requests of one thread."""

    most = TRIES


class Retries:
    """Decides, for the client of one store, whether a request is sent again.

    Args:
        is_known: whether the store has answered any request so far, of this or another client.
        answered: is called at each answer, whatever it says.

    """

    def __init__(self, is_known: Callable[[], bool], answered: Callable[[], object]) -> None:
        self._is_known = is_known
        self._answered = answered
        self._began_at = self._said_at = float(
            "-inf"
        )  # of the request that is tried, and of a line
        self._of_thread = _OfThread()

    @property
    def most(self) -> int:
        """How often this thread sends a request at most, whatever comes of it."""
        return self._of_thread.most

    @most.setter
    def most(self, tries: int) -> None:
        self._of_thread.most = tries

    def needs_retry(
        self,
        *,
        response: tuple[Any, Mapping[str, Any]] | None,
        caught_exception: Exception | None,
        attempts: int,
        **request: object,
    ) -> float | None:
        """Return the seconds to wait before the next try, or None: no more tries.

        botocore calls this after each try with what came of it.
        """
        if response is None:
            tries = min(TRIES if self._is_known() else FIRST_TRIES, self.most)
            if attempts >= tries or not _may_pass(caught_exception):
                return None
            wait, why = wait_s(attempts), type(caught_exception).__name__
            self._say(request.get("endpoint"), why, attempts, tries, wait)
            return wait
        self._answered()
        http, parsed = response
        code = str(parsed.get("Error", {}).get("Code", ""))
        # The status may be another than that of HTTP: an error can come with 200.
        status = parsed.get("ResponseMetadata", {}).get("HTTPStatusCode", http.status_code)
        tries = min(FEW_TRIES if code in _ALTERED else TRIES, self.most)
        if attempts >= tries or not is_passing(int(status), code):
            return None
        wait = wait_s(attempts, http.headers.get("retry-after"))
        self._say(request.get("endpoint"), f"HTTP {status} {code}", attempts, tries, wait)
        return wait

    def _say(self, endpoint: object, why: str, attempts: int, tries: int, wait: float) -> None:
        """Say what is tried, if the next try comes long after the first, and not too often."""
        now = time.monotonic()
        if attempts == 1:
            self._began_at = now
        passed = now - self._began_at
        if passed + wait < QUIET_S / 2 or now - self._said_at < SAY_AGAIN_S:
            return
        self._said_at = now
        further = range(attempts + 1, tries)
        rest = wait + sum(wait_s(number, spread=1.0) for number in further)
        rest += (passed / attempts) * (tries - attempts)
        name = getattr(endpoint, "host", "the store")
        say_tries(str(name), why, attempts + 1, tries, rest)


def _may_pass(error: Exception | None) -> bool:
    """Whether what kept a request from being answered is the connection, and may be mended."""
    if isinstance(error, SSLError) or not isinstance(error, UNANSWERED):
        return False
    return not isinstance(cause(error), ShardmillError)


def cause(error: BotoCoreError) -> object:
    """Return the exception that botocore has wrapped, as where the body could not be read."""
    return error.kwargs.get("error")
