"""Files of masks and the table that has a row for each: how they are written, and looked at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa

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


def write_files(
    folder: Path, masks: Iterator[Written], batch: int = BATCH
) -> Iterator[tuple[str, MaskRow]]:
    """Write masks into a folder, and yield what came of each.

    So many files at a time get their names, when all of them are durable.
    """
    storage.probe_writable(folder)
    remove_left(folder)
    rows = [("", MaskRow(MISSING))]
    while rows:
        rows = []
        with storage.StagedFolder(folder, merge=True) as staged:
            for mask in islice(masks, batch):
                if mask.content is not None:
                    staged.write(mask.name, mask.content)
                rows.append((mask.name, mask.row))
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
    table: Path,
    mark: Path,
    out: Path,
    rows: Mapping[str, MaskRow],
    document: Mapping[str, object],
) -> None:
    """Publish the table of masks and its mark.

    Args:
        table: where.
        mark: where.
        out: the output folder.
        rows: what came of each mask, by its name, in the order of the table.
        document: what the mark says beside the number of masks, their outcomes and digest.
    """
    names = list(rows)
    of_outcome = Counter(row.outcome for row in rows.values())
    examples = {
        outcome: list(islice((n for n in names if rows[n].outcome == outcome), _EXAMPLES))
        for outcome in sorted(of_outcome.keys() - {KEPT})
    }
    whole = {
        "masks": len(names),
        "outcomes": dict(sorted(of_outcome.items())),
        "examples": examples,
        "digest": _digest(names, rows),
        **document,
    }
    with storage.StagedFile(table) as staged:
        parts = (_table(part, rows) for part in _parts(names, _ROW_GROUP))
        tables.write(staged, tables.MASK_TABLE, parts)
        manifest.publish([staged], mark, out, whole)


def _parts(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))


def _table(names: Sequence[str], rows: Mapping[str, MaskRow]) -> pa.Table:
    columns = {
        "mask_path": names,
        "image_id": [name[:ID_BYTES] for name in names],
        **{
            field: [getattr(rows[name], field) for name in names]
            for field in ("outcome", "bytes", "crc32", "width", "height")
        },
    }
    return pa.table(columns, schema=tables.MASK_TABLE)


def _digest(names: Sequence[str], rows: Mapping[str, MaskRow]) -> str:
    described = [
        digests.digest({"masks": [[n, rows[n].outcome, rows[n].crc32] for n in part]})
        for part in _parts(names, BATCH)
    ]
    return digests.digest({"masks": described, "version": VERSION})
