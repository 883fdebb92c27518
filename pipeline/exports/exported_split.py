"""A split as the Parquet export takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from pipeline.images.prepare import ImageOptions


@dataclass(frozen=True, eq=False)
class ExportedSplit:
    """A split and what is known of its images.

    Attributes:
        name: of the split.
        rows: opens its catalog, as `catalog.read` does; called twice.
        facts: shard format -> parts of its facts, as `parquet.read_facts` yields them; the first
            format is the one whose images the common columns describe. "": of no shards, only
            facts.
        folder: of its images: an image is named ``<folder>/<class>/<name>``, or without the
            first part if it is ""; None: by its key.
        options: shard format -> how its images are stored; as they are where it says nothing.
        class_names: of an image list or folder, see `SetView.class_names`; None: it is neither.
        in_class_folders: whether images of a class lie in its folder; else all of them lie in
            `folder` itself.
        described: opens the columns of `parquet_objects`, a table for each part of the catalog;
            None: its source says no more than the catalog.
    """

    name: str
    rows: Callable[[], Iterable[pa.Table]]
    facts: Mapping[str, Iterable[pa.Table]] = field(default_factory=dict)
    folder: str | None = None
    options: Mapping[str, ImageOptions] = field(default_factory=dict)
    class_names: Sequence[str] | None = None
    in_class_folders: bool = True
    described: Callable[[], Iterable[pa.Table]] | None = None
