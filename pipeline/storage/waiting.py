"""What is waited for, said while it lasts: for a lock, or for a server that gives no answer."""

from __future__ import annotations

import logging
import time
from typing import Final

from pipeline import plaintext

WAITS: Final = "shardmill.waits"
"""Name of the logger that is told, as a warning, what is waited for; shown where no one listens."""

QUIET_S: Final = 2.0
"""Seconds without an answer after which it is said that a server is tried again."""
SAY_AGAIN_S: Final = 60.0
"""Seconds after which it is said again."""


def say_tries(name: str, why: str, number: int, most: int, seconds: float) -> None:
    """Say that something does not answer, and is asked again.

    Args:
        name: of what is asked for; nothing in it is secret.
        why: what the last try came to.
        number: of the try that is under way, from 1.
        most: the try after which it is given up.
        seconds: from now on until then, where each try fails like the last.
    """
    until = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
    what = plaintext.line(f"{name}: {why}")
    logging.getLogger(WAITS).warning(
        "%s; try %d of %d, given up at about %s", what, number, most, until
    )
