"""The masks of one selection and one archive: which are needed, and what comes of each.

Files of masks lie below the output folder with the bytes that the archive has, whatever the size of
their images is.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import digests, manifest, storage
from pipeline.archives.zip import ZipMember, members_of, read_members, spans
from pipeline.documents.openimages import MaskMark
from pipeline.errors import BadImage, OutputDamaged
from pipeline.images.masks import is_black, mask_size
from pipeline.sources.openimages import mask_archives, places, tables
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.mask_archives import ArchiveAt
from pipeline.storage import Location

VERSION: Final = 1
"""Other tables of the same masks: another version."""
KEPT: Final = "kept"
"""The outcome of a mask that lies in the output folder as its archive has it."""
BLACK: Final = "black"
"""That of one that lies there, too, but no pixel of it is the object's."""
MISSING: Final = "missing"
"""That of one of whose name the archive has no member."""
BAD: Final = "bad"
"""That of one that the archive has, and that is no mask: it is not written."""
WRITTEN: Final = frozenset({KEPT, BLACK})
"""The outcomes of masks whose files are there."""

_BATCH: Final = 4096  # files that get their names together
_EXAMPLES: Final = 8
_ROW_GROUP: Final = 1 << 16
_ID_BYTES: Final = 16


@dataclass(frozen=True)
class _Row:
    """What came of a mask, as `tables.MASK_TABLE` has it."""

    outcome: str
    bytes: int = 0
    crc32: int = 0
    width: int | None = None
    height: int | None = None


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


def complete(out: Location, split: str, selection: str, digit: str) -> MaskMark | None:
    """Return the mark of masks that were collected and are there; None: they are still to be.

    Each mask is asked for by name: others may lie in its folder, in any number.
    """
    mark = manifest.read_complete(places.mask_mark(out, split, selection, digit), out, MaskMark)
    if mark is None or not isinstance(out, Path):
        return mark
    columns = ["mask_path", "outcome", "bytes"]
    for rows in tables.read(
        places.mask_table(out, split, selection, digit), tables.MASK_TABLE, columns
    ):
        names, outcomes, sizes = (rows[name].to_pylist() for name in columns)
        expected = {
            name: size
            for name, outcome, size in zip(names, outcomes, sizes, strict=True)
            if outcome in WRITTEN
        }
        if storage.file_sizes(places.masks(out, split), expected) != list(expected.values()):
            return None
    return mark


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
    tell: Callable[[int, int | None], None] = lambda _done, _total: None,
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
        tell: told how many bytes of an archive that is fetched whole, or read for its MD5, are
            there, and of how many.

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
    wanted = _wanted(part)
    rows = dict[str, _Row]()
    if wanted:
        rows = _collected(part, wanted, ArchiveAt(out, archive, raw, offline, say, tell))
    return _published(part, wanted, rows)


def digest_of(marks: Iterable[MaskMark]) -> str:
    """Return the digest of the masks of selections: of each its name, outcome and CRC-32."""
    rows = sorted([mark.split, mark.digit, mark.digest] for mark in marks)
    return digests.digest({"masks": rows, "version": VERSION})


def _wanted(part: _Part) -> list[str]:
    """Return the names of the masks, ascending, which is the order of their ImageIDs, too.

    Raises:
        OutputDamaged: the selection names a mask after another image.
    """
    path = places.selected_objects(part.out, part.split, part.selection)
    names = set[str]()
    for rows in tables.read_digit(path, tables.OBJECTS, part.digit, ["image_id", "mask_path"]):
        masks = rows.filter(pc.is_valid(rows["mask_path"]))
        of_image = pc.utf8_slice_codeunits(masks["mask_path"], 0, _ID_BYTES)
        if not pc.all(pc.equal(of_image, masks["image_id"]), min_count=0).as_py():
            raise OutputDamaged("a mask has the name of another image", file=str(path))
        names.update(masks["mask_path"].to_pylist())
    return sorted(names)


def _collected(part: _Part, wanted: Sequence[str], archive: ArchiveAt) -> dict[str, _Row]:
    """Write the masks that are not there yet; return what came of each."""
    index = mask_archives.index_of(archive)
    is_wanted = pc.is_in(index["name"], value_set=pa.array(wanted, pa.string()))
    members = {member.name: member for member in members_of(index.filter(is_wanted))}
    del index
    rows = {name: _Row(MISSING) for name in wanted if name not in members}
    storage.probe_writable(part.folder)
    rows.update(_there(part.folder, members))
    ranges = spans(member for name, member in members.items() if name not in rows)
    if ranges:
        with mask_archives.open_archive(archive, ranges) as source:
            contents = read_members(source, ranges, str(source.place))
            rows.update(_written(part.folder, contents))
    return rows


def _there(folder: Path, members: Mapping[str, ZipMember]) -> Iterator[tuple[str, _Row]]:
    """Yield the masks whose files have the bytes that the archive has, and what they are."""
    names = list(members)
    sizes = storage.file_sizes(folder, names)
    for name, size in zip(names, sizes, strict=True):
        member = members[name]
        if size == member.size:
            content = storage.read_bytes(folder / name)
            if zlib.crc32(content) == member.crc32:
                row = _row(member, content)
                if row.outcome in WRITTEN:
                    yield name, row


def _written(
    folder: Path, contents: Iterator[tuple[ZipMember, bytes]]
) -> Iterator[tuple[str, _Row]]:
    """Write masks, so many at a time, and yield what came of each."""
    rows = [("", _Row(MISSING))]
    while rows:
        rows = []
        with storage.StagedFolder(folder, merge=True) as staged:
            for member, content in islice(contents, _BATCH):
                row = _row(member, content)
                if row.outcome in WRITTEN:
                    staged.write(member.name, content)
                rows.append((member.name, row))
            if rows:
                storage.publish_folders(staged)
        yield from rows


def _row(member: ZipMember, content: bytes) -> _Row:
    try:
        width, height = mask_size(content)
        outcome = BLACK if is_black(content) else KEPT
    except BadImage:
        return _Row(BAD, member.size, member.crc32)
    return _Row(outcome, member.size, member.crc32, width, height)


def _published(part: _Part, wanted: Sequence[str], rows: Mapping[str, _Row]) -> MaskMark:
    """Publish the table and its mark, and return the mark."""
    of_outcome = Counter(rows[name].outcome for name in wanted)
    document = {
        "split": part.split,
        "selection": part.selection,
        "digest": _digest(wanted, rows),
        "digit": part.digit,
        "masks": len(wanted),
        "outcomes": dict(sorted(of_outcome.items())),
        "examples": {
            outcome: list(islice((n for n in wanted if rows[n].outcome == outcome), _EXAMPLES))
            for outcome in sorted(of_outcome.keys() - {KEPT})
        },
    }
    parts = (wanted[start : start + _ROW_GROUP] for start in range(0, len(wanted), _ROW_GROUP))
    with storage.StagedFile(part.table) as staged:
        tables.write(staged, tables.MASK_TABLE, (_table(names, rows) for names in parts))
        manifest.publish([staged], part.mark, part.out, document)
    return manifest.read(part.mark, MaskMark)


def _table(names: Sequence[str], rows: Mapping[str, _Row]) -> pa.Table:
    columns = {
        "mask_path": names,
        "image_id": [name[:_ID_BYTES] for name in names],
        **{
            field: [getattr(rows[name], field) for name in names]
            for field in ("outcome", "bytes", "crc32", "width", "height")
        },
    }
    return pa.table(columns, schema=tables.MASK_TABLE)


def _digest(wanted: Sequence[str], rows: Mapping[str, _Row]) -> str:
    described = [
        digests.digest({"masks": [[n, rows[n].outcome, rows[n].crc32] for n in names]})
        for names in (wanted[start : start + _BATCH] for start in range(0, len(wanted), _BATCH))
    ]
    return digests.digest({"masks": described, "version": VERSION})
