"""Compares the records of one shard with the facts, the plan and the raw archives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import xxhash

from pipeline import storage
from pipeline.archives import packed_sources
from pipeline.errors import BadImage, EnvironmentRefused, ShardmillError
from pipeline.formats.base import StoredRecord
from pipeline.formats.record import ImageRecord
from pipeline.images import repair
from pipeline.images.prepare import Preparation, StoredImage, preparation, repaired
from pipeline.shards.read import record_of
from pipeline.storage import Location
from pipeline.verification.expected import OF_ARCHIVE, Expected, Row
from pipeline.verification.findings import Finding, Layer, damage, of_error

OF_SOURCE = (
    "one of the two has changed: find out which before the shard is removed; the command that "
    "made the output reads its source anew where it is given another --out"
)


class RecordChecker:
    """Reads one shard; afterwards `records`, `compared` and `keys` say what was read.

    `uncompared` counts the images that only another codec than the installed one could make again.

    Args:
        expected: what the shard should hold.
        raw: folder of the archives or of the tree, to compare every image with its source; or
            None.
    """

    def __init__(self, expected: Expected, raw: Location | None) -> None:
        self.expected = expected
        self.raw = raw
        self.records = 0
        self.compared = 0
        self.uncompared = 0
        self.keys: list[str] = []
        self._format = expected.form.shard_format
        self._preparation: Preparation | None = None

    def check(self, file: Location, index: Location | None = None) -> Iterator[Finding]:
        """Yield what is wrong with a shard and its index, if it has one.

        Where the framing is broken, the facts tell where the records after it begin.
        """
        expected = self.expected
        read: list[bytes] | None = []
        with packed_sources.open_sources(self.raw or Path()) as sources:
            for record in self._records(file):
                if isinstance(record, Finding):
                    yield record
                    read = None
                    continue
                self.records += 1
                if read is not None:
                    read.append(record.line)
                if self.records <= len(expected.facts):
                    yield from self._check_record(file, self.records, record, sources)
        if read is not None or expected.facts:
            yield from self._check_counts(file)
        # Of a shard that lacks records, the index may be right: its hash tells.
        if index and read is not None and len(read) == (len(expected.facts) or len(read)):
            yield from self._check_index(index, read)

    def _check_counts(self, file: Location) -> Iterator[Finding]:
        facts, planned = len(self.expected.facts), len(self.expected.plan)
        wanted = sorted({self.expected.records, facts or self.expected.records})
        if wanted != [self.records]:
            what, expected = "wrong number of records", " and ".join(map(str, wanted))
            yield damage(Layer.RECORD_FACTS, file, what, None, expected, str(self.records))
        if planned not in {0, facts}:
            what = "not the planned images"
            yield damage(Layer.PLAN, file, what, None, str(planned), str(facts))

    def _check_index(self, index: Location, lines: list[bytes]) -> Iterator[Finding]:
        """Compare an index with what was read."""
        if storage.stat(index) is None:
            return
        if not storage.holds(storage.local_copy(index), self._format.index(lines)):
            yield damage(Layer.INDEX, index, "the index does not fit the shard")

    def _records(self, file: Location) -> Iterator[StoredRecord | Finding]:
        try:
            yield from self._format.read(file)
        except ShardmillError as error:
            yield of_error(Layer.RECORD_CRC, file, error)
            if storage.stat(file) is not None:
                yield from self._records_by_facts(file)

    def _records_by_facts(self, file: Location) -> Iterator[StoredRecord]:
        """Yield the records that could not be read in order from where the facts say they are."""
        with storage.open_ranges(file) as reader:
            for fact in self.expected.facts[self.records :]:
                offset, length = fact["offset"], fact["length"]
                if length < 0 or not 0 <= offset <= reader.info.size - length:
                    return
                record = self._format.unframed(reader.read(offset, length), offset)
                if record is None:
                    return
                yield record

    def _check_record(
        self, file: Location, number: int, record: StoredRecord, sources: storage.Sources
    ) -> Iterator[Finding]:
        place = f"record {number}, byte {record.offset}"
        fact = self.expected.facts[number - 1]
        row = self.expected.plan[number - 1] if number <= len(self.expected.plan) else None
        self.keys.append(fact["key"])
        stored = self._image_by_head(record, fact, row)
        if stored is None:
            try:
                parsed, stored = self._format.parse(record, f"{file}, {place}")
            except ShardmillError as error:
                yield of_error(Layer.RECORD_FACTS, file, error)
                return
            yield from self._differences(file, place, record, parsed, stored)
        found = {
            "offset": record.offset,
            "length": record.length,
            "bytes": len(stored),
            "xxh3_128": xxhash.xxh3_128_hexdigest(stored),
        }
        for name, value in found.items():
            if value != fact[name]:
                what = f"{name} of {fact['key']} is wrong"
                yield damage(Layer.RECORD_FACTS, file, what, place, str(fact[name]), str(value))
        if row is not None and self.raw is not None:
            self.compared += 1
            # Of an image that is as it was written, the archive itself may be the wrong one.
            whole = found["xxh3_128"] == fact["xxh3_128"]
            for finding in self._check_source(file, place, row, stored, sources):
                yield replace(finding, removable=finding.removable and not whole)

    def _image_by_head(self, record: StoredRecord, fact: Row, row: Row | None) -> memoryview | None:
        """Return the image if all around it is, byte for byte, what would be written now.

        That is some thirty times faster than to parse it.
        """
        if row is None or fact["key"] != row["key"]:
            return None
        stored = self._format.image(record, fact["bytes"])
        if stored is None:
            return None
        return stored if self._is_as_written(record, fact, row, stored) else None

    def _is_as_written(self, record: StoredRecord, fact: Row, row: Row, stored: memoryview) -> bool:
        try:
            image = _as_written(fact, row, stored)
            if self.expected.form.describes_objects and row["mask_files"]:
                image = replace(image, masks=self._masks(record, row))
            return self._format.is_as_written(record, image, self.expected.form.options)
        except ShardmillError:  # of an image that no format would take
            return False

    def _masks(self, record: StoredRecord, row: Row) -> tuple[bytes, ...]:
        """Return the masks of a record, if each object of the plan has one, black or not.

        Their bytes are the record's own, which a checksum proves: the files that they were made of
        may be gone.
        """
        stored = self._format.masks_of(record)
        return stored if len(stored) == len(row["mask_files"]) else ()

    def _differences(
        self,
        file: Location,
        place: str,
        record: StoredRecord,
        parsed: Mapping[str, object],
        stored: memoryview,
    ) -> Iterator[Finding]:
        fact = self.expected.facts[self.records - 1]
        of_facts = {
            "filename": _filename(fact["key"], parsed.get("filename")),
            "width": fact["width"],
            "height": fact["height"],
        }
        if self.records > len(self.expected.plan):
            yield from _unequal(Layer.RECORD_FACTS, file, place, fact["key"], of_facts, parsed)
            return
        row, options = self.expected.plan[self.records - 1], self.expected.form.options
        if row["key"] != fact["key"]:
            what = "not the planned image"
            yield damage(Layer.PLAN, file, what, place, row["key"], fact["key"])
        wanted = self._format.fields(_as_written(fact, row, stored), options)
        of_plan = {name: value for name, value in wanted.items() if name not in of_facts}
        known = {name: value for name, value in wanted.items() if name in of_facts}
        yield from _unequal(Layer.RECORD_FACTS, file, place, fact["key"], known, parsed)
        unequal = list(_unequal(Layer.PLAN, file, place, fact["key"], of_plan, parsed))
        yield from unequal
        if not unequal and not self._is_as_written(record, fact, row, stored):
            what = f"the boxes of {fact['key']}, or the form of its record, are wrong"
            yield damage(Layer.PLAN, file, what, place, "what is written of the plan's row")

    def _check_source(
        self, file: Location, place: str, row: Row, stored: memoryview, sources: storage.Sources
    ) -> Iterator[Finding]:
        key = row["key"]
        try:
            source = sources.read(row["source"], row["offset"], row["length"])
        except ShardmillError as error:
            unread = f"{key}: its source cannot be read: {error.what}"
            yield damage(Layer.SOURCE, file, unread, place, row["source"], None, OF_SOURCE)
            return
        changed = self.expected.changed(self.records - 1, source)
        if changed is not None:
            yield damage(Layer.SOURCE, file, *changed, OF_ARCHIVE, removable=False)
            return
        what = expected = found = None
        remade = self._made_of(source, key)
        if remade is None:
            self.compared -= 1
            self.uncompared += 1
        if isinstance(remade, str):
            what = f"{key}: {remade}"
        elif remade is not None and bytes(remade) != bytes(stored):  # bytes are compared at once
            what = f"{key} is not its source"
            if remade is not source:
                what = f"{key} is not what is made of its source"
            expected = f"the {len(remade)} bytes of {row['source']} at {row['offset']}"
            found = f"{len(stored)} other bytes"
        if what is not None:
            yield damage(Layer.SOURCE, file, what, place, expected, found, OF_SOURCE)

    def _made_of(self, source: memoryview, key: str) -> storage.Buffer | str | None:
        """Return what is stored of a source; None where another codec made it; or what is wrong."""
        repair = self.expected.repairs.get(key)
        preparer = self._preparer()
        if preparer is None:
            return None
        try:
            remade = preparer.prepare(source)
            if repair is None:
                return remade.encoded
            if remade.xxh3_128 != repair.source_xxh3_128:
                return "its source is not what was repaired"
            if repair.codec != _repairer():
                return None
            return repaired(remade, self.expected.form.image.max_pixels).encoded
        except BadImage as error:
            return f"its source cannot be stored any more: {error.what}"

    def _preparer(self) -> Preparation | None:
        """Return what prepares images as they were stored; None: that codec is not installed."""
        if self._preparation is None:
            with contextlib.suppress(EnvironmentRefused):
                self._preparation = preparation(self.expected.form.image)
        if self._preparation is None or self._preparation.codec != self.expected.form.codec:
            return None
        return self._preparation


def _repairer() -> str | None:
    """Return the codec that would repair an image now; None: none is installed."""
    with contextlib.suppress(EnvironmentRefused):
        return repair.codec()
    return None


def _unequal(
    layer: Layer,
    file: Location,
    place: str,
    key: str,
    wanted: Mapping[str, object],
    parsed: Mapping[str, object],
) -> Iterator[Finding]:
    for name, value in wanted.items():
        found = parsed.get(name, value)
        if found != value:
            what = f"{name} of {key} is wrong"
            yield damage(layer, file, what, place, str(value), str(found))


def _filename(key: str, found: object) -> str:
    """Return the filename of a key; a path that a list names twice has its id in the key."""
    name = key.rpartition("/")[2]
    plain, _, number = name.rpartition("#")
    return plain if found == plain and number.isdecimal() else name


def _as_written(fact: Row, row: Row, stored: memoryview) -> ImageRecord:
    size = (fact["width"], fact["height"])
    return record_of(row, StoredImage(stored, *size, fact["mode"], fact["xxh3_128"], plain=True))
