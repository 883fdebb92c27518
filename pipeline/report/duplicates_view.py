"""What the page of duplicates says, as data: the template only lays it out."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.report.view import ImageView


@dataclass(frozen=True)
class DuplicateGroup:
    """Images that are the same, or look alike.

    Attributes:
        number: from 1, as in the table.
        title: what they are.
        summary: where they are, and how many are shown.
        images: those that are shown.
    """

    number: int
    title: str
    summary: str
    images: tuple[ImageView, ...]


@dataclass(frozen=True)
class DuplicatesPart:
    """The groups of one kind.

    Attributes:
        anchor: its id on the page.
        title: what they are.
        hint: what that means.
        total: how many there are.
        groups: those that are shown.
    """

    anchor: str
    title: str
    hint: str
    total: int
    groups: tuple[DuplicateGroup, ...]


@dataclass(frozen=True)
class Unhashed:
    """An image that could not be compared by what it looks like."""

    split: str
    key: str
    why: str


@dataclass(frozen=True)
class DuplicatesPage:
    """The page of duplicates.

    Attributes:
        lead: how many there are.
        distance: of hashes, at most, in bits.
        table: address of the table.
        parts: the groups, those between splits first.
        without_shards: splits of which the bytes alone were compared.
        unhashed: images that could not be decoded or read, the first ones.
        unhashed_total: how many there are.
    """

    lead: str
    distance: int
    table: str
    parts: tuple[DuplicatesPart, ...]
    without_shards: tuple[str, ...]
    unhashed: tuple[Unhashed, ...]
    unhashed_total: int
