"""Writes one shard of a split in every format that is asked for, from one read of its images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import xxhash

from pipeline import facts, manifest, paths, storage
from pipeline.errors import BadImage, TransientError
from pipeline.formats.tfrecord import TFRecordWriter
from pipeline.images import header, repair
from pipeline.manifest import FileEntry
from pipeline.paths import ShardName
from pipeline.pictureread import read_picture
from pipeline.records import ImageRecord, as_boxes
from pipeline.splitjob import Output

_AHEAD = 64  # pictures that the kernel is asked for before they are read
_SHOWN = 10


@dataclass(frozen=True)
class LeftOut:
    """An image that is in the plan and in no shard, and why."""

    key: str
    source: str
    offset: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "key": self.key,
            "source": self.source,
            "offset": self.offset,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Repair:
    """An image that was re-encoded: why, by which codec, and the hash before."""

    key: str
    reason: str
    codec: str
    source_xxh3_128: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "key": self.key,
            "reason": self.reason,
            "codec": self.codec,
            "source_xxh3_128": self.source_xxh3_128,
        }


@dataclass(frozen=True)
class Picture:
    """One row of the plan with its bytes as they will be stored."""

    record: ImageRecord
    mode: str
    xxh3_128: str
    repair: Repair | None


def write_shard(
    out: Path,
    name: ShardName,
    rows: pa.RecordBatch,
    root: Path,
    outputs: Sequence[Output],
    *,
    verified: Mapping[str, storage.FileInfo] | None = None,
    whole_files: bool = False,
    on_bad_image: str = "fail",
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write one shard and its manifest for each output; return the records in it.

    Args:
        out: the output folder.
        name: which shard.
        rows: the shard's rows of the plan, in record order.
        root: folder that the rows' sources are relative to.
        outputs: what to write; each is published by itself, its shard manifest last.
        verified: source name -> size and time of the file when it was verified; a file that
            looks different, before or after it was read, is not trusted. None: not checked.
        whole_files: whether each picture is a file by itself, as in a tree; one that is longer
            than its row says is not trusted.
        on_bad_image: ``fail`` raises after the whole shard was looked at; ``skip`` leaves the
            image out and says so in the manifest.
        progress: called with the images done so far, every 64.

    Raises:
        BadImage: images in no known format, under ``fail``.
        TransientError: an archive was changed since it was verified.
        InputRefused: a source is not as long as it was.
    """
    with ExitStack() as stack:
        sources = stack.enter_context(storage.SourceReader(root))
        check_unchanged(sources, verified)
        writers = [stack.enter_context(_OutputWriter(out, name, output)) for output in outputs]
        left_out: list[LeftOut] = []
        for done, picture in enumerate(pictures(rows, sources, whole_files), start=1):
            if isinstance(picture, LeftOut):
                left_out.append(picture)
            else:
                for writer in writers:
                    writer.add(picture)
            if progress is not None and done % _AHEAD == 0:
                progress(done)
        if left_out and on_bad_image == "fail":
            raise _refused(left_out)
        if writers and len(left_out) == rows.num_rows:
            raise _refused(left_out, all_of=name)
        check_unchanged(sources, verified)
        for writer in writers:
            writer.publish(left_out)
        return int(rows.num_rows) - len(left_out)


def pictures(
    rows: pa.RecordBatch, sources: storage.SourceReader, whole_files: bool = False
) -> Iterator[Picture | LeftOut]:
    """Yield the images of a shard, read in order and repaired where they must be.

    The encoded bytes are a view that the next step of the iteration may overwrite.
    """
    columns = {name: rows.column(name).to_pylist() for name in rows.schema.names}
    ranges = list(zip(columns["source"], columns["offset"], columns["length"], strict=True))
    for wanted in ranges[:_AHEAD]:
        sources.will_need(*wanted)
    for place, where in enumerate(ranges):
        if place + _AHEAD < len(ranges):
            sources.will_need(*ranges[place + _AHEAD])
        key = columns["key"][place]
        data = read_picture(sources, key, where, whole_file=whole_files)
        try:
            yield _picture(columns, place, data)
        except BadImage as error:
            reason = f"{error.what}; found {error.found}" if error.found else error.what
            yield LeftOut(key, where[0], where[1], reason)


def _picture(columns: Mapping[str, list[Any]], place: int, data: memoryview) -> Picture:
    found = header.read_header(data)
    reason = repair.needs_repair(found)
    content_hash = xxhash.xxh3_128_hexdigest(data)
    encoded: storage.Buffer = data
    mended = None
    key: str = columns["key"][place]
    if reason is not None:
        mended = Repair(key, reason, repair.codec(), content_hash)
        encoded = repair.repair(data)
        content_hash = xxhash.xxh3_128_hexdigest(encoded)
    record = ImageRecord(
        key=key,
        filename=key.rpartition("/")[2],
        class_index=columns["class_index"][place],
        synset=columns["synset"][place],
        text=columns["text"][place],
        boxes=as_boxes(columns["boxes"][place]),
        width=found.width,
        height=found.height,
        encoded=encoded,
    )
    return Picture(record, found.mode, content_hash, mended)


def check_unchanged(
    sources: storage.SourceReader, verified: Mapping[str, storage.FileInfo] | None
) -> None:
    """Check that files look as they did when they were verified; None: not asked.

    Raises:
        TransientError: one does not.
    """
    for source, info in (verified or {}).items():
        if sources.now(source) != info:
            raise TransientError(
                "the file was changed after it was verified",
                file=str(sources.path(source)),
                remedy="leave it alone while a command is at work: it is verified again",
            )


class _OutputWriter:
    """Writes one shard in one format, with its facts and its manifest."""

    def __init__(self, out: Path, name: ShardName, output: Output) -> None:
        self.out = out
        self.name = name
        self.output = output
        self.facts = facts.FactsBuilder(name.index)
        self.repairs: list[Repair] = []
        self.boxes = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        folder = self.output.folder
        self.shard = self._stage(paths.tfrecord_shard(folder, self.name))
        self.index = self._stage(paths.tfrecord_index(folder, self.name))
        self.writer = TFRecordWriter(self.shard, self.index, label_offset=self.output.label_offset)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, picture: Picture) -> None:
        record = picture.record
        placement = self.writer.write(record)
        reason = picture.repair.reason if picture.repair else None
        size = (record.width, record.height)
        self.facts.add(record.key, placement, size, picture.mode, reason, picture.xxh3_128)
        self.boxes += len(record.boxes)
        if picture.repair:
            self.repairs.append(picture.repair)

    def publish(self, left_out: Sequence[LeftOut]) -> None:
        self.writer.finish()
        digest, number = self.output.digest, self.name.index
        table_file = self._stage(paths.shard_facts(self.out, digest, number))
        content = facts.slice_bytes(self.facts.table())
        table_file.write(content)
        mark = self._stage(paths.shard_mark(self.out, digest, number))
        written = [
            self._entry(self.shard, self.writer.shard_digest),
            self._entry(self.index, self.writer.index_digest),
            self._entry(table_file, manifest.hash_bytes(content)),
        ]
        document = {
            "output": digest,
            "format": self.output.format,
            "split": self.name.split,
            "shard": number,
            "records": self.facts.records,
            "boxes": self.boxes,
            "files": [entry.to_json() for entry in written],
            "repairs": [mended.to_json() for mended in self.repairs],
            "left_out": [image.to_json() for image in left_out],
        }
        mark.write(manifest.serialise(document))
        storage.publish(self.shard, self.index, table_file, mark)

    def _stage(self, path: Path) -> storage.StagedFile:
        return self._stack.enter_context(storage.StagedFile(path))

    def _entry(self, staged: storage.StagedFile, content_hash: str) -> FileEntry:
        return FileEntry(str(staged.path.relative_to(self.out)), staged.size, content_hash)


def _refused(left_out: Sequence[LeftOut], all_of: ShardName | None = None) -> BadImage:
    shown = "\n".join(
        f"{image.key} in {image.source}, offset {image.offset}: {image.reason}"
        for image in left_out[:_SHOWN]
    )
    more = f"\nand {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
    if all_of is not None:
        what = f"no picture is left of shard {all_of.stem}, and a shard may not be empty"
        remedy = "ask for fewer shards"
    else:
        what = f"there is no picture in {len(left_out)} of the members"
        remedy = (
            "get the archive again, or leave them out with --on-bad-image skip: "
            "the manifest lists them"
        )
    return BadImage(what, place=shown + more, expected="a JPEG or PNG picture", remedy=remedy)
