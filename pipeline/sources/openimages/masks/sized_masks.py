"""Masks at the size of their images (``--mask-size image``), beside those that archives have.

They are made of the collected masks when the images are there, and lie in a folder of their own:
what other options have written is never changed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import digests, manifest, storage
from pipeline.documents.openimages import ImageGroupMark, MaskMark, SizedMaskMark
from pipeline.errors import OutputDamaged
from pipeline.images.masks import decode_mask, encode_png, has_shape_of, resized
from pipeline.images.raster import Size
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.masks import mask_rows
from pipeline.sources.openimages.masks.mask_rows import KEPT, WRITTEN, MaskRow, Written
from pipeline.sources.openimages.masks.mask_shapes import image_sizes

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
        groups = [
            manifest.read(places.image_mark(*where, group), ImageGroupMark).digest
            for group in range(self.groups)
        ]
        return digests.digest({"masks": mask_mark.digest, "images": groups, "version": VERSION})


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
    rows = dict(mask_rows.write_files(part.folder, _sized(part)))
    document = {
        "split": part.split,
        "selection": part.selection,
        "digit": part.digit,
        "made_of": made_of,
    }
    mask_rows.publish(part.table, part.mark, part.out, rows, document)
    return manifest.read(part.mark, SizedMaskMark)


def _sized(part: SizedPart) -> Iterator[Written]:
    images = image_sizes(part.out, part.split, part.selection, part.groups)
    sizes = {image_id: size for image_id, size in images if image_id.startswith(part.digit)}
    columns = ["mask_path", "image_id", "outcome", "crc32"]
    path = places.mask_table(part.out, part.split, part.selection, part.digit)
    for rows in tables.read(path, tables.MASK_TABLE, columns):
        for name, image_id, outcome, crc32 in zip(
            *(rows[column].to_pylist() for column in columns), strict=True
        ):
            if outcome not in WRITTEN:
                yield Written(name, MaskRow(NO_MASK))
            elif image_id not in sizes:
                yield Written(name, MaskRow(NO_IMAGE))
            else:
                mask = places.mask(part.out, part.split, name)
                yield _of_size(mask, crc32, sizes[image_id])


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
