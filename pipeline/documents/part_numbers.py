"""The numbers in the names of the marks of parts: of shards, claims, and groups of classes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pipeline.storage import Location

_NUMBERED: Final = re.compile(r"([0-9]{5,8})\.json")


def numbers(marks: Iterable[Location]) -> list[int]:
    """Return the 0-based numbers in the names of marks of parts; other files have none."""
    return [int(match[1]) for path in marks if (match := _NUMBERED.fullmatch(path.name))]
