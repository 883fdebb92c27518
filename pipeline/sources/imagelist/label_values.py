"""Labels that are numbers: which texts are some, and whether float32 holds them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

import numpy as np

EXACT: Final = 2.0**24
"""Beyond it float32 has no longer every whole number."""

_LARGEST: Final = float(np.finfo(np.float32).max)
# No digit can be part of two repetitions: a line of 1 MiB would take hours to be refused.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def is_number(text: str) -> bool:
    """Whether a text is a decimal number."""
    return _NUMBER.fullmatch(text) is not None


def flaw(text: str) -> tuple[str, str] | None:
    """Return why a text can be no label that is a number, and what is expected; None: it can."""
    value = float(text) if is_number(text) else np.inf
    if abs(value) > _LARGEST:
        return "not a label", "a finite decimal number that float32 can hold"
    if abs(value) > EXACT and Decimal(text) != Decimal(float(np.float32(value))):
        return "a label that float32 would change", "one up to 2**24, or one that float32 has"
    return None
