"""Reads the images of a plan from where its rows say they lie; a source that changed is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pyarrow as pa
import xxhash

from pipeline import storage
from pipeline.archives.member_hashes import KnownContents, KnownMembers
from pipeline.catalog import table as catalog
from pipeline.documents.shards import LeftOutImage
from pipeline.errors import (
    ArchiveRefused,
    BadImage,
    MemberDiffers,
    NoPermission,
    ShardmillError,
    TooManyPixels,
    TreeRefused,
)
from pipeline.formats.record import ImageRecord
from pipeline.images.prepare import Preparation, StoredImage
from pipeline.shards.object_masks import masks_at_size
from pipeline.storage.local.fingerprints import FingerprintsBuilder

AHEAD = 64
"""How many images the kernel is asked for before they are read."""
NONE_KNOWN: Final[KnownContents] = KnownMembers()
"""No hashes of members: nothing is compared."""
WhyAbsent = Callable[[str], tuple[str, str]]
"""Returns, of the image of a key that has no file, why that is so and what can be done about it."""


@dataclass(frozen=True)
class LeftOut:
    """An image that is in the plan and in no shard, and why.

    Attributes:
        key: of the image.
        source: file that it lies in.
        offset: where it begins there, in bytes.
        reason: why it is left out.
        line: of the image list that names it, from 1; 0: there is none.
        remedy: what can be done about it.
        max_pixels: how many were allowed, of an image that has more; 0 of others.
    """

    key: str
    source: str
    offset: int
    reason: str
    line: int = 0
    remedy: str = ""
    max_pixels: int = 0

    @staticmethod
    def because(
        error: ShardmillError, key: str, source: str, offset: int, line: int, max_pixels: int
    ) -> LeftOut:
        """Return the image that an error is about, where so many pixels are allowed."""
        allowed = max_pixels if isinstance(error, TooManyPixels) else 0
        return LeftOut(key, source, offset, error.brief, line, error.remedy or "", allowed)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        place = (self.key, self.source, self.offset)
        return LeftOutImage(*place, self.reason, self.line, self.max_pixels).to_json()


@dataclass(frozen=True)
class Image:
    """One row of the plan with its image; `record` is what is written of any format."""

    record: ImageRecord
    stored: StoredImage
    source: str
    offset: int
    line: int

    def left_out(self, error: ShardmillError, max_pixels: int) -> LeftOut:
        """Return that it is in no shard, and why; `max_pixels` are allowed."""
        place = (self.record.key, self.source, self.offset, self.line)
        return LeftOut.because(error, *place, max_pixels)


def no_such_file(key: str) -> tuple[str, str]:
    """Return what is said of an image without a file where nothing else is known."""
    del key
    return "there is no such file", "put the files there, or correct the list or --root"


def images(
    rows: pa.RecordBatch,
    sources: storage.Sources,
    prepares: Preparation,
    *,
    whole_files: bool = False,
    seen: FingerprintsBuilder | None = None,
    members: KnownContents = NONE_KNOWN,
    why_absent: WhyAbsent = no_such_file,
    with_masks: bool = False,
) -> Iterator[Image | LeftOut]:
    """Yield the images of a shard, read in order and encoded anew where that is asked for.

    The encoded bytes are a view that the next step of the iteration may overwrite. `seen` takes
    the fingerprints of the images that are whole files, in their order. With `members`, images
    are compared with what they were when they were verified. `why_absent` is asked of those of
    which there is no file. Records have the masks of their objects only `with_masks`.

    Raises:
        MemberDiffers: see `check_member`.
        InputRefused: see `read_image` and `check_member`.
    """
    columns = catalog.columns(rows)
    ranges = list(zip(columns["source"], columns["offset"], columns["length"], strict=True))
    known = members.at(columns["source"], columns["offset"])
    for wanted in ranges[:AHEAD]:
        _will_need(sources, wanted)
    for place, where in enumerate(ranges):
        if place + AHEAD < len(ranges):
            _will_need(sources, ranges[place + AHEAD])
        row = {name: values[place] for name, values in columns.items()}
        source, offset, length = where
        key, line = row["key"], row["line"]
        if length < 0:
            if seen is not None:
                seen.add(source, storage.ABSENT, None)
            reason, remedy = why_absent(key)
            yield LeftOut(key, source, offset, reason, line, remedy)
            continue
        stamp = sources.stamp(source) if seen is not None else 0  # first: see `settled_stamp`
        stored, content = _prepared(sources, prepares, key, where, whole_files)
        if known[place] is not None and content() != known[place]:
            sources.not_cached(*where)
            stored, content = _prepared(sources, prepares, key, where, whole_files)
            check_member(sources, key, where, content(), known[place], whole_file=whole_files)
        if seen is not None:
            seen.add(source, stamp, content())
        if isinstance(stored, BadImage):
            yield LeftOut.because(stored, key, source, offset, line, prepares.max_pixels)
        else:
            masks = masks_at_size(row["mask_files"], sources, stored) if with_masks else ()
            yield Image(record_of(row, stored, masks), stored, source, offset, line)


def _prepared(
    sources: storage.Sources,
    prepares: Preparation,
    key: str,
    where: tuple[str, int, int],
    whole_file: bool,
) -> tuple[StoredImage | BadImage, Callable[[], bytes]]:
    """Read an image; return it as it is stored, or why it is not, and what gives its xxh3-128."""
    data = read_image(sources, key, where, whole_file=whole_file)
    try:
        stored = prepares.prepare(data)
    except BadImage as error:
        return error, partial(xxhash.xxh3_128_digest, data)
    return stored, partial(_content_hash, data, stored)


def read_image(
    sources: storage.Sources,
    key: str,
    where: tuple[str, int, int],
    *,
    whole_file: bool,
) -> memoryview:
    """Return the bytes of an image; the next read may overwrite them.

    Args:
        sources: reads them.
        key: what errors call the image.
        where: its source, its offset there and its length, in bytes.
        whole_file: whether it is a file by itself, as in a tree.

    Raises:
        TreeRefused: the file is not as long any more as when the tree was listed.
        ArchiveRefused: the archive ends before the image does.
    """
    source, offset, length = where
    if whole_file:
        data, size = sources.read_whole(source, length)
        if size != length:
            raise TreeRefused(
                "the image has changed since the tree was listed",
                file=str(sources.path(source)),
                expected=f"{length} bytes",
                found=f"{size} bytes",
                remedy="leave the tree alone, then run the same command again: it is listed anew",
            )
        return data
    data = sources.read(source, offset, length)
    if len(data) != length:
        raise ArchiveRefused(
            "the file ends before an image that it should hold",
            file=str(sources.path(source)),
            place=f"{key}, offset {offset}",
            expected=f"{length} bytes",
            found=f"{len(data)} bytes",
            remedy="the file changed after it was verified: get it again",
        )
    return data


def read_member(
    sources: storage.Sources,
    key: str,
    where: tuple[str, int, int],
    known: bytes | None,
    *,
    whole_file: bool,
) -> tuple[memoryview, bytes]:
    """Return the bytes of an image and their xxh3-128; see `read_image` and `check_member`."""
    data = read_image(sources, key, where, whole_file=whole_file)
    content = xxhash.xxh3_128_digest(data)
    if known is not None and content != known:
        sources.not_cached(*where)
        data = read_image(sources, key, where, whole_file=whole_file)
        content = xxhash.xxh3_128_digest(data)
        check_member(sources, key, where, content, known, whole_file=whole_file)
    return data, content


def check_member(
    sources: storage.Sources,
    key: str,
    where: tuple[str, int, int],
    content: bytes,
    known: bytes | None,
    *,
    whole_file: bool = False,
) -> None:
    """Check that an image has the bytes that it had when it was verified.

    Args:
        sources: what it was read from.
        key: what errors call the image.
        where: its source, its offset there and its length, in bytes.
        content: its xxh3-128, 16 bytes.
        known: that of the verified image; None: not known, nothing is compared.
        whole_file: whether it is a file by itself.

    Raises:
        MemberDiffers: an image in an archive has others.
        TreeRefused: one that is a file by itself has others.
    """
    if known is None or content == known:
        return
    source, offset, length = where
    if whole_file:
        raise TreeRefused(
            "an image is not what it was when it was collected",
            file=str(sources.path(source)),
            expected=f"xxh3-128 {known.hex()}",
            found=f"xxh3-128 {content.hex()}, read twice",
            remedy="move it away, then run the same command again: it alone is fetched again",
        )
    raise MemberDiffers(
        "an image is not what it was when its archive was verified",
        file=str(sources.path(source)),
        place=f"{key}, {length} bytes at offset {offset}",
        expected=f"xxh3-128 {known.hex()}",
        found=f"xxh3-128 {content.hex()}, read twice",
        remedy="the archive was changed and kept its size and time, or its bytes went bad on the"
        " way: its MD5 is to be computed again; if that is wrong, get the archive again, and if it"
        " is right, look at the disk, the network and the memory of this machine",
    )


def record_of(
    row: Mapping[str, Any], stored: StoredImage, masks: tuple[bytes, ...] = ()
) -> ImageRecord:
    """Return what is written of a row of the plan, as `catalog.columns` has it."""
    return ImageRecord(
        key=row["key"],
        filename=row["filename"],
        class_index=row["class_index"],
        class_id=row["class_id"],
        class_text=row["class_text"],
        boxes=row["boxes"],
        width=stored.width,
        height=stored.height,
        encoded=stored.encoded,
        id=row["id"],
        labels=tuple(row["labels"]),
        box_classes=row["box_classes"],
        box_ids=row["box_ids"],
        flags=row["flags"],
        masks=masks,
    )


def _content_hash(data: memoryview, stored: StoredImage) -> bytes:
    """Return the xxh3-128 of a source; of one that is stored as it is, it is known already."""
    if stored.encoded is data:
        return bytes.fromhex(stored.xxh3_128)
    return xxhash.xxh3_128_digest(data)


def _will_need(sources: storage.Sources, where: tuple[str, int, int]) -> None:
    if where[2] >= 0:
        with suppress(NoPermission):  # it is said when it is read
            sources.will_need(*where)
