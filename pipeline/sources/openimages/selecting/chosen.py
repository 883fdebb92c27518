"""The chosen classes of Open Images, and the indexes that all outputs give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class ChosenClass:
    """A class of the label table.

    Attributes:
        index: 0-based place in the label table.
        mid: its MID, such as ``/m/0gxl3``.
        name: in words, as the chosen version of Open Images has them.
        members: the MIDs whose objects are of this class: its own, and those that are merged in.
    """

    index: int
    mid: str
    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Chosen:
    """The label table: every chosen class, in the order of the indexes.

    Attributes:
        classes: the classes.
        selecting: MIDs of which an image has to show one to be selected; with other objects kept
            too (``--all-objects``) these are fewer than all members of all classes.
        notes: what a person is told of the choice, such as a name of another version.
    """

    classes: tuple[ChosenClass, ...]
    selecting: frozenset[str]
    notes: tuple[str, ...] = ()

    @cached_property
    def indexes(self) -> Mapping[str, int]:
        """The index of the class that each MID belongs to."""
        return {mid: each.index for each in self.classes for mid in each.members}

    @property
    def selected_for(self) -> tuple[ChosenClass, ...]:
        """The classes that were asked for: others are there for other objects on their images."""
        return tuple(each for each in self.classes if not self.selecting.isdisjoint(each.members))

    def described(self) -> list[list[object]]:
        """Return what of it decides bytes, for digests."""
        return [
            [each.mid, each.name, sorted(each.members), *self._selecting(each)]
            for each in self.classes
        ]

    def _selecting(self, chosen: ChosenClass) -> list[object]:
        missing = sorted({*chosen.members} - self.selecting)
        return [missing] if missing else []
