"""Collects the images of one group: files as in the bucket, a table of outcomes, and its mark.

The bytes of an image are verified before they get its name. What is recorded by an earlier
selection of the same output, and there at its size, is not asked for; what lies there unrecorded is
asked for by its MD5, so that the bucket sends it only if it has another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import manifest, storage
from pipeline.documents.openimages import ImageGroupMark
from pipeline.sources.openimages import places
from pipeline.sources.openimages.tables import GROUP_TABLE, group_ids, read
from pipeline.storage import Location

FETCHED: Final = "fetched"
"""The outcome of an image whose bytes came from the bucket."""
KEPT: Final = "kept"
"""The outcome of one that was there already."""
ABSENT: Final = "absent"
"""The outcome of one that the bucket does not have."""
FORBIDDEN: Final = "forbidden"
"""The outcome of one that the bucket does not give out."""
BAD: Final = "bad"
"""The outcome of one whose bytes are no image, or not a whole one."""
FAILED: Final = "failed"
"""The outcome of one for which there was no answer: in the table of a group without mark alone."""
THERE: Final = frozenset({FETCHED, KEPT})
"""The outcomes of images whose files are there."""
FINAL: Final = frozenset({ABSENT, FORBIDDEN, BAD})
"""The outcomes of images that are asked for again only with ``--retry-absent``."""


@dataclass(frozen=True)
class ImageGroup:
    """Images that one task collects.

    Attributes:
        out: the output folder.
        split: of Open Images.
        selection: digest of what chooses its images.
        number: of the group, from 0.
    """

    out: Path
    split: str
    selection: str
    number: int

    @property
    def table(self) -> Path:
        """Its table, with a row for each image."""
        return places.image_table(self.out, self.split, self.selection, self.number)

    @property
    def mark(self) -> Path:
        """Its mark."""
        return places.image_mark(self.out, self.split, self.selection, self.number)

    @property
    def ids(self) -> list[str]:
        """Its ImageIDs, ascending."""
        return group_ids(places.selected_images(self.out, self.split, self.selection), self.number)


@dataclass(frozen=True)
class Asking:
    """How images are asked for; nothing of this decides a byte.

    Attributes:
        bucket: the bucket, a web server that serves it, or a folder that has the same keys.
        key: of an image below the bucket, such as ``train/{id}.jpg``.
        in_flight: how many requests of this process are under way at a time, at most.
        tries: of each image.
        retry_since: time as in `ImageGroupMark.asked`: images that were last asked for before, and
            were absent, forbidden or bad, are asked for again; "": none.
        check_pixels: whether each image is decoded.
    """

    bucket: Location
    key: str
    in_flight: int = storage.RemoteOptions.in_flight
    tries: int = 8
    retry_since: str = ""
    check_pixels: bool = False


def is_collected(group: ImageGroup, asking: Asking) -> bool:
    """Whether a group is complete: its mark and table are there, and each image at its size."""
    mark = manifest.read_undamaged(group.mark, ImageGroupMark)
    if mark is None or manifest.missing_files(mark.files, group.out):
        return False
    if mark.finals and mark.asked < asking.retry_since:
        return False
    columns = ["image_id", "outcome", "bytes"]
    for rows in read(group.table, GROUP_TABLE, columns):
        ids, outcomes, sizes = (rows[name].to_pylist() for name in columns)
        expected = {
            f"{image_id}.jpg": size
            for image_id, outcome, size in zip(ids, outcomes, sizes, strict=True)
            if outcome in THERE
        }
        folder = places.images(group.out, group.split)
        if storage.file_sizes(folder, expected) != list(expected.values()):
            return False
    return True


def collect(
    group: ImageGroup,
    asking: Asking,
    tell: Callable[[str, int], object] = lambda _outcome, _n: None,
) -> ImageGroupMark:
    """Collect the images of a group, write its table and, if all have an outcome, its mark.

    Args:
        group: which images.
        asking: how.
        tell: is called of each image with its outcome and the bytes that were received.

    Raises:
        RemoteUnavailable: some images have no outcome after all tries; what is there is recorded,
            and asked for no more. Or no image was answered at all.
        UsageError: no image at all is given out: bucket, endpoint or credentials are wrong.
        NoSpace: there is no room.
    """
    raise NotImplementedError
