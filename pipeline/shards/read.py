"""Reads the images of a plan from where its rows say they lie; a source that changed is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import xxhash
from msgspec import Struct

from pipeline import storage
from pipeline.archives.member_hashes import KnownContents, KnownMembers
from pipeline.documents.shards import LeftOutImage
from pipeline.errors import (
    ArchiveRefused,
    MemberDiffers,
    ShardmillError,
    TooManyPixels,
    TreeRefused,
)
from pipeline.formats.record import ImageRecord
from pipeline.images.prepare import StoredImage

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


class Image(Struct, frozen=True):
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
