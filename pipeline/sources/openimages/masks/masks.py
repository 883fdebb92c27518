"""The masks of one selection and one archive: which are needed, and what comes of each.

Files of masks lie below the output folder with the bytes that the archive has, whatever the size of
their images is.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import digests, manifest, storage
from pipeline.archives.zip import ZipMember, members_of, read_members, spans
from pipeline.documents.openimages import MaskMark
from pipeline.errors import BadImage, OutputDamaged
from pipeline.images.masks import is_black, mask_size
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.masks import mask_archives
from pipeline.sources.openimages.masks.mask_archives import ArchiveAt
from pipeline.sources.openimages.masks.mask_rows import (
    BAD,
    BATCH,
    BLACK,
    ID_BYTES,
    KEPT,
    VERSION,
    WRITTEN,
    MaskRow,
    MaskRows,
    Written,
    are_there,
    publish,
    write_files,
)
from pipeline.storage import Location


@dataclass(frozen=True)
class _Part:
    """The masks that one task collects."""

    out: Path
    split: str
    selection: str
    digit: str

    @property
    def folder(self) -> Path:
        return places.masks(self.out, self.split)

    @property
    def table(self) -> Path:
        return places.mask_table(self.out, self.split, self.selection, self.digit)

    @property
    def mark(self) -> Path:
        return places.mask_mark(self.out, self.split, self.selection, self.digit)


def recorded(out: Location, split: str, selection: str, digit: str) -> MaskMark | None:
    """Return the mark of masks that were collected; the masks themselves are not looked at."""
    return manifest.read_complete(places.mask_mark(out, split, selection, digit), out, MaskMark)


def complete(out: Location, split: str, selection: str, digit: str) -> MaskMark | None:
    """Return the mark of masks that were collected and are there; None: they are still to be.

    See `mask_rows.are_there`.
    """
    mark = recorded(out, split, selection, digit)
    if mark is None:
        return None
    here = storage.on_this_machine(out)
    table, folder = places.mask_table(here, split, selection, digit), places.masks(here, split)
    return mark if are_there(table, folder, WRITTEN) else None


def collect(
    out: Path,
    split: str,
    selection: str,
    digit: str,
    archive: PublishedFile,
    *,
    raw: Path,
    offline: bool = False,
    say: Callable[[str], None] = lambda _text: None,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
) -> MaskMark:
    """Write the masks of a selection that one archive has, and the table of what came of each.

    Does nothing where that was done already. Masks that lie there with the bytes that the archive
    has are kept, and not read from it.

    Args:
        out: the output folder.
        split: whose masks.
        selection: its digest; its table of objects names the masks.
        digit: the first digit of the ImageIDs.
        archive: it is read in place where it lies in `raw`.
        raw: the folder of archives.
        offline: whether nothing may be fetched.
        say: told what a person should know.
        tell: told how many of the masks are looked at, and of how many.

    Raises:
        InputRefused: the archive is not there, and may or can not be fetched; it is no zip archive,
            or another one than is pinned; a member of it is damaged.
        TransientError: a server failed at every try; what was written stays.
        EnvironmentRefused: there is no room, or no permission.
    """
    mark = complete(out, split, selection, digit)
    if mark is not None:
        return mark
    part = _Part(out, split, selection, digit)
    rows = MaskRows(_wanted(part))
    pa.default_memory_pool().release_unused()  # more than what is kept of the table of objects
    if len(rows):
        place = ArchiveAt(out, archive, raw, offline, say)
        _collect(part, rows, place, lambda done: tell(done, len(rows)))
        pa.default_memory_pool().release_unused()
    document = {"split": split, "selection": selection, "digit": digit}
    publish(part.table, part.mark, out, rows, document)
    return manifest.read(part.mark, MaskMark)


def missing(out: Path, split: str, selection: str, digit: str) -> int:
    """Return how many masks of a selection that one archive has are not there yet."""
    if complete(out, split, selection, digit) is not None:
        return 0
    part = _Part(out, split, selection, digit)
    return sum(size < 0 for size in storage.file_sizes(part.folder, _wanted(part).to_pylist()))


def digest_of(marks: Iterable[MaskMark]) -> str:
    """Return the digest of the masks of selections: of each its name, outcome and CRC-32."""
    rows = sorted([mark.split, mark.digit, mark.digest] for mark in marks)
    return digests.digest({"masks": rows, "version": VERSION})


def _wanted(part: _Part) -> pa.StringArray:
    """Return the names of the masks, ascending, which is the order of their ImageIDs, too.

    Raises:
        OutputDamaged: the selection names a mask after another image.
    """
    path = places.selected_objects(part.out, part.split, part.selection)
    names = [pa.array([], pa.string())]
    for rows in tables.read_digit(path, tables.OBJECTS, part.digit, ["image_id", "mask_path"]):
        masks = rows.filter(pc.is_valid(rows["mask_path"]))
        of_image = pc.utf8_slice_codeunits(masks["mask_path"], 0, ID_BYTES)
        if not pc.all(pc.equal(of_image, masks["image_id"]), min_count=0).as_py():
            raise OutputDamaged("a mask has the name of another image", file=str(path))
        names += masks["mask_path"].chunks
    every = pa.concat_arrays(names)
    every = every.take(pc.sort_indices(every))
    is_new = pc.not_equal(every[1:], every[:-1])
    return pa.concat_arrays([every[:1], every[1:].filter(is_new)])


def _collect(part: _Part, rows: MaskRows, archive: ArchiveAt, tell: Callable[[int], None]) -> None:
    """Write the masks that are not there yet; put what came of each."""
    members, places_of = _wanted_members(rows.names, archive)
    pa.default_memory_pool().release_unused()  # what the other members have taken
    is_there = np.zeros(len(places_of), bool)
    for number, row in _there(part.folder, members):
        is_there[number] = True
        rows.put(places_of[number], row)
    known = len(rows) - int((~is_there).sum())  # of the rest the archive has no member
    tell(known)
    ranges = spans(members.filter(~is_there))
    if ranges:
        with mask_archives.open_archive(archive, ranges) as source:
            contents = read_members(source, ranges, str(source.place))
            seen = write_files(part.folder, (_seen(member, data) for member, data in contents))
            for place, row in zip(places_of[~is_there].tolist(), seen, strict=True):
                rows.put(place, row)
                known += 1
                tell(known)


def _wanted_members(
    names: pa.StringArray, archive: ArchiveAt
) -> tuple[pa.Table, NDArray[np.int64]]:
    """Return the members of these names, rows of an index, and the place of each in the names."""
    index = mask_archives.index_of(archive)
    found = pc.index_in(index["name"], value_set=names)
    is_wanted = found.is_valid()
    return index.filter(is_wanted).combine_chunks(), found.filter(is_wanted).to_numpy()


def _there(folder: Path, members: pa.Table) -> Iterator[tuple[int, MaskRow]]:
    """Yield the masks whose files have the bytes that the archive has: their rows."""
    for start in range(0, members.num_rows, BATCH):
        batch = members_of(members.slice(start, BATCH))
        sizes = storage.file_sizes(folder, [member.name for member in batch])
        for number, (member, size) in enumerate(zip(batch, sizes, strict=True), start):
            if size == member.size:
                content = storage.read_bytes(folder / member.name)
                if zlib.crc32(content) == member.crc32:
                    mask = _seen(member, content)
                    if mask.content is not None:
                        yield number, mask.row


def _seen(member: ZipMember, content: bytes) -> Written:
    """Return what a member is, with its content if that is a mask."""
    try:
        width, height = mask_size(content)
        outcome = BLACK if is_black(content) else KEPT
    except BadImage:
        return Written(member.name, MaskRow(BAD, member.size, member.crc32))
    row = MaskRow(outcome, member.size, member.crc32, width, height)
    return Written(member.name, row, content)
