"""The headings that options stand under, and the kinds of their values."""

from __future__ import annotations

from enum import Enum, StrEnum


class Group(StrEnum):
    """A heading of ``--help`` and of the man page, in their order."""

    INPUT = "Input"
    SELECTION = "Selection"
    IMAGES = "Images"
    SHARDS = "Shards"
    EXPORTS = "Exports"
    RUN = "Run"


class Kind(Enum):
    """What the value of an option is."""

    PATH = "path"
    TEXT = "text"
    CHOICE = "one of its choices"
    NUMBER = "whole number"
    FRACTION = "number"
    SWITCH = "given or not"
    COUNTS = "SPLIT=NUMBER"
    SHARES = "SPLIT=SHARE"
