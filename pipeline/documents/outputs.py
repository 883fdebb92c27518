"""The manifest of a finished output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from pipeline.clutter import PassedOver
from pipeline.documents.shards import LeftOutImage, RepairedImage
from pipeline.documents.values import Below, Digest, Key, Name, Size, Text, one_of
from pipeline.formats.shardformat import LABELS
from pipeline.formats.shardformats import ALL
from pipeline.manifest import FileEntry
from pipeline.pictures import PictureOptions


@dataclass(frozen=True, slots=True)
class Input:
    """What an output was made of: a list, a folder, an archive or annotations."""

    list: Name | None = None
    folder: Below | None = None
    file: Name | None = None
    annotations: Text | None = None
    md5: Text = ""
    digest: Text = ""


@dataclass(frozen=True, slots=True)
class Digests:
    """Of the output itself, and of what it was made of."""

    output: Digest
    plan: Digest
    catalog: Text = ""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What decides the records of an output; see `pipeline.output.RecordForm`."""

    label_offset: int
    labels: Annotated[str, one_of(LABELS)]
    suffix: Text
    picture: PictureOptions
    codec: Text | None
    repairs: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """What an output holds, in numbers."""

    bytes: Size
    images: Size
    left_out: Size
    records: Size
    boxes: Size = 0
    repaired: Size = 0
    without_boxes: Size = 0


@dataclass(frozen=True, slots=True)
class NamedShard:
    """A shard of an output; of facts alone there is no file to name."""

    records: Size
    file: Below | None = None
    bytes: Size = 0


@dataclass(frozen=True, slots=True)
class OutputManifest:
    """The manifest of an output; file names are relative to its folder."""

    format: Annotated[str, one_of(ALL)]
    split: Name
    digests: Digests
    inputs: Annotated[tuple[Input, ...], Meta(min_length=1)]
    parameters: Parameters
    counts: Counts
    shards: tuple[NamedShard, ...]
    files: tuple[FileEntry, ...]
    left_out: tuple[LeftOutImage, ...] = ()
    repairs: tuple[RepairedImage, ...] = ()
    notes: dict[Key, Size] = field(default_factory=dict)
    passed_over: PassedOver | None = None
