"""Collects the images of one group: files as in the bucket, a table of outcomes, and its mark.

The bytes of an image are verified before they get its name. What is recorded by an earlier
selection of the same output, and there at its size, is not asked for; what lies there unrecorded is
asked for by its MD5, so that the bucket sends it only if it has another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from pipeline import manifest, storage
from pipeline.documents.openimages import ImageGroupMark
from pipeline.errors import RemoteUnavailable, abbreviate
from pipeline.sources.openimages import places
from pipeline.sources.openimages.images import image_rows
from pipeline.sources.openimages.images.image_arrivals import Arrivals, Wanted
from pipeline.sources.openimages.images.image_rows import FAILED, THERE, ImageRow
from pipeline.sources.openimages.images.known_images import known_images
from pipeline.sources.openimages.tables import GROUP_TABLE, group_ids, read
from pipeline.storage import Location, below

Tell: TypeAlias = Callable[[str, int], object]
"""Is called of each image with its outcome, and the bytes that were received for it."""
ID_IN_KEY: Final = "{id}"


def _silently(_outcome: str, _received: int) -> None:
    """Tell nobody."""


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

    def key_of(self, image_id: str) -> str:
        """Return the key of an image below the bucket."""
        return self.key.replace(ID_IN_KEY, image_id)

    def url_of(self, image_id: str) -> str:
        """Return where an image is asked for, as rows have it."""
        return str(self.bucket / self.key_of(image_id))


def is_collected(group: ImageGroup, asking: Asking) -> bool:
    """Whether a group is complete: its mark and table are there, and each image at its size."""
    mark = manifest.read_complete(group.mark, group.out, ImageGroupMark)
    if mark is None:
        return False
    if mark.finals and mark.asked < asking.retry_since:
        return False
    folder = places.images(group.out, group.split)
    columns = ["image_id", "outcome", "bytes"]
    for rows in read(group.table, GROUP_TABLE, columns):
        values = zip(*(rows[name].to_pylist() for name in columns), strict=True)
        there = {f"{image_id}.jpg": size for image_id, outcome, size in values if outcome in THERE}
        if storage.file_sizes(folder, there) != list(there.values()):
            return False
    return True


def collect(group: ImageGroup, asking: Asking, tell: Tell = _silently) -> ImageGroupMark:
    """Collect the images of a group, write its table and, if all have an outcome, its mark.

    Args:
        group: which images.
        asking: how.
        tell: is called of each image with its outcome, and the bytes that were received for it.

    Raises:
        RemoteUnavailable: some images have no outcome after all tries; what is there is recorded,
            and not asked for again. Or no image was answered at all.
        UsageError: no image at all is given out: bucket, endpoint or credentials are wrong.
        NoSpace: there is no room.
    """
    ids = group.ids
    known = known_images(group.out, group.split, group.selection, group.number, ids)
    rows = {key: row for key, row in known.items() if holds(row, asking)}
    for row in rows.values():
        tell(row.outcome, 0)
    arrivals = Arrivals(
        asking.bucket,
        places.images(group.out, group.split),
        asking.in_flight,
        asking.tries,
        asking.check_pixels,
        any(row.is_there for row in rows.values()) or has_images(group.out),
    )
    missing = [Wanted(each, asking.key_of(each)) for each in ids if each not in rows]
    try:
        for arrival in arrivals.fetch(missing):
            rows[arrival.row.image_id] = arrival.row
            tell(arrival.row.outcome, arrival.received)
    except RemoteUnavailable as error:
        for image_id in ids:
            url = asking.url_of(image_id)
            rows.setdefault(image_id, ImageRow(image_id, FAILED, url, detail=error.brief))
        _record(group, arrivals, [rows[each] for each in ids])
        raise
    ordered = [rows[each] for each in ids]
    _record(group, arrivals, ordered)
    if failed := [row for row in ordered if row.outcome == FAILED]:
        raise _failure(asking, failed, len(ordered))
    return manifest.read(group.mark, ImageGroupMark)


def has_images(out: Path) -> bool:
    """Whether an image was ever collected in an output folder."""
    tables = below(places.state(out), "images")
    marks = (mark for name in storage.folders(tables) for mark in storage.documents(tables / name))
    known = (manifest.read_undamaged(mark, ImageGroupMark) for mark in marks)
    if any(mark is not None and mark.images for mark in known):
        return True
    # No group is complete yet, so that these folders are small.
    return not all(storage.is_empty(places.images(out, split)) for split in places.SPLITS)


def holds(row: ImageRow, asking: Asking) -> bool:
    """Whether an image with this row need not be asked for."""
    is_asked_anew = row.url != asking.url_of(row.image_id) or (row.asked or "") < asking.retry_since
    return row.is_there or not is_asked_anew


def _record(group: ImageGroup, arrivals: Arrivals, rows: Sequence[ImageRow]) -> None:
    """Write the table of a group and, if no image is without an outcome, its mark."""
    if any(row.tries for row in rows if row.is_there):
        storage.sync_file_system(arrivals.folder)
    content = image_rows.encode(rows)
    if any(row.outcome == FAILED for row in rows):
        storage.remove(group.out, group.mark)
        storage.publish_bytes(group.table, content)
        return
    there = [row for row in rows if row.is_there]
    document = {
        "split": group.split,
        "selection": group.selection,
        "digest": image_rows.digest(rows),
        "images": len(there),
        "bytes": sum(row.bytes for row in there),
        "outcomes": dict(Counter(row.outcome for row in rows)),
        "asked": min((row.asked for row in rows if row.asked), default=""),
    }
    with storage.StagedFile(group.table) as table:
        table.write(content)
        manifest.publish([table], group.mark, group.out, document, superseding=True)


def _failure(asking: Asking, failed: Sequence[ImageRow], images: int) -> RemoteUnavailable:
    named = abbreviate(f"{row.image_id} ({row.detail})" for row in failed)
    return RemoteUnavailable(
        "images did not come",
        file=str(asking.bucket),
        expected=f"an answer for each of {images:,} images, at one of {asking.tries} tries",
        found=f"none for {len(failed):,}: {named}",
        remedy="run the same command again: only these are asked for",
    )
