"""What workers say at once: each worker of a command says it, and a person reads it once."""

from __future__ import annotations

import re
import time
from typing import Final

from pipeline.storage import waiting

_TRIES: Final = re.compile(r"; try \d+ of \d+, given up at about [0-9:]+$", re.ASCII)


class Notices:
    """Tells what is new from what another worker has said already.

    That a server is tried again each worker says with other numbers: it is new after a minute.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}  # by text: when it may be said again

    def is_new(self, text: str) -> bool:
        """Whether a text is to be said; from now on it has been."""
        now, rest = time.monotonic(), _TRIES.sub("", text)
        if now < self._until.get(rest, now):
            return False
        self._until[rest] = float("inf") if rest == text else now + waiting.SAY_AGAIN_S
        return True
