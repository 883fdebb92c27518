"""Which rows of a CSV file of Open Images are wanted, decided before they are parsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.annotations.openimages.columns import LABEL
from pipeline.annotations.openimages.header import Header
from pipeline.annotations.openimages.plain_rows import PlainRows

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

    def places(self, header: Header, rows: PlainRows) -> Sequence[int]:
        """Return which rows are wanted, ascending.

        Raises:
            NoLabel: what stands for a class in any row is no MID.
            ValueError: an ImageID is none.
        """
        places: Sequence[int] = range(len(rows))
        if self.labels is not None:
            labels = rows.fields(header.places["label"])
            self._check(labels)
            places = list(compress(places, map(self.labels.__contains__, labels)))
        if self.images is None or not places:
            return places
        ids = rows.fields(header.places["image_id"], places)
        return list(compress(places, _within(numbers(ids), self.images).tolist()))

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


def _within(ids: NDArray[np.uint64], images: NDArray[np.uint64]) -> NDArray[np.bool_]:
    if not len(images):
        return np.zeros(len(ids), np.bool_)
    places = np.minimum(np.searchsorted(images, ids), len(images) - 1)
    within: NDArray[np.bool_] = images[places] == ids
    return within
