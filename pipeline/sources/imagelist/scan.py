"""Scans an image list or a folder of images, and turns it into rows of a catalog.

A list is that of im2rec (`lst`) or one whose columns have names (`table_list`), a folder one as
im2rec.py would list it (`listing`). All are read twice, once to know what they are and once to make
the catalog, and lists are never held whole.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import digests, storage
from pipeline.catalog import objects
from pipeline.catalog import table as catalog
from pipeline.catalog.class_table import ClassTable, FolderClasses
from pipeline.catalog.label_widths import NO_IMAGES, LabelWidths
from pipeline.errors import TransientError
from pipeline.sources.glance import Note, no_note
from pipeline.sources.imagelist import folder as listing
from pipeline.sources.imagelist import keys as imagekeys
from pipeline.sources.imagelist import list_contents as listcontents
from pipeline.sources.imagelist import lst
from pipeline.sources.imagelist import table_list as tablelist
from pipeline.sources.imagelist.class_counts import ClassCounter, ClassCounts
from pipeline.sources.imagelist.columns import PATH_AND_LABEL, Columns
from pipeline.sources.imagelist.folder import Listing
from pipeline.sources.imagelist.long_names import LongNames, never_cut
from pipeline.sources.imagelist.table_list import TableList
from pipeline.sources.imagelist.text_blocks import ROWS
from pipeline.sources.source import IsCut
from pipeline.storage import Location
from pipeline.storage.clutter import NOTHING, PassedOver
from pipeline.storage.local.fingerprints import FileStamps

_LAST_CLASS: Final = 2.0**31  # the first that no class index can be
_Listed: TypeAlias = Location | TableList | Listing
"""A list of im2rec's form, one whose columns have names, or what a folder holds."""
_WINDOWS: Final = re.compile(r"\\|^[A-Za-z]:/")  # in paths that Windows has written


@dataclass(frozen=True, eq=False)
class ImageListing:
    """What a list or a folder names.

    Attributes:
        path: the list or the folder.
        root: folder that the paths are relative to.
        prefix: where that lies in the folder that the sources of a catalog are relative to, with a
            slash at its end; empty: it is that folder.
        recursive: of a folder, whether the folders in it are classes.
        extensions: of a folder, what names of images end in.
        images: how many there are, missing ones too.
        missing: how many of them no file is there of.
        backslashed: the first of the missing ones with a backslash or a drive; else empty.
        widths: how many labels its images have.
        counts: how many images are of each class.
        bytes: how large the files are together.
        suffix: what the first path ends in, such as ``.jpg``; may be empty.
        long_names: whether any key's name is cut in shards, by what `scan` was given.
        digest: of lines, ids, labels, classes in words, paths and sizes; no times, and no matter
            where the root lies.
        ignored: of a folder, how many files were passed over for their names.
        first_ignored: the first of them.
        clutter: of a folder, what was passed over as clutter.
        classes: of a folder its classes, of a list its labels that are texts; None: there are none.
        repeats: whether a path is named more than once.
        stamps: of the files, which no digest is of; None: they were not looked at, see `snapshot`.
        columns: of a list whose columns have names, those that are read.
    """

    path: Location
    root: Location
    prefix: str
    recursive: bool
    extensions: tuple[str, ...]
    images: int
    missing: int
    backslashed: str
    widths: LabelWidths
    counts: ClassCounts
    bytes: int
    suffix: str
    long_names: bool
    digest: str
    ignored: int
    first_ignored: str
    clutter: PassedOver
    classes: FolderClasses | None
    repeats: bool
    stamps: FileStamps | None
    columns: Columns = PATH_AND_LABEL

    @property
    def pinned(self) -> ClassTable | None:
        """The table of classes that was given."""
        return self.classes.table if self.classes and self.classes.pinned else None


def scan(
    path: Location,
    root: Location,
    *,
    recursive: bool = False,
    extensions: Sequence[str] = (),
    table: ClassTable | None = None,
    columns: Columns = PATH_AND_LABEL,
    prefix: str = "",
    scanned: Listing | None = None,
    is_cut: IsCut = never_cut,
    note: Note = no_note,
) -> ImageListing:
    """Read a list, or list a folder, and look at the files that it names.

    Args:
        path: the list or the folder.
        root: folder that the paths are relative to.
        recursive: of a folder, whether the folders in it are classes.
        extensions: of a folder, what names of images end in; empty: the customary ones.
        table: of class folders, or of labels that are texts, which label each has; None: see
            `listing.scan` and `table_list.open_list`.
        columns: see `ImageListing`.
        prefix: see `ImageListing`.
        scanned: what was found in the folder, if somebody has looked.
        is_cut: see `ImageListing.long_names`.
        note: called with each folder before it is listed.

    Raises:
        BadAnnotation: see `lst.read`, `table_list.open_list` and `TableList.tables`; the file is
            no list, see `listcontents.check`.
        TreeRefused: see `listing.scan`.
        Vanished: there is neither.
    """
    kinds = tuple(extensions) or listing.EXTENSIONS
    content, hashes, stamps = hashlib.sha256(), array("Q"), array("Q")
    images = missing = size = 0
    widths, counter = NO_IMAGES, ClassCounter()
    long_names = LongNames(is_cut)
    suffix = backslashed = ""
    source = scanned or _source(path, kinds, columns, recursive=recursive, table=table, note=note)
    for rows in _tables(source):
        names = rows["path"].to_pylist()
        sizes_and_stamps = storage.file_stamps(root, names)
        sizes = np.array([each for each, _ in sizes_and_stamps], np.int64)
        suffix = suffix if images else storage.extension(names[0])
        images += len(names)
        missing += int(np.count_nonzero(sizes < 0))
        absent = (names[place] for place in np.flatnonzero(sizes < 0))
        backslashed = backslashed or next((name for name in absent if _WINDOWS.search(name)), "")
        size += int(sizes[sizes > 0].sum())
        labels = rows["labels"].combine_chunks()
        widths = LabelWidths.of(labels, rows["line"].to_numpy()).merged_into(widths)
        counter.add(_labels(labels)[0], rows["line"].to_numpy())
        hashes.extend(imagekeys.hashes([f"{prefix}{name}" for name in names] if prefix else names))
        stamps.extend([stamp for _, stamp in sizes_and_stamps])
        long_names.look(rows["path"], rows["id"], suffix)
        _update(content, rows, names, sizes)
    folder = source if isinstance(source, Listing) else None
    repeated = imagekeys.repeats_among(np.frombuffer(hashes, np.uint64))
    return ImageListing(
        path=path,
        root=root,
        prefix=prefix,
        recursive=recursive,
        extensions=kinds,
        images=images,
        missing=missing,
        backslashed=backslashed,
        widths=widths,
        counts=counter.result(),
        bytes=size,
        suffix=suffix,
        long_names=long_names.with_ids(lambda keys: imagekeys.numbered(keys, repeated)),
        digest=digests.digest({"files": content.hexdigest()}),
        ignored=folder.ignored if folder else 0,
        first_ignored=folder.first_ignored if folder else "",
        clutter=folder.clutter if folder else NOTHING,
        classes=None if isinstance(source, Location) else source.classes,
        repeats=len(repeated) > 0,
        stamps=FileStamps.of(np.frombuffer(hashes, np.uint64), np.frombuffer(stamps, np.uint64)),
        columns=columns,
    )


def catalog_rows(listed: ImageListing) -> Iterator[pa.Table]:
    """Yield the catalog of what a list or a folder names, in its order.

    The key of an image is its path; of one that is named more than once it is ``<path>#<id>``, and
    beside such a one also that of an image whose path ends in ``#`` and digits.

    Raises:
        TransientError: something has changed since it was looked at.
    """
    content = hashlib.sha256()
    kinds, pinned = listed.extensions, listed.pinned
    source = _source(listed.path, kinds, listed.columns, recursive=listed.recursive, table=pinned)
    repeated = _repeated_paths(source) if listed.repeats else imagekeys.NO_PATHS
    for table in _tables(source):
        names = table["path"].to_pylist()
        sizes = np.array(storage.file_sizes(listed.root, names), np.int64)
        _update(content, table, names, sizes)
        yield _as_rows(table, names, sizes, listed.prefix, repeated)
    if digests.digest({"files": content.hexdigest()}) != listed.digest:
        raise TransientError(
            "the list, or a file that it names, was changed meanwhile",
            file=str(listed.path),
            remedy="leave them alone while a command is at work: the list is read again",
        )


def _source(
    path: Location,
    extensions: Sequence[str],
    columns: Columns,
    *,
    recursive: bool,
    table: ClassTable | None,
    note: Note = no_note,
) -> _Listed:
    """Return a list, looked at as far as its form needs, or what a folder holds."""
    if not storage.is_folder(path):
        listcontents.check(path)
        named = tablelist.has_named_columns(path)
        return tablelist.open_list(path, columns, table) if named else path
    return listing.scan(path, recursive=recursive, extensions=extensions, table=table, note=note)


def _tables(found: _Listed) -> Iterator[pa.Table]:
    """Yield columns of `lst.SCHEMA`, and `text`, the class in words."""
    if isinstance(found, TableList):
        yield from found.tables()
        return
    if not isinstance(found, Listing):
        for table in lst.read(found):
            texts = pa.repeat(pa.scalar("", pa.string()), table.num_rows)
            yield table.append_column("text", texts)
        return
    words = pa.array(found.folders or ("",), pa.string())
    for first in range(0, len(found.paths), ROWS):
        labels = found.labels[first : first + ROWS]
        count = len(labels)
        offsets = pa.array(np.arange(count + 1, dtype=np.int32))
        values = pa.array(labels.astype(np.float32))
        columns = {
            "line": pa.array(np.zeros(count, np.int64)),
            "id": pa.array(np.arange(first, first + count, dtype=np.uint64)),
            "labels": pa.ListArray.from_arrays(offsets, values),
            "path": found.paths.slice(first, count).cast(pa.string()),
            "text": words.take(pa.array(labels)),
        }
        yield pa.table(columns)


def _as_rows(
    table: pa.Table,
    names: Sequence[str],
    sizes: NDArray[np.int64],
    prefix: str,
    repeated: NDArray[np.uint64],
) -> pa.Table:
    classes, labels = _labels(table["labels"].combine_chunks())
    count = table.num_rows
    columns = {
        "key": pa.array(imagekeys.keys(names, table["id"], repeated), pa.string()),
        "filename": catalog.file_names(pa.array(names, pa.string())),
        "source": pa.array([f"{prefix}{name}" for name in names]) if prefix else table["path"],
        "offset": pa.array(np.zeros(count, np.int64)),
        "length": pa.array(sizes),
        "class_index": classes,
        "class_id": pc.dictionary_encode(pa.repeat(pa.scalar("", pa.string()), count)),
        "class_text": pc.dictionary_encode(table["text"]),
        "labels": labels,
        "id": table["id"],
        "line": table["line"],
        "objects": objects.none(count),
    }
    return pa.table(columns).cast(catalog.SCHEMA)


def _labels(labels: pa.ListArray) -> tuple[pa.Array, pa.Array]:
    """Return the class of each image, and the labels of those that no class says; see `catalog`."""
    counts = pc.list_value_length(labels).to_numpy()
    values = labels.flatten().to_numpy()
    first = values[np.cumsum(counts) - counts]
    single = (counts == 1) & (first == np.floor(first)) & (first >= -1) & (first < _LAST_CLASS)
    classes = np.where(single, first, -1).astype(np.int32)
    kept = np.where(single, 0, counts)
    offsets = np.concatenate([[0], np.cumsum(kept)]).astype(np.int32)
    others = values[np.repeat(~single, counts)]
    return pa.array(classes), pa.ListArray.from_arrays(pa.array(offsets), pa.array(others))


def _repeated_paths(source: _Listed) -> NDArray[np.uint64]:
    """Return (n,) uint64, sorted: the xxh3-64 of the paths that are named more than once."""
    hashes = array("Q")
    for table in _tables(source):
        hashes.extend(imagekeys.hashes(table["path"].to_pylist()))
    return imagekeys.repeats_among(np.frombuffer(hashes, np.uint64))


def _update(
    content: hashlib._Hash, table: pa.Table, names: Sequence[str], sizes: NDArray[np.int64]
) -> None:
    labels = table["labels"].combine_chunks()
    content.update("".join(f"{name}\n" for name in names).encode())
    content.update("".join(f"{text}\n" for text in pc.unique(table["text"]).to_pylist()).encode())
    content.update(table["line"].to_numpy().astype("<i8").tobytes())
    content.update(table["id"].to_numpy().astype("<u8").tobytes())
    content.update(pc.list_value_length(labels).to_numpy().astype("<i4").tobytes())
    content.update(labels.flatten().to_numpy().astype("<f4").tobytes())
    content.update(sizes.astype("<i8").tobytes())
