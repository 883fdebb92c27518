"""The manifest that lies beside an output of im2rec."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from msgspec import Meta, Struct

from pipeline.documents.values import ContentHash, Key, Name, Place, Position, Size, Text, one_of
from pipeline.formats.recordio.header import LabelForm
from pipeline.manifest import FileEntry

FIRST: Final = "first"
"""In the place of a form of labels: only the first is stored."""

_Transform = Annotated[str, Meta(max_length=1 << 10)]


class PackedList(Struct, frozen=True):
    """The image list that was packed.

    Attributes:
        list: its file name.
        xxh3_128: of its content.
        root: folder of the images, relative to the output; None: unknown, or no path needs it.
    """

    list: Name
    xxh3_128: ContentHash
    root: Place | None = None


class PackCounts(Struct, frozen=True):
    """What was packed, in numbers."""

    records: Size
    left_out: Size


class LeftOutLine(Struct, frozen=True):
    """A line of the list that has no record."""

    line: Size


class PackParameters(Struct, frozen=True):
    """What the bytes depend on besides list and images; see `PackJob.parameters`.

    Attributes:
        encode: the fields of `EncodeSpec`; `recorded_job` checks them.
    """

    encode: dict[Key, str | int | bool | tuple[_Transform, ...] | None]
    engine: Text
    labels: Annotated[str, one_of((FIRST, *(form.value for form in LabelForm)))]
    label_width: Size | None
    part: tuple[Position, Position]
    pass_through: bool
    below_root: bool = False


class PackManifest(Struct, frozen=True):
    """The manifest; file names are relative to its folder.

    Attributes:
        inputs: the list.
        parameters: how it was packed.
        codec: what has encoded images; None: nothing had to.
        counts: of what was packed.
        files: the records, the index, and a list where one was made.
        left_out: lines without a record.
    """

    LISTS_IMAGES: ClassVar = True

    inputs: Annotated[tuple[PackedList, ...], Meta(min_length=1, max_length=1)]
    parameters: PackParameters
    codec: Text | None
    counts: PackCounts
    files: Annotated[tuple[FileEntry, ...], Meta(min_length=2)]
    left_out: tuple[LeftOutLine, ...]
