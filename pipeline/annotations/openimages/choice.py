"""Which rows of a CSV file of Open Images are wanted, decided before they are parsed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, repeat
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.annotations.openimages.columns import LABEL
from pipeline.annotations.openimages.header import Header

_ID_DIGITS: Final = 16


class NoLabel(ValueError):
    """What stands for a class in a row is no MID: nobody can say whether the row is wanted."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Rows of some classes, of some images, or both; None: of all.

    Attributes:
        labels: MIDs.
        images: (n,) uint64, ascending: ImageIDs as numbers.
    """

    labels: frozenset[bytes] | None = None
    images: NDArray[np.uint64] | None = None
    _known: set[bytes] = field(default_factory=set, init=False, repr=False)

    @property
    def takes_all(self) -> bool:
        """Whether no row is left out."""
        return self.labels is None and self.images is None

    def places(self, header: Header, lines: Sequence[bytes]) -> Iterator[int]:
        """Yield which of some lines without quotes are wanted, ascending.

        Raises:
            IndexError: a line has too few fields.
            NoLabel: what stands for a class in any line is no MID.
            ValueError: an ImageID is none.
        """
        places: Iterator[int] | range = range(len(lines))
        if self.labels is not None:
            fields = list(_fields(lines, header.places["label"]))
            self._check(fields)
            places = compress(places, map(self.labels.__contains__, fields))
        if self.images is None:
            return iter(places)
        rest = list(places)
        if not rest:
            return iter(())
        ids = _fields([lines[place] for place in rest], header.places["image_id"])
        return compress(rest, _within(numbers(list(ids)), self.images))

    def takes(self, label: bytes, image_id: bytes) -> bool:
        """Whether a row is wanted.

        Raises:
            NoLabel: what stands for its class is no MID.
            ValueError: the ImageID is none.
        """
        if self.labels is not None:
            self._check([label])
            if label not in self.labels:
                return False
        return self.images is None or bool(_within(numbers([image_id]), self.images)[0])

    def _check(self, labels: Sequence[bytes]) -> None:
        """Check labels, of which there are few distinct ones; each of them is looked at once."""
        if self._known.issuperset(labels):
            return
        new = {*labels} - self._known
        if not all(LABEL.accepts(label.decode("utf-8", "replace")) for label in new):
            raise NoLabel("a label that is no MID")
        self._known.update(new)


def numbers(ids: Sequence[bytes]) -> NDArray[np.uint64]:
    """Return (n,): ImageIDs, of 16 hex digits each, as numbers.

    Raises:
        ValueError: one is none.
    """
    if any(map(_ID_DIGITS.__ne__, map(len, ids))):
        raise ValueError("an ImageID that has not 16 digits")
    content = bytes.fromhex(b"".join(ids).decode("ascii"))
    if len(content) * 2 != len(ids) * _ID_DIGITS:  # blanks between digits are passed over
        raise ValueError("an ImageID with a blank")
    return np.frombuffer(content, ">u8").astype(np.uint64)


def _fields(lines: Sequence[bytes], place: int) -> Iterator[bytes]:
    """Yield a field of each line, which is split no further than that."""
    return map(itemgetter(place), map(bytes.split, lines, repeat(b","), repeat(place + 1)))


def _within(ids: NDArray[np.uint64], images: NDArray[np.uint64]) -> NDArray[np.bool_]:
    if not len(images):
        return np.zeros(len(ids), np.bool_)
    places = np.minimum(np.searchsorted(images, ids), len(images) - 1)
    within: NDArray[np.bool_] = images[places] == ids
    return within
