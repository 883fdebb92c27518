"""Compares the records of one shard with the facts, the plan and the raw archives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xxhash

from pipeline import storage
from pipeline.errors import BadImage, ShardmillError
from pipeline.formats import example, tfrecord
from pipeline.images import repair
from pipeline.records import ImageRecord, Placement, as_boxes
from pipeline.verification.findings import Finding, Layer, damage, of_error

Row = Mapping[str, Any]

_OF_SOURCE = (
    "one of the two has changed: have the archive verified anew before the shard is removed, "
    "with shardmill imagenet --until verify and another --out"
)
_OPENING, _CLOSING = 12, 4  # bytes of framing before and after the data of a record


@dataclass(frozen=True)
class Expected:
    """What one shard should hold, record by record.

    Attributes:
        records: how many.
        facts: a row of `facts.SCHEMA` a record; nothing where there are no facts to trust, and
            then no record is looked into.
        plan: a row of `catalog.SCHEMA` a record, or nothing where there is no plan to trust.
        repairs: the repairs of the manifest, by key.
        label_offset: added to class indexes.
    """

    records: int
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

    def check(self, file: Path, index: Path) -> Iterator[Finding]:
        """Yield what is wrong with a shard and its index.

        Where the framing is broken, the facts tell where the records after it begin.
        """
        expected = self.expected
        read: list[Placement] | None = []
        with storage.SourceReader(self.raw or Path()) as sources:
            for found in self._records(file):
                if isinstance(found, Finding):
                    yield found
                    read = None
                    continue
                self.records += 1
                if read is not None:
                    read.append(Placement(found.offset, found.length))
                if self.records <= len(expected.facts):
                    yield from self._check_record(file, self.records, found, sources)
        if read is not None or expected.facts:
            yield from self._check_counts(file)
        yield from self._check_index(index, read)

    def _check_counts(self, file: Path) -> Iterator[Finding]:
        facts, planned = len(self.expected.facts), len(self.expected.plan)
        wanted = sorted({self.expected.records, facts or self.expected.records})
        if wanted != [self.records]:
            what, expected = "wrong number of records", " and ".join(map(str, wanted))
            yield damage(Layer.RECORD_FACTS, file, what, None, expected, str(self.records))
        if planned not in {0, facts}:
            what = "not the planned images"
            yield damage(Layer.PLAN, file, what, None, str(planned), str(facts))

    def _check_index(self, index: Path, read: list[Placement] | None) -> Iterator[Finding]:
        """Compare an index with the facts, or with what was read where there are none."""
        facts = self.expected.facts
        placements = [Placement(fact["offset"], fact["length"]) for fact in facts] or read
        if placements is None or storage.stat(index) is None:
            return
        if storage.read_bytes(index) != tfrecord.index_lines(placements):
            yield damage(Layer.INDEX, index, "the index does not fit the shard")

    def _records(self, file: Path) -> Iterator[tfrecord.RawRecord | Finding]:
        try:
            yield from tfrecord.read_records(file)
        except ShardmillError as error:
            yield of_error(Layer.RECORD_CRC, file, error)
            if storage.stat(file) is not None:
                yield from self._records_by_facts(file)

    def _records_by_facts(self, file: Path) -> Iterator[tfrecord.RawRecord]:
        """Yield the records that could not be read in order from where the facts say they are."""
        with storage.RangeReader(file) as reader:
            for fact in self.expected.facts[self.records :]:
                offset, length = fact["offset"], fact["length"]
                if length < _OPENING + _CLOSING or not 0 <= offset <= reader.info.size - length:
                    return
                view = reader.read(offset, length)
                yield tfrecord.RawRecord(offset, length, view[_OPENING:-_CLOSING])

    def _check_record(
        self, file: Path, number: int, record: tfrecord.RawRecord, sources: storage.SourceReader
    ) -> Iterator[Finding]:
        place = f"record {number}, byte {record.offset}"
        fact = self.expected.facts[number - 1]
        row = self.expected.plan[number - 1] if number <= len(self.expected.plan) else None
        self.keys.append(fact["key"])
        stored = self._picture_by_head(record, fact, row)
        if stored is None:
            try:
                parsed = example.parse_example(record.data, file=f"{file}, {place}")
            except ShardmillError as error:
                yield of_error(Layer.RECORD_FACTS, file, error)
                return
            stored = parsed.encoded
            yield from self._differences(file, place, record, parsed)
        found = {
            "offset": record.offset,
            "length": record.length,
            "xxh3_128": xxhash.xxh3_128_hexdigest(stored),
        }
        for name, value in found.items():
            if value != fact[name]:
                what = f"{name} of {fact['key']} is wrong"
                yield damage(Layer.RECORD_FACTS, file, what, place, str(fact[name]), str(value))
        if row is not None and self.raw is not None:
            self.compared += 1
            # Of a picture that is as it was written, the archive itself may be the wrong one.
            whole = found["xxh3_128"] == fact["xxh3_128"]
            for finding in self._check_source(file, place, row, stored, sources):
                yield replace(finding, removable=not whole)

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
        self, file: Path, place: str, record: tfrecord.RawRecord, parsed: example.ParsedExample
    ) -> Iterator[Finding]:
        fact = self.expected.facts[self.records - 1]
        of_facts = {
            "filename": fact["key"].rpartition("/")[2],
            "width": fact["width"],
            "height": fact["height"],
        }
        yield from _unequal(Layer.RECORD_FACTS, file, place, fact["key"], of_facts, parsed)
        if self.records > len(self.expected.plan):
            return
        row, offset = self.expected.plan[self.records - 1], self.expected.label_offset
        if row["key"] != fact["key"]:
            what = "not the planned image"
            yield damage(Layer.PLAN, file, what, place, row["key"], fact["key"])
        of_plan = {
            "label": example.stored_label(row["class_index"], offset),
            "synset": row["synset"],
            "text": row["text"],
        }
        unequal = list(_unequal(Layer.PLAN, file, place, fact["key"], of_plan, parsed))
        yield from unequal
        stored = parsed.encoded
        head = example.encode_head(_as_written(fact, row, stored), offset)
        if not unequal and record.data != head + bytes(stored):
            what = f"the boxes of {fact['key']}, or the form of its record, are wrong"
            yield damage(Layer.PLAN, file, what, place, "what is written of the plan's row")

    def _check_source(
        self, file: Path, place: str, row: Row, stored: memoryview, sources: storage.SourceReader
    ) -> Iterator[Finding]:
        source = sources.read(row["source"], row["offset"], row["length"])
        mended = self.expected.repairs.get(row["key"])
        what = expected = found = None
        if mended is None:
            if bytes(source) != bytes(stored):  # views are compared byte by byte, bytes at once
                what = f"{row['key']} is not its source"
                expected = f"the {row['length']} bytes of {row['source']} at {row['offset']}"
                found = f"{len(stored)} other bytes"
        elif xxhash.xxh3_128_hexdigest(source) != mended["source_xxh3_128"]:
            what = f"{row['key']}: its source is not what was repaired"
        elif mended["codec"] == repair.codec() and _mend(source) != bytes(stored):
            what = f"{row['key']} is not the repair of its source"
        if what is not None:
            yield damage(Layer.SOURCE, file, what, place, expected, found, _OF_SOURCE)


def _unequal(
    layer: Layer, file: Path, place: str, key: str, wanted: Row, parsed: example.ParsedExample
) -> Iterator[Finding]:
    for name, value in wanted.items():
        found = getattr(parsed, name)
        if found != value:
            what = f"{name} of {key} is wrong"
            yield damage(layer, file, what, place, str(value), str(found))


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
