"""Downloads the images of a list into one folder, as the official downloader lays them out.

What came of each is recorded in the folder, so that the same command goes on where it was: an image
that is recorded, and there at its size, is not asked for again. All others are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline import digests, storage
from pipeline.errors import OutputDamaged
from pipeline.sources.openimages import places
from pipeline.sources.openimages.images import failures, image_rows
from pipeline.sources.openimages.images.image_arrivals import Arrivals, Wanted
from pipeline.sources.openimages.images.image_files import Tell
from pipeline.sources.openimages.images.image_rows import FETCHED, KEPT, ImageRow, read_rows
from pipeline.storage import Location

AT_ONCE: Final = 512
"""After so many images what came of them is recorded."""


@dataclass(frozen=True)
class Download:
    """What is downloaded, from where, and how.

    Attributes:
        listed: the ImageIDs of each split, each once.
        folder: where the images go, as ``<ImageID>.jpg``.
        bucket: the bucket, a web server that serves it, or a folder that has the same keys.
        keys: of an image of each split below the bucket, such as ``train/{id}.jpg``.
        in_flight: how many images are asked for at a time, at most.
        tries: of each image.
        check_pixels: whether each image is decoded.
    """

    listed: Mapping[str, Sequence[str]]
    folder: Path
    bucket: Location
    keys: Mapping[str, str]
    in_flight: int
    tries: int
    check_pixels: bool = False

    @property
    def images(self) -> int:
        """How many images are listed."""
        return sum(map(len, self.listed.values()))


@dataclass
class Downloaded:
    """What came of a list.

    Attributes:
        outcomes: how many images have each outcome.
        received: bytes that came from the bucket.
        missing: the images of each split that are not there.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    received: int = 0
    missing: dict[str, list[ImageRow]] = field(default_factory=dict)


def download(asked: Download, tell: Tell) -> Downloaded:
    """Download the images of a list, and write which of them are not there.

    Args:
        asked: what, from where, and how.
        tell: is called of each image with its outcome, and the bytes that were received for it.

    Raises:
        RemoteUnavailable: the bucket does not answer at all.
        UsageError: none of the first answers is an image.
        NoSpace: there is no room.
    """
    done = Downloaded()

    def count(outcome: str, received: int) -> None:
        done.outcomes[outcome] += 1
        done.received += received
        tell(outcome, received)

    had_some = _has_images(asked.folder)
    for split, ids in asked.listed.items():
        missing = done.missing.setdefault(split, [])
        for first in range(0, len(ids), AT_ONCE):
            had_some = had_some or done.outcomes[FETCHED] + done.outcomes[KEPT] > 0
            rows = _collect(asked, split, ids[first : first + AT_ONCE], had_some, count)
            missing += [row for row in rows if not row.is_there]
        failures.write_rows(asked.folder, split, missing)
    return done


def _collect(
    asked: Download, split: str, ids: Sequence[str], had_some: bool, tell: Tell
) -> list[ImageRow]:
    """Download some images of a split, and record what came of them."""
    record = _record(asked.folder, split, ids)
    known = {row.image_id: row for row in _recorded(asked.folder, record)}
    rows = {image_id: known[image_id] for image_id in ids if image_id in known}
    for _ in rows:
        tell(KEPT, 0)
    missing = [each for each in ids if each not in rows]
    arrivals = Arrivals(
        asked.bucket,
        asked.folder,
        asked.in_flight,
        asked.tries,
        asked.check_pixels,
        had_some,
    )
    key = asked.keys[split]
    for arrival in arrivals.fetch(Wanted(each, key.replace("{id}", each)) for each in missing):
        rows[arrival.row.image_id] = arrival.row
        tell(arrival.row.outcome, arrival.received)
    ordered = [rows[each] for each in ids]
    if missing and any(row.is_there for row in ordered):
        storage.sync_file_system(asked.folder)
        storage.publish_bytes(record, image_rows.encode(ordered))
    return ordered


def _record(folder: Path, split: str, ids: Sequence[str]) -> Path:
    """Return the table of what came of some images."""
    name = digests.digest({"split": split, "ids": list(ids)})
    return places.downloads(folder) / f"{split}-{name}.parquet"


def _recorded(folder: Path, record: Path) -> Iterator[ImageRow]:
    """Yield the rows of images that are recorded, and there at their size."""
    if storage.stat(record) is None:
        return
    try:
        rows = [row for row in read_rows(record) if row.is_there]
    except OutputDamaged:
        return
    sizes = storage.file_sizes(folder, [f"{row.image_id}.jpg" for row in rows])
    yield from (row for row, size in zip(rows, sizes, strict=True) if row.bytes == size)


def _has_images(folder: Path) -> bool:
    return any(each.name.endswith(".jpg") for each in storage.kinds(folder))
