"""The files of a split in an unpacked tree, listed without opening any."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import digests, names, paths, storage
from pipeline.errors import TreeRefused
from pipeline.plaintext import Lines
from pipeline.sources.glance import Note, no_note
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.tree_layout import find, find_or_none
from pipeline.storage import clutter
from pipeline.storage.local.fingerprints import FileStamps, path_hashes

FILES = pa.schema(
    [
        ("key", pa.string()),  # as in the catalog
        ("path", pa.string()),  # relative to the tree, or absolute
        ("wnid", pa.string()),  # the class folder; empty: none
        ("size", pa.int64()),  # bytes
        ("stamp", pa.uint64()),  # see `pipeline.storage.local.stamps`; no digest is of it
    ]
)
"""Columns of `TreeListing.files`."""

_RANKED = FILES.append(pa.field("rank", pa.int8()))
_UNSAFE = re.compile(f"[{names.CONTROL}\ud800-\udfff]")  # the last are bytes that are no UTF-8
_BATCH = 1 << 16  # rows


@dataclass(frozen=True, eq=False)
class TreeListing:
    """The files of one split.

    Attributes:
        folder: the split's folder, relative to the tree, "/"-separated; empty: there is none.
        files: columns as in `FILES`, sorted by key, bytewise; none if they are `known` only.
        ignored: paths of what was passed over, relative to the tree or absolute as in `files`.
        digest: of keys and sizes: no times, and no matter where a flat split's files lie.
        places: a digest of paths and sizes, which does tell.
        bytes: how large the files are together.
        known: its files were not looked at, because what was found before is still right.
        gone: its files were not looked at, because the tree is not there any more.
    """

    folder: str
    files: pa.Table
    ignored: tuple[str, ...]
    digest: str
    places: str
    bytes: int
    known: bool = False
    gone: bool = False

    def stamps(self) -> FileStamps:
        """Return the stamps of the files by their paths."""
        path64 = path_hashes(self.files["path"].to_pylist())
        return FileStamps.of(path64, self.files["stamp"].to_numpy())

    @staticmethod
    def nothing() -> TreeListing:
        """Return the listing of a tree whose images nobody asks for."""
        return TreeListing("", FILES.empty_table(), (), "", "", 0)


def scan(
    tree: Path,
    split: SplitConfig,
    *,
    moving_to: Path | None = None,
    exclude: Path | None = None,
    classes: Collection[str] | None = None,
    note: Note = no_note,
) -> TreeListing:
    """List the files of a split, without opening any.

    Class folders and links are followed. A split of class tars is made of class folders; the
    files of a flat split may lie flat, in class folders, or half and half. Hidden names and what
    desktops leave behind are passed over, and so is what describes the images for imagefolder.

    Args:
        tree: the folder of the unpacked set.
        split: the split's configuration.
        moving_to: a folder of class folders into which the split's files are being moved; the
            split's own folder may be it, or be gone. It is listed after that: a file that moves
            meanwhile is seen. One that is in both counts once, where it was before.
        exclude: a folder of class folders that is made of the split; of two folders that could be
            the split's it is not the one.
        classes: the chosen class folders, None: all. In those that were not chosen, what does not
            belong there is passed over instead of refused.
        note: called with each folder before it is listed.

    Raises:
        TreeRefused: there is no folder for the split, or more than one; it holds what does not
            belong there, or an image twice.
    """
    goal = (
        None if moving_to is None or storage.is_empty(moving_to) else storage.real_folder(moving_to)
    )
    folder = (find_or_none if goal else find)(tree, split, exclude=moving_to or exclude)
    in_place = folder is not None and storage.real_folder(tree / folder) == goal
    places = []
    if folder is not None:
        places.append(_Place(tree / folder, folder, split.layout == "flat", in_place, note))
    if goal is not None and moving_to is not None and not in_place:
        places.append(
            _Place(moving_to, moving_to.absolute().as_posix(), flat=False, settled=True, note=note)
        )
    ignored: list[str] = []
    pieces = [piece for place in places for piece in _pieces(place, split, ignored, classes)]
    files = pa.concat_tables([_RANKED.empty_table(), *pieces])
    if split.layout == "flat" or len(places) > 1:
        files = _each_once(files, split)
    files = files.select(FILES.names)
    size = pc.sum(files["size"]).as_py() or 0
    return TreeListing(
        folder=folder or "",
        files=files,
        ignored=tuple(sorted(ignored)),
        digest=_digest(files, "key"),
        places=_digest(files, "path"),
        bytes=size,
    )


@dataclass(frozen=True)
class _Place:
    """A folder to be listed, with what is called before that and before those in it are.

    `shown` is how its files' paths begin, `flat` whether files may lie outside of class folders,
    `settled` whether its class folders are those into which files are being moved.
    """

    folder: Path
    shown: str
    flat: bool
    settled: bool
    note: Note


@dataclass(frozen=True)
class _Level:
    """What lies directly in a folder, by name, sorted."""

    files: dict[str, storage.Entry]
    folders: list[str]


def _pieces(
    place: _Place, split: SplitConfig, ignored: list[str], classes: Collection[str] | None
) -> Iterator[pa.Table]:
    place.note(place.folder)
    top = _level(place.folder, place.shown, ignored)
    if top.files and not place.flat:
        raise _misplaced(split, place.folder / next(iter(top.files)), "class folders only", "file")
    yield _piece(split, place.shown, "", top.files, rank=0)
    # By their keys' beginning: the pieces of a split of class tars are sorted as they come.
    for name in sorted(top.folders, key=lambda name: f"{name}/"):
        shown = _joined(place.shown, name)
        unchosen = classes is not None and not place.flat and name not in classes
        place.note(place.folder / name)
        inner = _level(place.folder / name, shown, ignored, lenient=unchosen)
        for nested in inner.folders:
            if not unchosen:
                raise _misplaced(split, place.folder / name / nested, "files only", "folder")
            ignored.append(_joined(shown, nested))
        # The archive of test images holds them in a folder of that name.
        wnid = "" if place.flat and name in {split.folder, split.name} else name
        yield _piece(split, shown, wnid, inner.files, rank=int(place.settled and wnid != ""))


def _level(folder: Path, shown: str, ignored: list[str], *, lenient: bool = False) -> _Level:
    """List a folder; `lenient`: what is refused elsewhere is passed over."""
    level = _Level({}, [])
    entries = sorted(storage.entries(folder), key=attrgetter("name"))
    all_safe = not _UNSAFE.search("".join(entry.name for entry in entries))
    for entry in entries:
        name, kind = entry.name, entry.kind
        if clutter.is_clutter(name) or name == paths.METADATA:
            ignored.append(_joined(shown, _printable(name)))
        elif not all_safe and _UNSAFE.search(name):
            if not lenient:
                raise _unsafe(folder, name)
            ignored.append(_joined(shown, _printable(name)))
        elif kind == "file":
            level.files[name] = entry
        elif kind == "folder":
            level.folders.append(name)
        elif lenient:
            ignored.append(_joined(shown, name))
        else:
            raise TreeRefused(
                "neither a file nor a folder",
                file=str(folder / name),
                expected="files, folders, and links to them",
                found=kind,
                remedy="remove it, or bring back what the link leads to",
            )
    return level


def _piece(
    split: SplitConfig, shown: str, wnid: str, files: dict[str, storage.Entry], *, rank: int
) -> pa.Table:
    names = pa.array(files, pa.string())
    flat = split.layout == "flat"
    columns = [
        names if flat else pc.binary_join_element_wise(wnid, names, "/"),
        pc.binary_join_element_wise(shown, names, "/") if shown else names,
        pa.repeat(pa.scalar(wnid, pa.string()), len(names)),
        pa.array([entry.size for entry in files.values()], pa.int64()),
        pa.array([entry.stamp for entry in files.values()], pa.uint64()),
        pa.repeat(pa.scalar(rank, pa.int8()), len(names)),
    ]
    return pa.table(columns, schema=_RANKED)


def _joined(shown: str, name: str) -> str:
    return f"{shown}/{name}" if shown else name


def _each_once(files: pa.Table, split: SplitConfig) -> pa.Table:
    """Sort by key; of a file on its way keep the one that lies where it was before."""
    if not files.num_rows:
        return files
    files = files.sort_by([("key", "ascending"), ("rank", "ascending")])
    keys = files["key"]
    again = np.append(False, pc.equal(keys.slice(1), keys.slice(0, len(keys) - 1)).to_numpy())
    for place in np.flatnonzero(again):
        first, second = files.slice(place - 1, 2).to_pylist()
        moving = first["rank"] < second["rank"] and first["wnid"] in {"", second["wnid"]}
        if not moving or first["size"] != second["size"]:
            raise TreeRefused(
                f"split {split.name}: image {first['key']} is there twice",
                file=first["path"],
                expected="each image once",
                found=Lines.of(f"{row['path']}, {row['size']} bytes" for row in (first, second)),
                remedy="remove the one that does not belong there",
            )
    return files.filter(pa.array(~again)) if again.any() else files


def _digest(files: pa.Table, column: str) -> str:
    content = hashlib.sha256()
    for batch in files.select([column]).to_batches(_BATCH):
        content.update("".join(f"{name}\n" for name in batch[column].to_pylist()).encode())
    for sizes in files["size"].chunks:
        content.update(sizes.to_numpy().astype("<i8").tobytes())
    return digests.digest({"files": content.hexdigest()})


def _misplaced(split: SplitConfig, path: Path, expected: str, kind: str) -> TreeRefused:
    inner = f"move the images in it into {path.parent}, and the folder away"
    outer = "move it away; class tars are unpacked into folders of their names"
    return TreeRefused(
        f"split {split.name}: a {kind} that does not belong there",
        file=str(path),
        expected=f"{expected} in {path.parent}",
        found=f"a {kind}",
        remedy=inner if kind == "folder" else outer,
    )


def _printable(name: str) -> str:
    """Return a name of clutter as it can be shown and recorded: it may be no UTF-8."""
    return _UNSAFE.sub("\ufffd", name)


def _unsafe(folder: Path, name: str) -> TreeRefused:
    return TreeRefused(
        "a name that no image may have",
        file=str(folder),
        expected="UTF-8 without control characters",
        found=repr(name),
        remedy="give it another name, or move it away",
    )
