"""Which images are still to be asked for, and about how many bytes they have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import manifest, storage
from pipeline.documents.openimages import ImageGroupMark
from pipeline.sources.openimages import places
from pipeline.sources.openimages.images.image_files import (
    Asking,
    ImageGroup,
    holds,
    is_collected,
)
from pipeline.sources.openimages.images.known_images import recorded_images, without_changed

IMAGE_BYTES: Final = 295_000
"""What an image has, on average over all of Open Images: until it is known."""
_NO_SELECTION: Final = ""


@dataclass(frozen=True)
class MissingImages:
    """Images that are to be asked for.

    Attributes:
        asked: how many.
        lying: how many of them have a file that nobody has recorded: they are sent only if the
            bucket has other bytes.
        bytes: of the others: as they were recorded, or `IMAGE_BYTES` each.
        stored: bytes of the images that are there, beside those that are to be asked for.
    """

    asked: int = 0
    lying: int = 0
    bytes: int = 0
    stored: int = 0

    @staticmethod
    def sum(parts: Iterable[MissingImages]) -> MissingImages:
        """Return all of them together."""
        every = list(parts)
        return MissingImages(
            sum(each.asked for each in every),
            sum(each.lying for each in every),
            sum(each.bytes for each in every),
            sum(each.stored for each in every),
        )


def missing_of_group(group: ImageGroup, asking: Asking) -> MissingImages:
    """Return which images of a group are to be asked for."""
    if is_collected(group, asking):
        return MissingImages(stored=manifest.read(group.mark, ImageGroupMark).bytes)
    return _missing(group.out, group.split, group.selection, group.number, group.ids, asking)


def missing_among(out: Path, split: str, ids: Sequence[str], asking: Asking) -> MissingImages:
    """Return which images of a split are to be asked for, of a selection that was not made yet.

    Args:
        out: the output folder.
        split: of Open Images.
        ids: ImageIDs, ascending.
        asking: how.
    """
    return _missing(out, split, _NO_SELECTION, 0, ids, asking) if ids else MissingImages()


def _missing(
    out: Path, split: str, selection: str, number: int, ids: Sequence[str], asking: Asking
) -> MissingImages:
    folder = places.images(out, split)
    recorded = recorded_images(out, split, selection, number, ids)
    known = without_changed(recorded, folder)
    asked = [each for each in ids if each not in known or not holds(known[each], asking)]
    sizes = storage.file_sizes(folder, [f"{image_id}.jpg" for image_id in asked])
    stored = sum(row.bytes for row in known.values() if row.is_there)
    lying, needed = 0, 0
    for image_id, size in zip(asked, sizes, strict=True):
        row = recorded.get(image_id)
        is_recorded = row is not None and row.is_there
        if size >= 0 and not is_recorded:
            lying, stored = lying + 1, stored + size
        else:
            needed += row.bytes if row is not None and is_recorded else IMAGE_BYTES
    return MissingImages(len(asked), lying, needed, stored)
