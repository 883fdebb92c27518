"""Writes one shard of one output, with its facts and its manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import Any, Self

from pipeline import manifest, paths, storage
from pipeline.catalog.shard_name import ShardName
from pipeline.errors import BadAnnotation, BadImage
from pipeline.formats.record import ImageRecord
from pipeline.images.prepare import StoredImage, repaired
from pipeline.manifest import Document
from pipeline.shards import facts
from pipeline.shards.output import Output
from pipeline.shards.read import Image, LeftOut
from pipeline.storage import Location


class OutputWriter:
    """Writes one shard in one format, with its facts and its manifest.

    Args:
        out: the output folder.
        name: which shard.
        output: which output.
        planned: how many images the plan has for the shard.
    """

    def __init__(self, out: Location, name: ShardName, output: Output, planned: int) -> None:
        self.planned = planned
        self.out = out
        self.name = name
        self.output = output
        self.facts = facts.FactsBuilder(name.index)
        self.left_out: list[LeftOut] = []
        self.without_boxes: list[str] = []
        self.repairs: list[dict[str, Any]] = []
        self.notes: Counter[str] = Counter()
        self.boxes = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        form = self.output.form
        self.files = [self._stage(path) for path in self.output.files(self.name)]
        self.writer = form.shard_format.writer(self.files, form.options, self.planned)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Discard what was not published."""
        self._stack.close()

    def gather(self) -> None:
        """Have records wait to be written together; no image may change before `flush`."""
        for file in self.files[:1]:  # the others have no images
            file.gather()

    def flush(self) -> None:
        """Write the records that wait for more.

        Raises:
            ShardmillError: they cannot be written.
        """
        for file in self.files[:1]:
            file.flush()

    def add(self, image: Image) -> None:
        """Append an image, or note why this output has it not."""
        record, form = image.record, self.output.form
        if not record.boxes and form.shard_format.needs_boxes(form.options):
            self.without_boxes.append(record.key)
            return
        try:
            stored = repaired(image.stored, form.image.max_pixels) if form.repairs else image.stored
            if stored is not image.stored:
                record = as_stored(record, stored)
            placement = self.writer.write(record)
        except (BadImage, BadAnnotation) as error:
            self.left_out.append(image.left_out(error, form.image.max_pixels))
            return
        mended = stored.repair
        self.facts.add(
            record.key,
            placement,
            (record.width, record.height),
            stored.mode,
            len(record.encoded),
            mended.reason if mended else None,
            stored.xxh3_128,
        )
        self.boxes += len(record.boxes)
        if stored.notes:
            self.notes.update(stored.notes)
        if mended:
            self.repairs.append({"key": record.key} | asdict(mended))

    def publish(self, left_out: Sequence[LeftOut], made_of: Document | None = None) -> None:
        """Publish the shard, its manifest last.

        Args:
            left_out: what no output has.
            made_of: what the manifest says of the files that the images are.
        """
        self.writer.finish()
        digest, number = self.output.digest, self.name.index
        table_file = self._stage(paths.shard_facts(self.out, digest, number))
        table_file.write(facts.slice_bytes(self.facts.table()))
        document = {
            "output": digest,
            "format": self.output.format,
            "split": self.name.split,
            "shard": number,
            "records": self.facts.records,
            "boxes": self.boxes,
            "repairs": self.repairs,
            "left_out": [image.to_json() for image in (*left_out, *self.left_out)],
            "without_boxes": self.without_boxes,
            "notes": dict(sorted(self.notes.items())),
            **(made_of or {}),
        }
        mark = paths.shard_mark(self.out, digest, number)
        manifest.publish([*self.files, table_file], mark, self.out, document)

    def _stage(self, path: Location) -> storage.StagedFile:
        return self._stack.enter_context(storage.StagedFile(path))


def as_stored(record: ImageRecord, stored: StoredImage) -> ImageRecord:
    """Return a record with another image."""
    return replace(record, width=stored.width, height=stored.height, encoded=stored.encoded)
