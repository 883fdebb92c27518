"""The classes that a data set knows by name, and where each stands among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path
from typing import Final

from pipeline import digests

_ROUNDS_OF_IDS: Final = 2  # a name with an id may be that of another class; indexes end any search


@dataclass(frozen=True)
class LabelTable:
    """Classes sorted by their ids: a class's 0-based place is its index.

    Attributes:
        path: where it was read.
        class_ids: what the data set calls each class, such as a WNID; sorted.
        words: the words of each, in the same order.
        columns: the remaining columns by name, as text, in the same order.
        lacking: why it has no classes, or not those of objects, and what to do; "": nobody asked
            for some, or it has.
        of_objects: whether its classes are those of objects, and images have numbers of their own.
    """

    path: Path
    class_ids: tuple[str, ...]
    words: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    lacking: str = ""
    of_objects: bool = False

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The 0-based index of each class, by its id."""
        return {class_id: place for place, class_id in enumerate(self.class_ids)}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each class, no two the same.

        A class is called by its words, or by its id where it has none; where two are called the
        same, their ids are added, and where these do not tell them apart, their indexes.
        """
        pairs = zip(self.class_ids, self.words, strict=True)
        called = [text or class_id for class_id, text in pairs]
        indexes = [f"#{index}" for index in range(len(called))]
        once = len(self.index) == len(self.class_ids)
        for added in chain(repeat(self.class_ids, _ROUNDS_OF_IDS if once else 1), repeat(indexes)):
            count = Counter(called)
            if len(count) == len(called):
                break
            called = [
                name if count[name] == 1 else f"{name} ({more})"
                for name, more in zip(called, added, strict=True)
            ]
        return tuple(called)

    def id_of(self, synonym: str) -> str | None:
        """Return the id of the class that alone is called so in words; None: none or several."""
        wanted = synonym.strip().casefold()
        ids = [
            class_id
            for class_id, words in zip(self.class_ids, self.words, strict=True)
            if wanted in {each.strip().casefold() for each in words.split(",")}
        ]
        return ids[0] if len(ids) == 1 and wanted else None

    @property
    def of_images(self) -> LabelTable:
        """The table, if images are of its classes; else one without classes."""
        return NO_LABELS if self.of_objects else self

    @property
    def refusal(self) -> str:
        """Why it cannot name the classes of objects, with what to do; "": it can."""
        if self.class_ids:
            return self.lacking
        return self.lacking or "no table of this data set has any: leave it out"

    @cached_property
    def digest(self) -> str:
        """A digest of what reaches the records: ids and words."""
        return digests.digest({"wnids": self.class_ids, "words": self.words})


NO_LABELS: Final = LabelTable(Path(), (), (), {})
"""The label table of images whose classes nobody knows by name."""
