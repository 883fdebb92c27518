"""How many requests are under way while a server asks for fewer."""

from __future__ import annotations

from pipeline.storage.http.answers import Answer, Outcome
from pipeline.storage.http.request import Request
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.http.window import Window


def ended(window: Window, outcome: Outcome, status: int, began: float, now: float) -> int:
    ticket = Ticket(Request("http://127.0.0.1/"))
    ticket.answer, ticket.began_at = Answer(status), began
    return window.ended(outcome, ticket, now)


def test_requests_are_halved_once_for_all_that_were_under_way_and_won_back() -> None:
    window = Window(16)
    assert ended(window, Outcome.FAILED, 503, 0.0, 1.0) == 8
    assert [ended(window, Outcome.BUSY, 429, 0.5, 2.0) for _ in range(7)] == [8] * 7
    assert ended(window, Outcome.FAILED, 500, 1.5, 2.0) == 8
    assert ended(window, Outcome.FAILED, 503, 1.5, 3.0) == 4
    sizes = [ended(window, Outcome.RIGHT, 200, 4.0, 5.0) for _ in range(200)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (4, 16)


def test_one_request_is_always_under_way() -> None:
    window = Window(3)
    sizes = [ended(window, Outcome.BUSY, 429, float(time), time + 0.5) for time in range(9)]
    assert sizes == [1] * 9
