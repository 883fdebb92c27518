"""That a server gives nothing is said while it is tried again, and only then."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from loopback import Loopback, answer, cut_after, hang_up, serve
from support import on_wait

from pipeline.errors import RemoteUnavailable
from pipeline.storage.http import silence
from pipeline.storage.http.request import Request
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.silence import Silence
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.waiting import QUIET_S, SAY_AGAIN_S

CONTENT = bytes(300_000)
SAID = r"(\S+): (.*); try (\d+) of (\d+), given up at about \d\d:\d\d:\d\d"


class Clock:
    """Time that passes where something waits, and only there."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said(clock: Clock) -> Iterator[list[tuple[float, str]]]:
    """What was said, and when."""
    lines = list[tuple[float, str]]()
    with on_wait(lambda text: lines.append((clock.time, text))):
        yield lines


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback(CONTENT) as server:
        yield server


@pytest.fixture
def transfer(clock: Clock) -> Iterator[Transfer]:
    with Transfer(4, clock=clock.now, sleep=clock.sleep, chance=lambda: 1.0) as transfer:
        yield transfer


@pytest.mark.parametrize(
    ("act", "why"),
    [(hang_up, "the connection was broken off"), (answer(503), "HTTP 503: the server failed")],
)
def test_a_server_that_never_answers_is_said_once_within_seconds(
    transfer: Transfer, server: Loopback, said: list[tuple[float, str]], act: object, why: str
) -> None:
    server.script.extend([act] * 99)  # type: ignore[list-item]
    tickets = [transfer.submit(Request(f"{server.url}?secret", length=9)) for _ in range(3)]
    for ticket in tickets:
        with pytest.raises(RemoteUnavailable):
            transfer.wait(ticket)
    ((when, line),) = said
    assert QUIET_S <= when <= QUIET_S + 2
    match = re.fullmatch(SAID, line)
    assert match is not None, line
    assert match[1] == f"{server.url}?…"
    assert match[2] == why
    assert 2 <= int(match[3]) < int(match[4]) == Patience().tries


def test_it_is_said_until_when_it_is_tried(
    transfer: Transfer,
    server: Loopback,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where each try fails at once, the time is that of the waits that are left."""
    server.script.extend([hang_up] * 99)
    until = list[float]()
    monkeypatch.setattr(
        "pipeline.storage.http.silence.say_tries",
        lambda *said: until.append(clock.time + said[-1]),
    )
    with pytest.raises(RemoteUnavailable):
        transfer.get(Request(server.url, length=9))
    assert 0 <= until[0] - clock.time <= 4  # the wait under way is counted whole


def test_a_server_that_asks_to_wait_is_said_with_how_long_it_is_waited(
    transfer: Transfer, server: Loopback, said: list[tuple[float, str]], clock: Clock
) -> None:
    server.script.extend([answer(429, {"Retry-After": "3600"})] * 99)
    until = list[float]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(silence, "say_tries", lambda *words: until.append(clock.time + words[-1]))
        with pytest.raises(RemoteUnavailable):
            transfer.get(Request(server.url, length=9))
    assert max(until) == pytest.approx(clock.time, abs=Patience().longest_asked + 1)
    with pytest.raises(RemoteUnavailable):
        transfer.get(Request(server.url, length=9))
    assert "and to wait 3,600 s; it is asked again after 120 s; try 2 of 9" in said[0][1]


def test_short_troubles_are_not_said(
    transfer: Transfer, server: Loopback, said: list[tuple[float, str]]
) -> None:
    server.script.extend([hang_up, answer(503), cut_after(200_000), hang_up, answer(429), serve])
    assert transfer.get(Request(server.url)).length == len(CONTENT)
    assert said == []


class TestSilence:
    """Time that passes where nobody listens to the network is none."""

    def test_only_time_that_is_listened_counts(
        self, clock: Clock, said: list[tuple[float, str]]
    ) -> None:
        watched = Silence(Patience(), clock.now)
        ticket = Ticket(Request("http://host/x"))
        clock.sleep(100)
        watched.look(lambda: [ticket])
        assert said == []
        clock.sleep(1)
        watched.look(lambda: [ticket])
        assert "no answer yet; try 1 of 9" in said[0][1]

    def test_it_is_said_again_after_a_while(
        self, clock: Clock, said: list[tuple[float, str]]
    ) -> None:
        watched = Silence(Patience(), clock.now)
        ticket = Ticket(Request("http://host/x"))
        while clock.time < 2.5 * SAY_AGAIN_S:
            clock.sleep(1)
            watched.look(lambda: [ticket])
        assert [when - said[0][0] for when, _ in said] == [0, SAY_AGAIN_S, 2 * SAY_AGAIN_S]

    def test_a_low_limit_of_the_rate_is_no_silence(
        self, clock: Clock, said: list[tuple[float, str]]
    ) -> None:
        watched = Silence(Patience(), clock.now)
        ticket = Ticket(Request("http://host/x", rate=4_000))
        for _ in range(60):
            clock.sleep(1)
            watched.look(lambda: [ticket])
        assert said == []
