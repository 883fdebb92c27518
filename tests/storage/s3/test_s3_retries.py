"""When a request is sent again, and after how long."""

from __future__ import annotations

import re
import threading

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    SSLError,
)
from support import on_wait

from pipeline.errors import NoPermission
from pipeline.storage.s3 import retries
from pipeline.storage.s3.retries import FEW_TRIES, FIRST_TRIES, TRIES, Retries
from pipeline.storage.waiting import QUIET_S

CUT = ConnectionClosedError(endpoint_url="http://host")
NOT_THERE = EndpointConnectionError(endpoint_url="http://host", error=OSError())


class Http:
    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status_code = status
        self.headers = headers


class Endpoint:
    host = "http://host"


def tries(
    *, status: int = 0, code: str = "", error: Exception | None = None, is_known: bool = True
) -> int:
    """Return how often a request is sent that always has the same end."""
    policy = Retries(lambda: is_known, lambda: None)
    response = (Http(status, {}), {"Error": {"Code": code}}) if status else None
    attempts = 1
    while (
        policy.needs_retry(response=response, caught_exception=error, attempts=attempts) is not None
    ):
        attempts += 1
    return attempts


@pytest.mark.parametrize(
    ("status", "code", "number"),
    [
        *((status, "", TRIES) for status in (408, 429, 500, 502, 503, 504)),
        *((503, "SlowDown", TRIES), (400, "RequestTimeout", TRIES), (200, "InternalError", TRIES)),
        (400, "BadDigest", FEW_TRIES),
        *((200, "", 1), (404, "NoSuchKey", 1), (403, "AccessDenied", 1), (412, "", 1)),
        *((301, "PermanentRedirect", 1), (501, "NotImplemented", 1), (507, "", 1)),
    ],
)
def test_what_may_pass_is_tried_again_and_a_refusal_is_not(
    status: int, code: str, number: int
) -> None:
    assert tries(status=status, code=code) == number


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (CUT, TRIES),
        (NOT_THERE, TRIES),
        (SSLError(endpoint_url="https://host", error=OSError()), 1),
        (NoCredentialsError(), 1),
        (HTTPClientError(error=NoPermission("a local file")), 1),
    ],
)
def test_a_lost_connection_is_tried_again(error: Exception, number: int) -> None:
    assert tries(error=error) == number


def test_a_store_that_never_answered_is_given_up_sooner() -> None:
    assert tries(error=NOT_THERE, is_known=False) == FIRST_TRIES
    assert tries(status=503, is_known=False) == TRIES


def test_waits_grow_and_stay_within_bounds() -> None:
    shortest = [retries.wait_s(attempt, spread=0.0) for attempt in range(1, TRIES)]
    longest = [retries.wait_s(attempt, spread=1.0) for attempt in range(1, TRIES)]
    assert longest == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0]
    assert shortest == [each / 2 for each in longest]


@pytest.mark.parametrize(
    ("asked", "seconds"), [("7", 7.0), ("0", 0.5), ("100000", 60.0), ("soon", 0.5), ("-3", 0.5)]
)
def test_a_store_may_ask_for_a_longer_wait(asked: str, seconds: float) -> None:
    assert retries.wait_s(2, asked, spread=0.0) == seconds
    assert retries.wait_s(2, asked, spread=1.0) >= seconds


def test_a_store_that_does_not_answer_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now, said = [0.0], list[tuple[float, str]]()
    monkeypatch.setattr("pipeline.storage.s3.retries.time.monotonic", lambda: now[0])
    policy = Retries(lambda: False, lambda: None)
    with on_wait(lambda text: said.append((now[0], text))):
        for attempts in range(1, FIRST_TRIES + 1):
            wait = policy.needs_retry(
                response=None, caught_exception=NOT_THERE, attempts=attempts, endpoint=Endpoint()
            )
            now[0] += wait or 0.0
    ((when, line),) = said
    assert when <= QUIET_S
    assert re.match(r"http://host: EndpointConnectionError; try \d of 5, given up at about", line)


def test_a_short_trouble_of_a_store_is_not_said() -> None:
    said = list[str]()
    policy = Retries(lambda: True, lambda: None)
    with on_wait(said.append):
        policy.needs_retry(response=None, caught_exception=CUT, attempts=1, endpoint=Endpoint())
    assert said == []


def test_one_thread_tries_once_and_others_as_often_as_before() -> None:
    policy, seen = Retries(lambda: True, lambda: None), list[int]()
    policy.most = 1
    thread = threading.Thread(target=lambda: seen.append(policy.most))
    thread.start()
    thread.join()
    assert (policy.most, seen) == (1, [TRIES])
