"""What a configuration leaves out, as the first pass over an archive has recorded it.

``md5`` of an archive and the number of images of a split may be left out. They are recorded in the
output folder when the archive is read first, and from then on they are what the configuration
would have said: every digest is that of the same configuration with them filled in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec
import pyarrow.compute as pc

from pipeline import digests, manifest, paths, storage
from pipeline.archives.index import ArchiveIndex
from pipeline.catalog.classes import LabelTable
from pipeline.documents.records import ArchiveMark, RecordedArchive, RecordedCounts
from pipeline.sources.ilsvrc2012 import label_files as labels
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.expectation import Expectation
from pipeline.sources.ilsvrc2012.member_rows import Parts, clutter_mask, has_kind
from pipeline.sources.ilsvrc2012.members import archive_rows
from pipeline.sources.ilsvrc2012.rows import check_unique
from pipeline.sources.inputs import NO_MD5, Archive
from pipeline.storage import Location, with_suffix


def with_md5(
    out: Location | None, archives: Mapping[str, Archive], changed_in: Location | None = None
) -> dict[str, Archive]:
    """Return archives by their names, with the MD5s that were recorded where none is said.

    Args:
        out: the output folder; None: there is none.
        archives: as the configuration has them.
        changed_in: the folder of those that are to be read again where they look otherwise than
            when they were read; None: none of them are.
    """
    return {name: _with_md5(out, archive, changed_in) for name, archive in archives.items()}


def _with_md5(out: Location | None, archive: Archive, changed_in: Location | None) -> Archive:
    if out is None or archive.md5 != NO_MD5:
        return archive
    record = _record(out, archive.file)
    if record is None or (changed_in is not None and _is_changed(out, record, changed_in)):
        return archive
    return replace(archive, md5=record.md5)


def _is_changed(out: Location, record: RecordedArchive, folder: Location) -> bool:
    """Whether an archive is there that looks otherwise than the recorded one did."""
    info = storage.stat(folder / record.archive)
    if info is None:
        return False
    mark = manifest.read_undamaged(paths.archive_mark(out, record.archive, info.look), ArchiveMark)
    return mark is None or mark.md5 != record.md5


def with_counts(
    out: Location, split: SplitConfig, archive: Archive, table: LabelTable
) -> SplitConfig | None:
    """Return a split with the number of its images; None: that is not known yet.

    Args:
        out: the output folder.
        split: its configuration.
        archive: where its images lie.
        table: the label table.
    """
    if split.is_counted:
        return split
    record = _record(out, archive.file)
    if record is None or record.md5 != archive.md5:
        return None
    found = record.counts.get(_form(split, table))
    if found is None:
        return None
    if found.images is not None:
        return replace(split, images=found.images)
    return replace(split, counted=tuple(sorted(found.counts.items())))


def record(
    out: Location, file: str, md5: str, splits: Iterable[SplitConfig], table: LabelTable
) -> None:
    """Record what an archive is that was read, and how many images lie in it of some splits.

    Args:
        out: the output folder, which holds its index.
        file: its published file name.
        md5: of the whole.
        splits: those of its splits that do not say how many images they have.
        table: the label table.

    Raises:
        ArchiveRefused: a member is not what the layout of a split promises.
    """
    earlier = _record(out, file)
    known = dict(earlier.counts) if earlier is not None and earlier.md5 == md5 else {}
    for split in splits:
        index = ArchiveIndex(paths.archive_index(out, file))
        counted = _by_class if split.by_class else _by_number
        known[_form(split, table)] = counted(index, split, table)
    found = RecordedArchive(file, md5, dict(sorted(known.items())))
    manifest.publish_alone(_place(out, file), msgspec.to_builtins(found))


def _record(out: Location, file: str) -> RecordedArchive | None:
    return manifest.read_undamaged(_place(out, file), RecordedArchive)


def _place(out: Location, file: str) -> Location:
    return with_suffix(paths.archive_index(out, file), ".recorded.json")


def _form(split: SplitConfig, table: LabelTable) -> str:
    """Return a digest of what decides which images of an archive are which of a split."""
    numbered = () if split.labels is None else labels.load_list(split.labels, table)
    return digests.digest(
        {
            "classes": table.class_ids,
            "layout": split.layout,
            "member": split.member,
            "numbered": digests.digest({"wnids": numbered}),
        }
    )


def _by_class(index: Parts, split: SplitConfig, table: LabelTable) -> RecordedCounts:
    counts = Counter[str]()
    for rows in archive_rows(index, split, table, Expectation({})):
        check_unique(rows.sort_by("key")["key"], split.archive)
        for each in rows["class_id"].value_counts().to_pylist():
            counts[each["values"]] += each["counts"]
    return RecordedCounts(counts=dict(sorted(counts.items())))


def _by_number(index: Parts, split: SplitConfig, table: LabelTable) -> RecordedCounts:
    numbered = ("",) * _files(index)  # without labels, the numbers are to be those up to that
    if split.labels is not None:
        numbered = labels.load_list(split.labels, table)
    numbers, counts = list[int](), Counter[str]()
    for rows in archive_rows(index, split, table, Expectation({}, numbered)):
        numbers += rows["number"].to_pylist()
        counts.update(rows["class_id"].to_pylist())
    if sorted(numbers) == list(range(1, len(numbers) + 1)):
        return RecordedCounts(images=len(numbers))
    return RecordedCounts(counts=dict(sorted(counts.items())))


def _files(index: Parts) -> int:
    total = 0
    for part in range(len(index)):
        passed = pc.or_(has_kind(index[part], "directory"), clutter_mask(index[part]))
        total += pc.sum(pc.invert(passed)).as_py() or 0
    return total
