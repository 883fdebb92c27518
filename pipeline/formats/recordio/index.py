"""Indexes and image lists of RecordIO shards, see `recordio` for their form."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from typing import Final

from pipeline import names, plaintext, storage
from pipeline.errors import BadAnnotation, OutputDamaged
from pipeline.formats.recordio.header import IndexedRecord, as_float32, is_one_small
from pipeline.storage import Location

_LINE: Final = re.compile(rb"(0|[1-9][0-9]{0,19})\t(0|[1-9][0-9]{0,18})\n")
_UNLISTABLE: Final = re.compile(f"[{names.CONTROL}\ud800-\udfff]")
_MOST_BYTES: Final = 1 << 30  # some 40 million images of 25 bytes each
_REMEDY: Final = "remove the file and run the shardmill command again: it is made anew"


def index_lines(ids: Iterable[int], offsets: Iterable[int]) -> bytes:
    """Return the content of an index."""
    return b"".join([b"%d\t%d\n" % each for each in zip(ids, offsets, strict=True)])


def list_line(record: IndexedRecord) -> bytes:
    """Return a record's line of an image list, UTF-8.

    A whole number has six decimals, as im2rec.py writes it; any other label the fewest digits
    that make the same float32 again.

    Raises:
        BadAnnotation: the path is empty, begins or ends with white space, or holds a control
            character or what is no UTF-8; see `as_float32`.
    """
    path = record.path
    if not path or path != path.strip() or _UNLISTABLE.search(path):
        raise BadAnnotation(
            "the path of an image cannot stand in an image list",
            place=f"id {record.id}",
            expected="a path in UTF-8 without control characters, and no white space at its ends",
            found=ascii(path),
            remedy="rename the image",
        )
    labels = record.labels
    if is_one_small(labels) and labels[0] == int(labels[0]):
        # What follows returns the same, and takes five times as long.
        return f"{record.id}\t{labels[0]:f}\t{path}\n".encode()
    stored = as_float32(labels)
    texts = [f"{label:f}" if label.is_integer() else str(label) for label in stored]
    return "\t".join([str(record.id), *texts, f"{path}\n"]).encode()


def read_index(path: Location) -> tuple[array[int], array[int]]:
    """Return the ids and the offsets of an index, in its order.

    Raises:
        OutputDamaged: it is missing or empty; a line is not as it is written; the offsets do not
            begin at 0 and ascend.
    """
    ids, offsets = array("Q"), array("Q")
    for number, line in enumerate(_lines(path), start=1):
        match = _LINE.fullmatch(line)
        key, offset = (int(match[1]), int(match[2])) if match else (-1, -1)
        ascends = offset > offsets[-1] if offsets else offset == 0
        if not ascends or key >> 64:
            after = f"above {offsets[-1]}" if offsets else "of 0"
            expected = f"an id, TAB and an offset {after}, in decimal digits"
            raise _damaged(path, number, expected, plaintext.quoted(line))
        ids.append(key)
        offsets.append(offset)
    if not ids:
        raise _damaged(path, 1, "a line for each record", "nothing")
    return ids, offsets


def read_list(path: Location, ids: Sequence[int]) -> bytes:
    """Return the content of an image list, of which the ids are checked.

    Args:
        path: the list.
        ids: of its images, in their order.

    Raises:
        OutputDamaged: it is missing, or has other ids.
    """
    lines = _lines(path)
    for number, (line, key) in enumerate(zip(lines, ids, strict=False), start=1):
        if not (line.startswith(b"%d\t" % key) and line.endswith(b"\n")):
            raise _damaged(path, number, f"the whole line of id {key}", plaintext.quoted(line))
    if len(lines) != len(ids):
        raise _damaged(path, max(1, len(lines)), f"{len(ids)} lines", f"{len(lines)} lines")
    return b"".join(lines)


def _lines(path: Location) -> list[bytes]:
    if storage.stat(path) is None:
        raise OutputDamaged("the file is missing", file=str(path), remedy=_REMEDY)
    return storage.read_bytes(path, _MOST_BYTES).splitlines(keepends=True)


def _damaged(path: Location, number: int, expected: str, found: str) -> OutputDamaged:
    return OutputDamaged(
        "the file is not as it was written",
        file=str(path),
        place=f"line {number}",
        expected=expected,
        found=found,
        remedy=_REMEDY,
    )
