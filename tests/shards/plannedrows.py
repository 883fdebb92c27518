"""Rows as a plan has them, of images in a folder, and outputs that they are written to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from drawnlists import lay

from pipeline import paths
from pipeline.catalog import table as catalog
from pipeline.catalog.shard_name import ShardName
from pipeline.formats.base import LABELS, RecordOptions
from pipeline.formats.registry import FORMATS
from pipeline.images.prepare import PLAIN, ImageOptions, preparation
from pipeline.shards.output import Output, RecordForm

NAME: Final = ShardName("train", 0, 1)


def batch(folder: Path, images: Mapping[str, bytes | None], **columns: list[Any]) -> pa.RecordBatch:
    """Lay images in a folder, and list them as a plan does; None: there is no such file."""
    rows = [
        {
            "key": key,
            "filename": key.rpartition("/")[2],
            "source": key,
            "offset": 0,
            "length": -1 if content is None else len(content),
            "class_index": number,
            "class_id": "",
            "class_text": "",
            "objects": [],
            "line": number + 1,
            "id": number,
            "labels": [],
        }
        for number, (key, content) in enumerate(images.items())
    ]
    for key, content in images.items():
        if content is not None:
            lay(folder / key, content)
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return pa.RecordBatch.from_pylist(rows, catalog.SCHEMA)


def output(out: Path, name: str, labels: str = LABELS[0], image: ImageOptions = PLAIN) -> Output:
    """Return the output of a format in an output folder."""
    options = RecordOptions(0, labels)
    codec = preparation(image).codec
    form = RecordForm(name, options, image, codec, FORMATS[name].jpeg_only)
    digest = f"{list(FORMATS).index(name)}23456789abc"
    return Output(digest, paths.output(out, name, "train", digest), form)
