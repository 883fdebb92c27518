"""WebDataset shards: tar archives of samples, with the index that DALI reads them by.

An image is a sample of three members, in this order; for NAME see `wids.sample_name`::

    NAME.jpg    the image as it is stored; NAME.png if its bytes are a PNG's
    NAME.cls    the class index plus the label offset in decimal digits; -1 where unlabelled
    NAME.json   {"wnid", "words", "width", "height", "boxes": [[xmin, ymin, xmax, ymax], ...],
                "filename"}, each as in `ImageRecord`, UTF-8; and "labels", if it has any; and
                "objects" of `objects`, with labels of detection

A member is a header block (POSIX.1-2017, pax, "ustar Interchange Format"; mode 0444, times and
owners 0) and its data, in whole blocks of 512 bytes. Two blocks of zeros end the archive, and are
the end of the file: tar's records of 10,240 bytes are a tape's, and no reader of files wants them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pipeline import storage
from pipeline.errors import BadImage, OutputDamaged
from pipeline.formats.record import ImageRecord, ParsedRecord, Placement, stored_label
from pipeline.formats.webdataset import objects
from pipeline.formats.webdataset.index import Member, index_content, index_line, sample_name
from pipeline.formats.webdataset.ustar import BLOCK, PAX, member_header
from pipeline.storage import Location, Ranges, StagedFile, open_ranges

WRITER_VERSION: int = 1
"""Part of the output digest: raise it when the same records would give other bytes."""

_END: Final = bytes(2 * BLOCK)
_MAX_SIZE: Final = (1 << 33) - 1
_NAME: Final = re.compile(r"[-\w~/%]+", re.ASCII)
_SIZE: Final = re.compile(rb"[0-7]{11}\0")
_LABEL: Final = re.compile(rb"-1|0|[1-9][0-9]{0,18}")
_SIGNATURES: Final = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png"}
_ORDER: Final = (("jpg", "png"), ("cls",), ("json",))
_KEYS: Final = ["wnid", "words", "width", "height", "boxes", "filename"]
_LABELS: Final = "labels"
_OBJECTS: Final = "objects"
_TYPES: Final = [str, str, int, int, list, str]
_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_REMEDY: Final = "remove the file and run the shardmill command again: it is made anew"


@dataclass(frozen=True, slots=True)
class Sample(Placement):
    """A sample as it was read: where it stands, and what it holds.

    Attributes:
        name: what its members are named, see `wids.sample_name`.
        members: image, class and facts, for `wids.index_line`.
        content: what is written of the image; the image is a view that is valid until the next
            sample is read.
    """

    name: str
    members: tuple[Member, ...]
    content: ParsedRecord


class WebDatasetWriter:
    """Writes the samples of one shard, and its index; publishes neither.

    Args:
        shard: the tar archive, ended by `finish`.
        index: the DALI index, written by `finish`.
        label_offset: added to the class index of a labelled image.
        suffix: what the keys of the data set end in, see `wids.sample_name`.
        described: whether each object is described, see `objects`.
    """

    def __init__(
        self,
        shard: StagedFile,
        index: StagedFile,
        *,
        label_offset: int = 0,
        suffix: str = ".JPEG",
        described: bool = False,
    ) -> None:
        self._shard = shard
        self._index = index
        self._label_offset = label_offset
        self._suffix = suffix
        self._described = described
        self._lines: list[bytes] = []

    def write(self, record: ImageRecord) -> Placement:
        """Append a sample; its image is written from where it stands, uncopied.

        Raises:
            BadImage: the image is neither JPEG nor PNG, or of 8 GiB or more.
            ValueError: a box is not of finite numbers.
            ShardmillError: the file cannot be written, see `StagedFile.write`.
        """
        start = self._shard.size
        opening, closing, members = _sample(
            record, self._label_offset, self._suffix, described=self._described
        )
        self._shard.write(opening, record.encoded, closing)
        moved = [Member(name, start + offset, size) for name, offset, size in members]
        self._lines.append(index_line(moved))
        return Placement(start, self._shard.size - start)

    def finish(self) -> None:
        """End the archive, and write the index of all samples written."""
        self._shard.write(_END)
        self._index.write(index_content(self._lines))


def envelope(
    record: ImageRecord, label_offset: int, suffix: str, *, described: bool = False
) -> tuple[bytes, bytes]:
    """Return what stands before and after the image in a sample; errors as of `write`."""
    opening, closing, _ = _sample(record, label_offset, suffix, described=described)
    return opening, closing


def read_samples(path: Location) -> Iterator[Sample]:
    """Yield the samples of a shard in order, all but the bytes of their images checked.

    Holds one sample in memory. Of an image it is known that it is all there: a tar archive has
    checksums of nothing but headers.

    Raises:
        OutputDamaged: the file is missing or cut short, or holds what is never written; it names
            the member, or the one before it, and the byte offset of what is wrong.
    """
    if storage.stat(path) is None:
        raise OutputDamaged("the shard is missing", file=str(path), remedy=_REMEDY)
    with open_ranges(path) as file:
        reader = _ShardReader(file)
        while sample := reader.next():
            yield sample


class _ShardReader:
    """Walks through a shard, and knows what to call the place where it is."""

    def __init__(self, file: Ranges) -> None:
        self._file = file
        self._at = 0
        self._place = "the start"

    def next(self) -> Sample | None:
        """Return the next sample; None at the end of the archive."""
        start = self._at
        if self._file.read(start, BLOCK) == _END[:BLOCK]:
            if self._file.read(start, len(_END) + 1) != _END:
                raise self._damaged(start, "two blocks of zeros, and the end", "something else")
            return None
        members: list[Member] = []
        for extensions in _ORDER:
            members.append(member := self._member())
            name = members[0].name.rpartition(".")[0]
            expected = [f"{name}.{extension}" for extension in extensions]
            if member.name not in expected or not _NAME.fullmatch(name):
                raise self._damaged(member.offset - BLOCK, " or ".join(expected), member.name)
        return Sample(start, self._at - start, name, tuple(members), self._content(*members))

    def _member(self) -> Member:
        """Return the member at hand, and go on to what follows it."""
        at = self._at
        typeflag, raw, size = self._fields(at)
        if typeflag == PAX:
            raw = bytes(self._read(at + BLOCK, size)).partition(b"=")[2][:-1]
            size = self._fields(at + BLOCK + size + -size % BLOCK)[2]
        name = raw.decode(errors="replace")
        header = member_header(name, size)
        if self._read(at, len(header)) != header:
            raise self._damaged(at, "a header as it is written", f"another one, of {name}")
        self._place = name
        member = Member(name, at + len(header), size)
        end = member.offset + size
        if any(self._read(end, member.end - end)):
            raise self._damaged(end, "padding of zeros", "something else")
        self._at = member.end
        return member

    def _fields(self, at: int) -> tuple[bytes, bytes, int]:
        """Return typeflag, name and size of the header block at a byte."""
        block = bytes(self._read(at, BLOCK))
        computed = b"%06o\0 " % (sum(block) - sum(block[148:156]) + 8 * ord(" "))
        if block[148:156] != computed:
            raise self._damaged(at, f"a header of checksum {computed!r}", repr(block[148:156]))
        if not _SIZE.fullmatch(block, 124, 136):
            raise self._damaged(at + 124, "a size of eleven octal digits", repr(block[124:136]))
        prefix, name = (field.rstrip(b"\0") for field in (block[345:500], block[:100]))
        return block[156:157], b"/".join(filter(None, (prefix, name))), int(block[124:135], 8)

    def _content(self, image: Member, label: Member, facts: Member) -> ParsedRecord:
        digits, text = (bytes(self._read(part.offset, part.size)) for part in (label, facts))
        self._place = label.name
        if not _LABEL.fullmatch(digits):
            raise self._damaged(label.offset, "a class index", repr(digits[:40]))
        self._place = facts.name
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if not _are_facts(document):
            raise self._damaged(facts.offset, f"JSON of {', '.join(_KEYS)}", repr(text[:100]))
        return ParsedRecord(
            filename=document["filename"],
            label=int(digits),
            class_id=document["wnid"],
            class_text=document["words"],
            boxes=tuple(map(tuple, document["boxes"])),
            width=document["width"],
            height=document["height"],
            encoded=self._read(image.offset, image.size),
            labels=tuple(document.get(_LABELS, ())),
            described={_OBJECTS: document[_OBJECTS]} if _OBJECTS in document else {},
        )

    def _read(self, at: int, size: int) -> memoryview:
        # What the file cannot hold is never allocated.
        view = self._file.read(at, max(0, min(size, self._file.info.size - at)))
        if len(view) < size:
            raise self._damaged(at, f"{size} bytes", f"{len(view)} bytes, then the end")
        return view

    def _damaged(self, at: int, expected: str, found: str) -> OutputDamaged:
        return OutputDamaged(
            "the shard is not as it was written",
            file=str(self._file.path),
            place=f"{self._place}, byte {at}",
            expected=expected,
            found=found,
            remedy=_REMEDY,
        )


def _sample(
    record: ImageRecord, label_offset: int, suffix: str, *, described: bool
) -> tuple[bytes, bytes, list[Member]]:
    """Return what stands before and after the image, and where the members are in all that."""
    name, size = sample_name(record.key, suffix), len(record.encoded)
    image = f"{name}.{_image_extension(record)}"
    opening = member_header(image, size)
    members = [Member(image, len(opening), size)]
    closing = bytes(-size % BLOCK)
    behind = len(opening) + size
    for member, data in (
        (f"{name}.cls", b"%d" % stored_label(record.class_index, label_offset)),
        (f"{name}.json", _encode_facts(record, objects.described(record) if described else None)),
    ):
        closing += member_header(member, len(data))
        members.append(Member(member, behind + len(closing), len(data)))
        closing += data + bytes(-len(data) % BLOCK)
    return opening, closing, members


def _image_extension(record: ImageRecord) -> str:
    start, size = bytes(record.encoded[:8]), len(record.encoded)
    for signature, extension in _SIGNATURES.items():
        if start.startswith(signature) and size <= _MAX_SIZE:
            return extension
    raise BadImage(
        "the image cannot be a member of a WebDataset shard",
        file=record.key,
        expected=f"a JPEG (ff d8 ff) or a PNG (89 50 4e 47) of at most {_MAX_SIZE} bytes",
        found=f"{size} bytes that begin with {start.hex(' ')}",
        remedy="leave this image out, or convert it first",
    )


def _encode_facts(record: ImageRecord, described: list[objects.Described] | None) -> bytes:
    size = (record.width, record.height)
    values = (record.class_id, record.class_text, *size, record.boxes, record.filename)
    document: dict[str, object] = dict(zip(_KEYS, values, strict=True))
    if record.labels:
        document[_LABELS] = record.labels
    if described is not None:
        document[_OBJECTS] = described
    return _JSON.encode(document).encode()


def _are_facts(found: Any) -> bool:
    """Whether a JSON value is one that `_encode_facts` writes."""
    if not isinstance(found, dict):
        return False
    if list(found) != [*_KEYS, *(name for name in (_LABELS, _OBJECTS) if name in found)]:
        return False
    if _OBJECTS in found and not objects.are_described(found[_OBJECTS]):
        return False
    if [type(found[key]) for key in _KEYS] != _TYPES:
        return False
    if _LABELS in found and not _are_labels(found[_LABELS]):
        return False
    return min(found["width"], found["height"]) >= 1 and all(
        isinstance(box, list)
        and [type(side) for side in box] == [float] * 4
        and all(map(math.isfinite, box))
        for box in found["boxes"]
    )


def _are_labels(found: Any) -> bool:
    return (
        isinstance(found, list)
        and bool(found)
        and all(type(label) is float and math.isfinite(label) for label in found)
    )
