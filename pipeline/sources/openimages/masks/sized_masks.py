"""Masks at the size of their images (``--mask-size image``), beside those that archives have.

They are made of the collected masks when the images are there, and lie in a folder of their own:
what other options have written is never changed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import pyarrow as pa

from pipeline import digests, manifest, storage
from pipeline.documents.openimages import ImageGroupMark, MaskMark, SizedMaskMark
from pipeline.errors import OutputDamaged
from pipeline.images.masks import decode_mask, encode_png, has_shape_of, resized
from pipeline.images.raster import Size
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.masks import mask_rows
from pipeline.sources.openimages.masks.mask_rows import (
    KEPT,
    WRITTEN,
    MaskRow,
    MaskRows,
    Written,
)
from pipeline.sources.openimages.masks.mask_shapes import ImageSizes

MISSHAPEN: Final = "misshapen"
"""The outcome of a mask whose shape is not that of its image: it is stretched or pressed."""
NO_IMAGE: Final = "no image"
"""That of one whose image is not there, so that nobody knows its size: it is not written."""
NO_MASK: Final = "no mask"
"""That of one that the archive does not have, or that is none."""
SIZED: Final = frozenset({KEPT, MISSHAPEN})
"""The outcomes of masks whose files are there."""

VERSION: Final = 1


@dataclass(frozen=True)
class SizedPart:
    """The masks of one selection whose images have one first digit.

    Attributes:
        out: the output folder.
        split: whose masks.
        selection: its digest.
        digit: the first digit of the ImageIDs.
        groups: how many groups the images of the selection are in.
    """

    out: Path
    split: str
    selection: str
    digit: str
    groups: int

    @property
    def table(self) -> Path:
        """The table of what came of each mask."""
        return places.sized_mask_table(self.out, self.split, self.selection, self.digit)

    @property
    def mark(self) -> Path:
        """Its mark."""
        return storage.with_suffix(self.table, ".json")

    @property
    def folder(self) -> Path:
        """The folder of the masks."""
        return places.sized_masks(self.out, self.split)

    @property
    def made_of(self) -> str:
        """The digest of the masks and images that these masks are made of.

        Raises:
            Vanished: they are not collected yet.
        """
        where = (self.out, self.split, self.selection)
        mask_mark = manifest.read(places.mask_mark(*where, self.digit), MaskMark)
        marks = [places.image_mark(*where, group) for group in range(self.groups)]
        stamps = tuple(storage.settled(mark) for mark in marks)
        read = _digests.__wrapped__ if storage.UNSETTLED in stamps else _digests
        images = read(tuple(marks), stamps)
        return digests.digest({"masks": mask_mark.digest, "images": images, "version": VERSION})


@lru_cache(maxsize=len(places.SPLITS))
def _digests(marks: tuple[Path, ...], stamps: tuple[int, ...]) -> list[str]:
    """Return the digests of groups of images; they are the same for the masks of all digits.

    Args:
        marks: of the groups: 1,024 of them take a tenth of a second to read.
        stamps: what they look like.
    """
    del stamps
    return [manifest.read(mark, ImageGroupMark).digest for mark in marks]


def recorded(part: SizedPart) -> SizedMaskMark:
    """Return the mark of masks that are there.

    Raises:
        Vanished: they are not.
    """
    return manifest.read(part.mark, SizedMaskMark)


def complete(part: SizedPart) -> SizedMaskMark | None:
    """Return the mark of masks that are there, and made of what is collected now; None: none.

    Raises:
        Vanished: masks and images are not collected yet.
    """
    mark = manifest.read_complete(part.mark, part.out, SizedMaskMark)
    if mark is None or mark.made_of != part.made_of:
        return None
    return mark if mask_rows.are_there(part.table, part.folder, SIZED) else None


def resize(part: SizedPart) -> SizedMaskMark:
    """Write each mask at exactly the size of its image, and the table of what came of each.

    Does nothing where that was done already.

    Raises:
        OutputDamaged: a collected mask is not what it was.
        Vanished: masks and images are not collected yet.
        EnvironmentRefused: there is no room, or no permission.
    """
    mark = complete(part)
    if mark is not None:
        return mark
    made_of = part.made_of
    rows = MaskRows(_names(part))
    for place, row in enumerate(mask_rows.write_files(part.folder, _sized(part))):
        rows.put(place, row)
    document = {
        "split": part.split,
        "selection": part.selection,
        "digit": part.digit,
        "made_of": made_of,
    }
    mask_rows.publish(part.table, part.mark, part.out, rows, document)
    return manifest.read(part.mark, SizedMaskMark)


def _names(part: SizedPart) -> pa.StringArray:
    """Return the names of the collected masks, in the order of their table."""
    path = places.mask_table(part.out, part.split, part.selection, part.digit)
    names = [pa.array([], pa.string())]
    for rows in tables.read(path, tables.MASK_TABLE, ["mask_path"]):
        names += rows["mask_path"].chunks
    return pa.concat_arrays(names)


def _sized(part: SizedPart) -> Iterator[Written]:
    selected = places.selected_images(part.out, part.split, part.selection)
    groups = tables.groups_with(selected, part.digit)
    sizes = ImageSizes(part.out, part.split, part.selection, groups)
    columns = ["mask_path", "image_id", "outcome", "crc32"]
    path = places.mask_table(part.out, part.split, part.selection, part.digit)
    for rows in tables.read(path, tables.MASK_TABLE, columns):
        for name, image_id, outcome, crc32 in zip(
            *(rows[column].to_pylist() for column in columns), strict=True
        ):
            size = sizes.of(image_id)
            if outcome not in WRITTEN:
                yield Written(name, MaskRow(NO_MASK))
            elif size is None:
                yield Written(name, MaskRow(NO_IMAGE))
            else:
                mask = places.mask(part.out, part.split, name)
                yield _of_size(mask, crc32, size)


def _of_size(path: Path, crc32: int, size: Size) -> Written:
    content = storage.read_bytes(path)
    if zlib.crc32(content) != crc32:
        raise OutputDamaged(
            "a mask is not as it was written",
            file=str(path),
            expected=f"CRC-32 {crc32:08x}",
            found=f"{zlib.crc32(content):08x}",
            remedy="remove it and run the same command again: it is collected anew",
        )
    mask = decode_mask(content)
    height, width = mask.shape
    sized = encode_png(resized(mask, size))
    outcome = KEPT if has_shape_of((width, height), size) else MISSHAPEN
    return Written(path.name, MaskRow(outcome, len(sized), zlib.crc32(sized), *size), sized)
