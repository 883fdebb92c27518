"""How long to wait before another try, and when to give up."""

from __future__ import annotations

import email.utils
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pipeline.storage.http.answers import Outcome

RETRIED: Final = frozenset(
    {Outcome.BUSY, Outcome.FAILED, Outcome.BROKEN, Outcome.SHORT, Outcome.TOO_LONG}
)
"""What may be otherwise a moment later; all other outcomes are final."""
RARELY: Final = frozenset({Outcome.ELSEWHERE})
"""What is most often a lasting fault of a server, and sometimes one of a cache before it."""


@dataclass(frozen=True)
class Patience:
    """How often and how long.

    Attributes:
        tries: in a row without a byte that was not there before.
        repeats: in a row that brought bytes, though none that was not there before: of a stream
            that can only be begun again, each cut is at another place.
        few: as many where the fault most often lasts, such as a host name that is not known.
        first: seconds before the second try; each later wait is twice as long, and random
            between `least` of that and all of it, so that many clients do not come back at once.
        longest: seconds of one wait.
        longest_asked: seconds of one wait where the server asks for one.
        least: the part of a wait that is not random.
    """

    tries: int = 9
    repeats: int = 30
    few: int = 3
    first: float = 0.25
    longest: float = 20.0
    longest_asked: float = 120.0
    least: float = 0.5

    def seconds(self, failures: int, asked: float | None, random: Callable[[], float]) -> float:
        """Return how long to wait after so many failures.

        Args:
            failures: in a row, at least 1.
            asked: what the server asked for; None: nothing.
            random: returns a number from 0 to 1.
        """
        part = self.least + (1 - self.least) * random()
        return max(self._most(failures) * part, self.granted(asked))

    def granted(self, asked: float | None) -> float:
        """Return for how many of the seconds that a server asks for it is waited."""
        return min(asked or 0.0, self.longest_asked)

    def left(self, failures: int, lasting: int) -> int:
        """Return how many more tries may fail; see `is_over`."""
        return min(self.tries - failures, self.few - lasting if lasting else self.tries)

    def longest_wait(self, failures: int, tries: int, asked: float = 0.0) -> float:
        """Return for how many seconds so many further tries wait at most.

        Args:
            failures: in a row, before the first of them.
            tries: how many.
            asked: what the server asks for each time.
        """
        numbers = filter(None, range(failures, failures + tries))
        return sum(max(self._most(number), self.granted(asked)) for number in numbers)

    def _most(self, failures: int) -> float:
        return min(self.longest, self.first * 2.0 ** (failures - 1))

    def is_over(self, failures: int, lasting: int, repeats: int = 0) -> bool:
        """Whether to give up after so many failures in a row.

        Args:
            failures: of all kinds.
            lasting: the last of them that are of a kind that most often lasts.
            repeats: tries in a row that brought only what had come before.
        """
        return failures >= self.tries or lasting >= self.few or repeats >= self.repeats


def retry_after(value: str, now: float) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for; None: it asks for none.

    Args:
        value: of the header: seconds, or a date.
        now: seconds since the epoch.
    """
    if value.strip().isdecimal():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - now)
