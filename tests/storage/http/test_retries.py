"""How long is waited between two tries."""

from __future__ import annotations

import pytest

from pipeline.storage.http.retries import Patience, retry_after


def test_waits_double_up_to_a_limit_and_are_random() -> None:
    patience = Patience()
    longest = [patience.seconds(count, None, lambda: 1.0) for count in (1, 2, 3, 50)]
    assert longest == [0.25, 0.5, 1.0, 20.0]
    assert patience.seconds(3, None, lambda: 0.0) == 0.5
    assert Patience(least=0.0).seconds(3, None, lambda: 0.0) == 0.0


def test_a_server_may_ask_for_a_longer_wait_within_a_limit() -> None:
    patience = Patience(longest_asked=60)
    assert patience.seconds(1, 7, lambda: 1.0) == 7
    assert patience.seconds(1, 0, lambda: 1.0) == 0.25
    assert patience.seconds(1, 1e9, lambda: 1.0) == 60


def test_faults_that_most_often_last_are_given_up_earlier_unless_others_come_between() -> None:
    patience = Patience(tries=9, few=3)
    assert [patience.is_over(8, 0), patience.is_over(9, 0)] == [False, True]
    assert [patience.is_over(8, 2), patience.is_over(3, 3)] == [False, True]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("12", 12.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(value, now=100) == seconds
