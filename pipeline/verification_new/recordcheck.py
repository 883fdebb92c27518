"""Compares the records of one shard with the facts, the plan and the raw archives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from pipeline import storage
from pipeline.errors import BadImage, OutputDamaged, ShardmillError
from pipeline.formats import example, tfrecord
from pipeline.images import repair
from pipeline.records import ImageRecord, Placement, as_boxes

Row = Mapping[str, Any]

REMEDY = "remove the shard and run the shardmill command again: it is made anew"


@dataclass(frozen=True)
class Expected:
    """What one shard should hold, record by record.

    Attributes:
        facts: a row of `facts.SCHEMA` a record.
        plan: a row of `catalog.SCHEMA` a record, or nothing where the plan is gone.
        repairs: the repairs of the manifest, by key.
        label_offset: added to class indexes.
    """

    facts: list[Row]
    plan: list[Row]
    repairs: Mapping[str, Row]
    label_offset: int


class RecordChecker:
    """Reads one shard; afterwards `records`, `compared` and `keys` say what was read.

    Args:
        expected: what the shard should hold.
        raw: folder of the archives or of the tree, to compare every picture with its source; or
            None.
    """

    def __init__(self, expected: Expected, raw: Path | None) -> None:
        self.expected = expected
        self.raw = raw
        self.records = 0
        self.compared = 0
        self.keys: list[str] = []

    def check(self, file: Path, index: Path) -> Iterator[ShardmillError]:
        """Yield what is wrong with a shard and its index.

        Raises:
            OutputDamaged: the framing is broken: what comes after it cannot be read.
        """
        placements = []
        wanted = len(self.expected.facts)
        with ExitStack() as stack:
            sources = stack.enter_context(storage.SourceReader(self.raw or Path()))
            for number, record in enumerate(tfrecord.read_records(file), start=1):
                self.records += 1
                placements.append(Placement(record.offset, record.length))
                if number <= wanted:
                    yield from self._check_record(file, number, record, sources)
        if self.records != wanted:
            yield damaged(file, "wrong number of records", None, str(wanted), str(self.records))
        planned = len(self.expected.plan)
        if planned not in {0, wanted}:
            yield damaged(file, "not the planned images", None, str(planned), str(wanted))
        if storage.stat(index) and storage.read_bytes(index) != tfrecord.index_lines(placements):
            yield damaged(index, "the index does not fit the shard")

    def _check_record(
        self, file: Path, number: int, record: tfrecord.RawRecord, sources: storage.SourceReader
    ) -> Iterator[ShardmillError]:
        place = f"record {number}, byte {record.offset}"
        fact = self.expected.facts[number - 1]
        row = self.expected.plan[number - 1] if number <= len(self.expected.plan) else None
        self.keys.append(fact["key"])
        stored = self._picture_by_head(record, fact, row)
        if stored is None:
            parsed = example.parse_example(record.data, file=f"{file}, {place}")
            stored = parsed.encoded
            yield from self._differences(file, place, parsed, fact, row)
        found = {
            "offset": record.offset,
            "length": record.length,
            "xxh3_128": xxhash.xxh3_128_hexdigest(stored),
        }
        for name, value in found.items():
            if value != fact[name]:
                what = f"{name} of {fact['key']} is wrong"
                yield damaged(file, what, place, str(fact[name]), str(value))
        if row is not None and self.raw is not None:
            self.compared += 1
            yield from self._check_source(file, place, row, stored, sources)

    def _picture_by_head(
        self, record: tfrecord.RawRecord, fact: Row, row: Row | None
    ) -> memoryview | None:
        """Return the picture if all before it is, byte for byte, what would be written now.

        That is some thirty times faster than to parse it.
        """
        if row is None or fact["repair"] is not None or fact["key"] != row["key"]:
            return None
        start = len(record.data) - row["length"]
        if start < 0:
            return None
        stored = record.data[start:]
        head = example.encode_head(_as_written(fact, row, stored), self.expected.label_offset)
        return stored if record.data[:start] == head else None

    def _differences(
        self, file: Path, place: str, parsed: example.ParsedExample, fact: Row, row: Row | None
    ) -> Iterator[OutputDamaged]:
        expected = {
            "filename": fact["key"].rpartition("/")[2],
            "width": fact["width"],
            "height": fact["height"],
        }
        if row is not None:
            label = example.stored_label(row["class_index"], self.expected.label_offset)
            expected |= {"label": label, "synset": row["synset"], "text": row["text"]}
            if row["key"] != fact["key"]:
                yield damaged(file, "not the planned image", place, row["key"], fact["key"])
        for name, value in expected.items():
            found = getattr(parsed, name)
            if found != value:
                what = f"{name} of {fact['key']} is wrong"
                yield damaged(file, what, place, str(value), str(found))

    def _check_source(
        self, file: Path, place: str, row: Row, stored: memoryview, sources: storage.SourceReader
    ) -> Iterator[OutputDamaged]:
        source = sources.read(row["source"], row["offset"], row["length"])
        mended = self.expected.repairs.get(row["key"])
        if mended is None:
            if bytes(source) != bytes(stored):  # views are compared byte by byte, bytes at once
                expected = f"the {row['length']} bytes of {row['source']} at {row['offset']}"
                what = f"{row['key']} is not its source"
                yield damaged(file, what, place, expected, f"{len(stored)} other bytes")
        elif xxhash.xxh3_128_hexdigest(source) != mended["source_xxh3_128"]:
            yield damaged(file, f"{row['key']}: its source is not what was repaired", place)
        elif mended["codec"] == repair.codec() and _mend(source) != bytes(stored):
            yield damaged(file, f"{row['key']} is not the repair of its source", place)


def damaged(
    file: Path,
    what: str,
    place: str | None = None,
    expected: str | None = None,
    found: str | None = None,
    remedy: str = REMEDY,
) -> OutputDamaged:
    """Return the error for something that is not as it was written."""
    return OutputDamaged(
        what, file=str(file), place=place, expected=expected, found=found, remedy=remedy
    )


def _as_written(fact: Row, row: Row, stored: memoryview) -> ImageRecord:
    return ImageRecord(
        key=row["key"],
        filename=row["key"].rpartition("/")[2],
        class_index=row["class_index"],
        synset=row["synset"],
        text=row["text"],
        boxes=as_boxes(row["boxes"]),
        width=fact["width"],
        height=fact["height"],
        encoded=stored,
    )


def _mend(source: memoryview) -> bytes:
    try:
        return repair.repair(source)
    except BadImage:
        return b""
