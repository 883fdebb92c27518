"""Whether a shard that is to be written has the records of a finished one, in the same order.

Then it has its bytes, too: a shard is a function of the rows of its plan, of what its images are,
and of the form of its records, and of nothing else. Whatever is not known for certain counts as
another: a shard is written once too often, never once too seldom.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import storage
from pipeline.archives.member_hashes import KnownContents
from pipeline.catalog import objects, plan
from pipeline.documents.shards import ShardMark
from pipeline.errors import ShardmillError
from pipeline.formats.base import ShardFormat
from pipeline.images import repair
from pipeline.shards import part_sources as partsources
from pipeline.shards.earlier_outputs import Contents, EarlierOutput
from pipeline.shards.output import RecordForm
from pipeline.storage import Location
from pipeline.storage.local import fingerprints

_PLACES: Final = frozenset({"source", "offset", "length", "line"})
"""What rows say of where an image lies: no byte of a record follows from it."""


@dataclass(frozen=True, eq=False)
class Images:
    """The images that a shard is to be written of.

    Attributes:
        root: folder that their sources are relative to.
        whole_files: whether each is a file by itself.
        members: what they were when their archives were verified, or they were collected.
    """

    root: Location
    whole_files: bool
    members: KnownContents


@dataclass(frozen=True, eq=False)
class SameShard:
    """A finished shard with the records of one that is to be written.

    Attributes:
        earlier: the output that it is of.
        mark: its own.
        fingerprints: of the images that are files by themselves, as they are now; else None.
    """

    earlier: EarlierOutput
    mark: ShardMark
    fingerprints: pa.Table | None


def find(
    earlier: Iterable[EarlierOutput], form: RecordForm, rows: pa.RecordBatch, images: Images
) -> SameShard | None:
    """Return a shard that has the records of one that is to be written; None: it must be written.

    Images in archives are not read: what they are is known since the archives were verified. Of
    those that are files by themselves only those are read that look different from when the
    finished shard was written, and none where one has another length.

    Args:
        earlier: outputs of the same form, see `pipeline.shards.earlier_outputs`.
        form: of the records.
        rows: of the plan, of the shard that is to be written.
        images: what the rows are about.
    """
    if form.describes_objects and _has_masks(rows):
        return None  # nobody keeps what masks were
    for output in earlier:
        number = output.shard_of(rows.column("key")[0].as_py())
        before = None if number is None else output.rows(number)
        if number is None or before is None or not _same_rows(output, form, rows, before):
            continue
        mark = output.mark(number)
        if mark is None or not _is_of_images_alone(mark):
            continue
        same = _of_same_images(output, mark, rows, before, images)
        if same is not None:
            return same
    return None


def _same_rows(
    output: EarlierOutput, form: RecordForm, rows: pa.RecordBatch, before: pa.RecordBatch
) -> bool:
    shard_format = form.shard_format
    passing = _PLACES if shard_format.writes_ids else _PLACES | {"id"}
    if not plan.same_values(rows, before, passing):
        return False
    # Names that are too long now were longer, once, in outputs of that digest.
    return output.shortened or not _any_cut(shard_format, form.options.suffix, rows)


def _any_cut(shard_format: ShardFormat, suffix: str, rows: pa.RecordBatch) -> bool:
    if not shard_format.cuts_names:
        return False
    return any(shard_format.is_cut(key, suffix) for key in rows.column("key").to_pylist())


def _has_masks(rows: pa.RecordBatch) -> bool:
    files = objects.masks(rows.column("objects"))
    return any(file is not None for of_image in files for file in of_image)


def _is_of_images_alone(mark: ShardMark) -> bool:
    """Whether nothing else decided a shard: it lacks no image that might be taken today.

    Images are repaired by whatever Pillow is installed, which the form of an output does not name.
    """
    here = repair.codec() if mark.repairs else ""
    return not mark.left_out and all(image.codec == here for image in mark.repairs)


def _of_same_images(
    output: EarlierOutput,
    mark: ShardMark,
    rows: pa.RecordBatch,
    before: pa.RecordBatch,
    images: Images,
) -> SameShard | None:
    """Return a shard if its images are those that would be written now."""
    if not rows.column("length").equals(before.column("length")):
        return None
    contents = output.contents(before, mark)
    if None in contents:
        return None
    known = images.members.at(rows.column("source").to_pylist(), rows.column("offset").to_pylist())
    if not images.whole_files:
        return SameShard(output, mark, None) if known == list(contents) else None
    if any(each not in {None, was} for each, was in zip(known, contents, strict=True)):
        return None
    seen = _fingerprints(output, mark, rows, contents, images.root)
    if seen is None or seen["content"].to_pylist() != list(contents):
        return None
    return SameShard(output, mark, seen)


def _fingerprints(
    output: EarlierOutput,
    mark: ShardMark,
    rows: pa.RecordBatch,
    contents: Contents,
    root: Location,
) -> pa.Table | None:
    """Return the fingerprints of the images of a shard as they are now; None: one is gone.

    A file that looks as it did when it was read has the content that it had.
    """
    kept = partsources.load(output.out, output.document.digests.family, mark.shard)
    if kept is None:
        return None
    names = rows.column("source").to_pylist()
    stamps = np.array([stamp for _, stamp in storage.file_stamps(root, names)], np.uint64)
    now = list(contents)
    is_same_place = kept[0].root == str(root) and kept[1]["path"].to_pylist() == names
    different = _different(stamps, kept[1]["stamp"].to_numpy(), everywhere=not is_same_place)
    try:
        read = storage.read_files(root, [names[place] for place in different])
    except ShardmillError:  # whoever writes the shard says what is wrong
        return None
    for place, (stamp, content) in zip(different, read, strict=True):
        stamps[place], now[place] = stamp, content
    return fingerprints.table(names, stamps, now)


def _different(
    stamps: NDArray[np.uint64], before: NDArray[np.uint64], *, everywhere: bool
) -> list[int]:
    """Return the places of the files that look different, or of which nothing is known."""
    if everywhere:
        return list(range(len(stamps)))
    places: list[int] = np.flatnonzero((stamps != before) | (stamps == storage.UNSETTLED)).tolist()
    return places
