"""Old times for the files of tests: one that has just been written may change within its time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

LONG_AGO: Final = 1_500_000_000
"""Seconds since 1970: a time that is settled, as `storage.settled` has it."""


def settle(path: Path, later: int = 0) -> None:
    """Have a file or folder look as if it had been written long ago, or some seconds later."""
    os.utime(path, (LONG_AGO + later, LONG_AGO + later))


def age(folder: Path) -> None:
    """Have everything in a folder look as if it had been written long ago."""
    for path in folder.rglob("*"):
        settle(path)
