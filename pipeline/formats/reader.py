"""A program that reads the shards of a format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reader:
    """A program that reads the shards of a format; none is needed to write them.

    Attributes:
        title: how people call it.
        packages: the distributions that have it, of which one is enough; the first is offered.
    """

    title: str
    packages: tuple[str, ...]
