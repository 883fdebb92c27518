"""The sizes of images, for their masks; and the masks that do not have the shape of their image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.images.masks import has_shape_of
from pipeline.images.raster import Size
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.images.image_rows import THERE
from pipeline.sources.openimages.masks.mask_rows import WRITTEN


def misshapen(
    out: Path, split: str, selection: str, digits: Iterable[str], groups: int
) -> Iterator[str]:
    """Yield the names of collected masks that do not have the shape of their image, ascending.

    Both are read side by side, so that memory does not grow with their number.

    Args:
        out: the output folder.
        split: whose masks and images.
        selection: its digest.
        digits: the first digits of the images whose masks were collected.
        groups: how many groups the images are in.
    """
    sizes = ImageSizes(out, split, selection, range(groups))
    for name, image_id, size in _masks(out, split, selection, digits):
        of_image = sizes.of(image_id)
        if of_image is not None and not has_shape_of(size, of_image):
            yield name


class ImageSizes:
    """The sizes of images that are there, asked for in the order of their ImageIDs.

    Args:
        out: the output folder.
        split: whose images.
        selection: its digest.
        groups: which groups of its images are read, ascending.
    """

    def __init__(self, out: Path, split: str, selection: str, groups: Iterable[int]) -> None:
        self._images = _image_sizes(out, split, selection, groups)
        self._next = next(self._images, None)

    def of(self, image_id: str) -> Size | None:
        """Return width and height of an image; None: it is not there.

        Args:
            image_id: none that is less than the one before.
        """
        while self._next is not None and self._next[0] < image_id:
            self._next = next(self._images, None)
        if self._next is None or self._next[0] != image_id:
            return None
        return self._next[1]


def _image_sizes(
    out: Path, split: str, selection: str, groups: Iterable[int]
) -> Iterator[tuple[str, Size]]:
    """Yield ImageID, width and height of each image that is there, ascending."""
    columns = ["image_id", "outcome", "width", "height"]
    for group in groups:
        path = places.image_table(out, split, selection, group)
        for rows in tables.read(path, tables.GROUP_TABLE, columns):
            for image_id, outcome, width, height in zip(
                *(rows[column].to_pylist() for column in columns), strict=True
            ):
                if outcome in THERE:
                    yield image_id, (width, height)


def _masks(
    out: Path, split: str, selection: str, digits: Iterable[str]
) -> Iterator[tuple[str, str, Size]]:
    columns = ["mask_path", "image_id", "outcome", "width", "height"]
    for digit in sorted(digits):
        path = places.mask_table(out, split, selection, digit)
        for rows in tables.read(path, tables.MASK_TABLE, columns):
            for name, image_id, outcome, width, height in zip(
                *(rows[column].to_pylist() for column in columns), strict=True
            ):
                if outcome in WRITTEN:
                    yield name, image_id, (width, height)
