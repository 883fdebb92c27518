"""Images of which much is said, and shards of them, for the formats that have columns."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from drawnlists import encoded

from pipeline import storage
from pipeline.catalog import objects as bits
from pipeline.formats.base import RecordOptions, ShardFormat
from pipeline.formats.record import ImageRecord, Placement
from pipeline.images.masks import encode_png

PLAIN = RecordOptions(label_offset=0)
NAMES = replace(PLAIN, class_names=("bear", "waffle, cake", "a: b"), boxes=True)
VECTORS = replace(PLAIN, vectors=True)
DESCRIBED = replace(NAMES, labels="detection", vectors=True)
MASKS = (encode_png(np.eye(30, 40, dtype=np.bool_)), encode_png(np.zeros((30, 40), np.bool_)))
BARE = ImageRecord("a/0.jpg", "0.jpg", 1, "b", "B", (), 40, 30, encoded(0))
BOXED = replace(BARE, key="a/1.jpg", boxes=((0.25, 0.5, 0.5, 1.0), (0.0, 0.0, 1.0, 0.1)))
SAID = replace(
    BOXED,
    labels=(1.0, 2.0),
    box_classes=(2, -1),
    box_ids=("/m/2", ""),
    flags=(bits.GROUP | bits.INSIDE, 0),
    masks=MASKS,
)


def write(
    made: ShardFormat, folder: Path, records: list[ImageRecord], options: RecordOptions
) -> tuple[Path, list[Placement]]:
    """Write a shard; return it and where its records are."""
    files = made.paths(folder, "train-00000-of-00001")
    with ExitStack() as stack:
        staged = [stack.enter_context(storage.StagedFile(path)) for path in files]
        writer = made.writer(staged, options, len(records))
        placements = [writer.write(record) for record in records]
        writer.finish()
        storage.publish(*staged)
    return files[0], placements
