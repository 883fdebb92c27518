"""Files of masks and the table that has a row for each: how they are written, and looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import digests, manifest, storage
from pipeline.sources.openimages import tables
from pipeline.storage import Location

VERSION: Final = 1
"""Other tables of the same masks: another version."""
KEPT: Final = "kept"
"""The outcome of a mask that lies in the output folder as its archive has it."""
BLACK: Final = "black"
"""That of one that lies there, too, but no pixel of it is the object's."""
MISSING: Final = "missing"
"""That of one of whose name the archive has no member."""
BAD: Final = "bad"
"""That of one that the archive has, and that is no mask: it is not written."""
WRITTEN: Final = frozenset({KEPT, BLACK})
"""The outcomes of masks whose files are there."""

BATCH: Final = 4096
"""How many files get their names together."""
ID_BYTES: Final = 16
"""Characters of an ImageID, with which the name of a mask begins."""

_MASK: Final = re.compile(r"[0-9a-f]{16}_[0-9A-Za-z_]+\.png")
_EXAMPLES: Final = 8
_NO_SIDE: Final = -1
_ROW_GROUP: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class MaskRow:
    """What came of a mask, as `tables.MASK_TABLE` has it.

    Attributes:
        outcome: such as `KEPT`.
        bytes: of its file, or of the member that is no mask.
        crc32: of the same.
        width: pixels; None: it is no mask, or there is none.
        height: pixels; likewise.
    """

    outcome: str
    bytes: int = 0
    crc32: int = 0
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A mask and what came of it.

    Attributes:
        name: of its file.
        row: what came of it.
        content: the bytes to be written; None: there is no file.
    """

    name: str
    row: MaskRow
    content: bytes | None = None


class MaskRows:
    """What came of the masks of a table: 21 bytes a mask, where objects would take a kilobyte.

    Args:
        names: of the masks, in the order of the table; each is `MISSING` until it is put.
    """

    def __init__(self, names: pa.StringArray) -> None:
        self.names = names
        self._words = [MISSING]
        self._outcomes = np.zeros(len(names), np.uint8)
        self._bytes = np.zeros(len(names), np.int64)
        self._crc32 = np.zeros(len(names), np.uint32)
        self._sides = np.full((2, len(names)), _NO_SIDE, np.int32)

    def __len__(self) -> int:
        return len(self.names)

    def put(self, place: int, row: MaskRow) -> None:
        """Note what came of the mask in a place of the table, from 0."""
        if row.outcome not in self._words:
            self._words.append(row.outcome)
        self._outcomes[place] = self._words.index(row.outcome)
        self._bytes[place], self._crc32[place] = row.bytes, row.crc32
        for side, pixels in zip(self._sides, (row.width, row.height), strict=True):
            side[place] = _NO_SIDE if pixels is None else pixels

    @property
    def outcomes(self) -> dict[str, int]:
        """How many masks have each outcome, by its name."""
        counts = np.bincount(self._outcomes, minlength=len(self._words)).tolist()
        return {word: n for word, n in sorted(zip(self._words, counts, strict=True)) if n}

    def first_of(self, outcome: str, most: int) -> list[str]:
        """Return the names of the first masks of an outcome that some mask has."""
        places = np.flatnonzero(self._outcomes == self._words.index(outcome))[:most]
        names: list[str] = self.names.take(pa.array(places)).to_pylist()
        return names

    def parts(self, size: int) -> Iterator[pa.Table]:
        """Yield the rows as tables of `tables.MASK_TABLE`, so many at a time."""
        for start in range(0, len(self), size):
            yield self._part(slice(start, start + size))

    def _part(self, rows: slice) -> pa.Table:
        names = self.names[rows]
        outcomes = pa.DictionaryArray.from_arrays(self._outcomes[rows], self._words)
        width, height = (pa.array(side[rows], mask=side[rows] == _NO_SIDE) for side in self._sides)
        columns = {
            "mask_path": names,
            "image_id": pc.utf8_slice_codeunits(names, 0, ID_BYTES),
            "outcome": outcomes.cast(pa.string()),
            "bytes": self._bytes[rows],
            "crc32": self._crc32[rows],
            "width": width,
            "height": height,
        }
        return pa.table(columns, schema=tables.MASK_TABLE)


def write_files(folder: Path, masks: Iterator[Written], batch: int = BATCH) -> Iterator[MaskRow]:
    """Write masks into a folder, and yield what came of each, in their order.

    So many files at a time get their names, when all of them are durable.
    """
    storage.probe_writable(folder)
    remove_left(folder)
    rows = [MaskRow(MISSING)]
    while rows:
        rows = []
        with storage.StagedFolder(folder, merge=True) as staged:
            for mask in islice(masks, batch):
                if mask.content is not None:
                    staged.write(mask.name, mask.content)
                rows.append(mask.row)
            if rows:
                storage.publish_folders(staged)
        yield from rows


def remove_left(folder: Path) -> None:
    """Remove what processes that are gone have left half written beside a folder of masks."""
    for temp in storage.temp_files(folder.parent):
        if temp.is_folder and temp.becomes(folder):
            plan = storage.plan_folder(folder.parent, temp.path, is_mask)
            storage.remove_temp(temp, plan)


def is_mask(path: Location) -> bool:
    """Whether a file has the name of a mask."""
    return _MASK.fullmatch(path.name) is not None


def are_there(table: Path, folder: Path, outcomes: frozenset[str]) -> bool:
    """Whether the files of masks of some outcomes lie in a folder, each at its size.

    Each is asked for by its name: others may lie there, in any number.
    """
    columns = ["mask_path", "outcome", "bytes"]
    for rows in tables.read(table, tables.MASK_TABLE, columns):
        names, of, sizes = (rows[name].to_pylist() for name in columns)
        expected = {
            name: size
            for name, outcome, size in zip(names, of, sizes, strict=True)
            if outcome in outcomes
        }
        if storage.file_sizes(folder, expected) != list(expected.values()):
            return False
    return True


def publish(
    table: Path, mark: Path, out: Path, rows: MaskRows, document: Mapping[str, object]
) -> None:
    """Publish the table of masks and its mark.

    Args:
        table: where.
        mark: where.
        out: the output folder.
        rows: what came of each mask.
        document: what the mark says beside the number of masks, their outcomes and digest.
    """
    outcomes = rows.outcomes
    whole = {
        "masks": len(rows),
        "outcomes": outcomes,
        "examples": {each: rows.first_of(each, _EXAMPLES) for each in outcomes if each != KEPT},
        "digest": _digest(rows),
        **document,
    }
    with storage.StagedFile(table) as staged:
        tables.write(staged, tables.MASK_TABLE, rows.parts(_ROW_GROUP))
        manifest.publish([staged], mark, out, whole)


def _digest(rows: MaskRows) -> str:
    columns = ("mask_path", "outcome", "crc32")
    described = [
        digests.digest({"masks": [list(row) for row in zip(*values, strict=True)]})
        for part in rows.parts(BATCH)
        for values in [[part[name].to_pylist() for name in columns]]
    ]
    return digests.digest({"masks": described, "version": VERSION})
