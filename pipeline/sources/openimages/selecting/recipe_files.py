"""The files of the manual recipe: for each class the list of its images, and its rows of a CSV.

The list has a line ``<split>/<ImageID>`` for each image, in the order of first occurrence, and ends
lines in LF: the official downloader takes it. The rows have all columns of the CSV file, in its
order, and end in CR LF, as Python's `csv` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import repeat
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pipeline import storage
from pipeline.annotations.openimages.header import Header
from pipeline.annotations.openimages.row_texts import TextBatch
from pipeline.storage import Location, StagedFile

_AT_ONCE: Final = 1 << 13  # lines of a list
_DIGITS: Final = 16  # of an ImageID
_FEW: Final = 1 << 16  # bytes of ids that wait to be made distinct, at least


class FirstSeen:
    """Distinct ImageIDs in the order of their first occurrence, of 8 bytes each."""

    def __init__(self) -> None:
        self._ids = np.zeros(0, np.uint64)
        self._pending = bytearray()

    def add(self, ids: NDArray[np.uint64]) -> None:
        """Add ids, of shape (n,)."""
        some = ids[np.append(True, ids[1:] != ids[:-1])] if len(ids) else ids
        self._pending += some.tobytes()
        if len(self._pending) > max(_FEW, self._ids.nbytes):
            self._merge()

    def __len__(self) -> int:
        self._merge()
        return len(self._ids)

    def lines(self, split: str) -> Iterator[bytes]:
        """Yield the list of these images, some lines at a time."""
        self._merge()
        for start in range(0, len(self._ids), _AT_ONCE):
            some = self._ids[start : start + _AT_ONCE].astype(">u8")
            names = np.frombuffer(some.tobytes().hex().encode(), np.uint8).reshape(-1, _DIGITS)
            yield np.hstack([_rows(f"{split}/", names), names, _rows("\n", names)]).tobytes()

    def _merge(self) -> None:
        if self._pending:
            ids = np.concatenate([self._ids, np.frombuffer(self._pending, np.uint64)])
            self._pending = bytearray()
            _, first = np.unique(ids, return_index=True)
            self._ids = ids[np.sort(first)]


def _rows(text: str, beside: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (n, characters): a text in each of as many rows as another array has."""
    characters = np.frombuffer(text.encode(), np.uint8)
    return np.broadcast_to(characters, (len(beside), len(characters)))


class RecipeFiles:
    """The rows of some classes on their way into a file each, and their images.

    Args:
        header: of the CSV file that the rows are of.
        members: which class each label is of: a number from 0, and none twice.
        places: where the rows of each class go; None: they are not written.
    """

    def __init__(
        self, header: Header, members: Mapping[str, int], places: Sequence[Location | None]
    ) -> None:
        self._header = header
        self._members = {label.encode(): number for label, number in members.items()}
        self._places = places
        self.images = [FirstSeen() for _ in places]
        self.counts = [0 for _ in places]
        self.files = list[StagedFile]()
        self._files = list[StagedFile | None]()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for place in self._places:
                file = stack.enter_context(StagedFile(place)) if place is not None else None
                self._files.append(file)
                if file is not None:
                    file.write(self._header.spelled, b"\r\n")
                    self.files.append(file)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def add(self, batch: TextBatch, keep: NDArray[np.bool_] | None = None) -> None:
        """Add rows to the classes that they are of.

        Args:
            batch: rows with the column `label`.
            keep: (n,) which of them; None: all.
        """
        labels = batch.texts["label"]
        numbers = np.fromiter(map(self._members.get, labels, repeat(-1)), np.int64, len(batch))
        if keep is not None:
            numbers[~keep] = -1
        for number in np.unique(numbers[numbers >= 0]).tolist():
            some = np.flatnonzero(numbers == number)
            self.counts[number] += len(some)
            self.images[number].add(batch.images[some])
            file = self._files[number]
            if file is not None:
                file.write(b"\r\n".join([*map(batch.raw.__getitem__, some.tolist()), b""]))


def write_list(path: Location, split: str, images: FirstSeen) -> StagedFile:
    """Write the list of a class's images; it is still to be published, or discarded."""
    file = storage.StagedFile(path)
    try:
        for lines in images.lines(split):
            file.write(lines)
    except BaseException:
        file.discard()
        raise
    return file
