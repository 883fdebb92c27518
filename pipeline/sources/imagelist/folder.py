r"""Image lists made of a folder of images, as ``tools/im2rec.py --list`` makes them.

For a folder and options that both take, the lists are the same, byte for byte. A line is ::

    '%d\t%f\t%s\n' % (id, label, path)

The id is the image's place in the sorted walk, whatever order the list is in. The label is the
place of its folder among those that hold images, folders within folders counted one by one; 0
where only the folder itself is looked at.

What that program does in silence is refused here: no image at all, a folder that cannot be
read or that leads back into itself, a name that the list cannot express, options without effect.
Clutter (`pipeline.storage.clutter`) is passed over, which that program does not do: its hidden
folders become classes. So is the page of an output that lies there. Without both the lists are
the same.

Source: tools/im2rec.py in apache/mxnet 1.9.1.
"""

from __future__ import annotations

import random
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import names as rule
from pipeline import storage
from pipeline.catalog import class_table as classtable
from pipeline.catalog.class_table import ClassTable, FolderClasses
from pipeline.errors import TreeRefused, UsageError
from pipeline.sources.glance import Note, no_note
from pipeline.sources.imagelist.own_pages import is_page
from pipeline.storage import Location
from pipeline.storage.clutter import NOTHING, PassedOver, is_clutter, passed_over

EXTENSIONS: Final = (".jpeg", ".jpg", ".png")
"""What names of images end in, in lower case, unless one says otherwise."""

SEED: Final = 100
"""What im2rec.py always shuffles with."""

_UNSAFE: Final = re.compile(f"[{rule.CONTROL}\ud800-\udfff]")  # the last: bytes that are no UTF-8
_LINES: Final = 1 << 16  # that are made at once


@dataclass(frozen=True, eq=False)
class Listing:
    """The images of a folder; the id of each is its place here.

    Attributes:
        paths: (n,) large_string, relative to the folder, "/"-separated, in the order of the walk.
        labels: (n,) int32.
        classes: the folder of each label, and what is odd about them; None where only the folder
            itself was looked at, and every label is 0.
        ignored: how many files were passed over, for their names; of links that lead nowhere, too.
        first_ignored: the first of them, relative; empty: there is none.
        clutter: files and folders that were passed over as clutter.
    """

    paths: pa.LargeStringArray
    labels: NDArray[np.int32]
    classes: FolderClasses | None = None
    ignored: int = 0
    first_ignored: str = ""
    clutter: PassedOver = NOTHING

    @property
    def folders(self) -> tuple[str, ...]:
        """The folder of each label, relative, "." for the folder itself; empty without a walk."""
        return self.classes.table.names if self.classes else ()

    def numbered(self, table: ClassTable) -> Listing:
        """Return the same images with the labels of a table that has all their folders."""
        if self.classes is None:
            return self
        classes, labels = classtable.number(self.folders, table, Path())
        known = replace(classes, bare=self.classes.bare, alike=self.classes.alike)
        return replace(self, classes=known, labels=np.array(labels, np.int32)[self.labels])


@dataclass(frozen=True)
class Division:
    """How images are divided among lists.

    Attributes:
        chunks: how many times over; the last ones may have fewer images, or none.
        train: the fraction of a chunk for training; 1: its list is not divided.
        test: the fraction for tests; the rest is for validation.
        seed: what the images are shuffled with; None: they are not.

    Raises:
        UsageError: a number is out of its range, or a fraction without effect.
    """

    chunks: int = 1
    train: float = 1.0
    test: float = 0.0
    seed: int | None = SEED

    def __post_init__(self) -> None:
        if self.chunks < 1:
            found = str(self.chunks)
            raise UsageError("too few lists asked for", expected="1 chunk or more", found=found)
        if not (min(self.train, self.test) >= 0 and self.train + self.test <= 1):
            raise UsageError(
                "fractions that are no division",
                expected="training and test of 0 or more, and of 1 at most together",
                found=f"{self.train} and {self.test}",
                remedy="lower one of the two; without a fraction for training, that is 1",
            )


def scan(
    root: Location,
    *,
    recursive: bool = False,
    extensions: Sequence[str] = EXTENSIONS,
    table: ClassTable | None = None,
    note: Note = no_note,
) -> Listing:
    """List the images of a folder, by their names alone.

    Folders are walked from the top, in each its files before its folders, both sorted by code
    points. Links are followed. Clutter is passed over; a folder of that kind counts as one name.

    Args:
        root: the folder.
        recursive: whether the folders in it are walked, too.
        extensions: of images, with their dot; names are put in lower case to compare.
        table: which label each folder has; None: its place among those that hold images. Two
            folders whose names differ in their Unicode form only have one label.
        note: called with each folder before it is listed.

    Raises:
        UsageError: an extension that no name can have.
        TreeRefused: there is no such folder or no image in it; a folder leads back into itself;
            a path holds control characters, is no UTF-8, or begins or ends with a blank; a folder
            of images is not in the table.
        NoPermission: a folder may not be read.
    """
    _check_extensions(extensions)
    if not storage.is_folder(root):
        raise TreeRefused("no folder of images", file=str(root), remedy="give another folder")
    pieces, counts, folders, bare = [], [], [], []
    ignored, first, clutter = 0, "", NOTHING
    for folder, names, others, left in _walk(root, recursive=recursive, note=note):
        chosen = [name for name in names if _extension(name) in extensions]
        passed = sorted({*names, *others} - {*chosen})
        clutter += passed_over(_joined(folder, name) for name in left)
        ignored += len(passed)
        first = first or (_joined(folder, passed[0]) if passed else "")
        if chosen:
            pieces.append(_paths(root, folder, chosen))
            counts.append(len(chosen))
            folders.append(folder or ".")
        else:
            bare.append(folder)
    if not pieces:
        raise TreeRefused(
            "no image in the folder",
            file=str(root),
            expected=_wanted(extensions),
            found=("none" if recursive else "none, without the folders in it")
            + (f"; passed over: {clutter}" if clutter.count else ""),
            remedy="give another folder, or other extensions"
            + ("" if recursive else ", or walk the folders in it, too, with --recursive"),
        )
    classes, numbers = classtable.number(folders, table, root)
    labels = np.repeat(np.array(numbers, np.int32), counts)
    known = replace(classes, bare=_topmost(bare, folders)) if recursive else None
    return Listing(pa.concat_arrays(pieces), labels, known, ignored, first, clutter)


def holds_image(root: Location, extensions: Sequence[str], *, recursive: bool) -> bool:
    """Whether an image lies in a folder; arguments as of `scan`, errors too."""
    return any(
        _extension(name) in extensions
        for _, names, *_ in _walk(root, recursive=recursive)
        for name in names
    )


def divide(count: int, division: Division) -> dict[str, NDArray[np.int64]]:
    """Return which images go into which list, by how its name goes on after the prefix.

    Args:
        count: how many images there are.
        division: how they are divided. With chunks, names go on with ``_<chunk, from 0>``; with a
            fraction below 1 for training, with ``_test``, ``_val`` or ``_train``; then ``.lst``.

    Returns:
        their ids in the order of the list, possibly none; lists in the order in which im2rec.py
        writes them. Where the fractions leave no rest there is no list for validation, and an
        image that rounding leaves over is in none.
    """
    order = array("q", range(count))
    if division.seed is not None:
        random.Random(division.seed).shuffle(order)  # noqa: S311 - a fixed order, no secret
    rows = np.frombuffer(order, np.int64)
    size = -(-count // division.chunks)
    test, train = int(size * division.test), int(size * division.train)
    lists = {}
    for chunk in range(division.chunks):
        part = rows[chunk * size : (chunk + 1) * size]
        name = f"_{chunk}" if division.chunks > 1 else ""
        if division.train == 1:
            lists[f"{name}.lst"] = part
            continue
        if division.test:
            lists[f"{name}_test.lst"] = part[:test]
        if division.train + division.test < 1:
            lists[f"{name}_val.lst"] = part[test + train :]
        lists[f"{name}_train.lst"] = part[test : test + train]
    return lists


def list_pieces(listing: Listing, rows: NDArray[np.int64]) -> Iterator[bytes]:
    """Yield the content of a list, UTF-8, piece by piece.

    Args:
        listing: the images.
        rows: (n,) the ids of those in the list, in its order.
    """
    for first in range(0, len(rows), _LINES):
        ids = rows[first : first + _LINES]
        labels = listing.labels[ids].tolist()
        paths = listing.paths.take(pa.array(ids)).to_pylist()
        lines = zip(ids.tolist(), labels, paths, strict=True)
        yield "".join([f"{row}\t{label:f}\t{path}\n" for row, label, path in lines]).encode()


def folder_lines(listing: Listing) -> str:
    """Return what im2rec.py prints of the folders: a line ``<folder> <label>`` for each."""
    return "".join(f"{folder} {label}\n" for label, folder in enumerate(listing.folders))


def _walk(
    root: Location, *, recursive: bool, note: Note = no_note
) -> Iterator[tuple[str, list[str], list[str], list[str]]]:
    """Yield folders, relative, empty for `root`, each with the sorted names of its files.

    The other lists are the names of what is neither file nor folder, and of clutter. Folders
    that are not walked are no clutter.
    """
    pending: list[tuple[str, frozenset[Path | None]]] = [("", frozenset())]
    while pending:
        folder, above = pending.pop()
        place = storage.below(root, folder)
        real = storage.real_folder(place)  # a store has no links
        if real is not None and real in above:
            raise TreeRefused(
                "a folder leads back into one that it lies in",
                file=str(place),
                found=f"a link to {real}",
                remedy="remove the link",
            )
        note(place)
        entries, left, there = list[storage.Entry](), list[str](), sorted(storage.kinds(place))
        names = {entry.name for entry in there}
        for entry in there:
            is_own = entry.kind == "folder" and is_page(place, entry.name, names)
            if not (is_clutter(entry.name) or is_own):
                entries.append(entry)
            elif recursive or entry.kind != "folder":
                left.append(entry.name)
        others = [entry.name for entry in entries if entry.kind not in {"file", "folder"}]
        yield folder, [entry.name for entry in entries if entry.kind == "file"], others, left
        if recursive:
            inner = [entry.name for entry in entries if entry.kind == "folder"]
            pending.extend((_joined(folder, name), above | {real}) for name in reversed(inner))


def _topmost(bare: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    """Return the folders that hold no image, nor a folder with one, without those in them."""
    parts = (folder.split("/") for folder in classes)
    above = {"/".join(part[:depth]) for part in parts for depth in range(len(part) + 1)} | {""}
    outermost = {folder for folder in bare if folder not in above}
    return tuple(sorted(folder for folder in outermost if folder.rpartition("/")[0] in above))


def _extension(name: str) -> str:
    """Return the end of a name, hidden ones apart, from its last dot on in lower case, or ""."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot >= 0 else ""


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _paths(root: Location, folder: str, names: Sequence[str]) -> pa.LargeStringArray:
    paths = [_joined(folder, name) for name in names]
    for path in paths:
        if _UNSAFE.search(path) or path != path.strip():
            raise TreeRefused(
                "a path that cannot stand in an image list",
                file=str(root),
                expected="UTF-8 without control characters, and no blank at either end",
                found=ascii(path),
                remedy="give it another name, or move it away",
            )
    return pa.array(paths, pa.large_string())


def _wanted(extensions: Sequence[str]) -> str:
    """Return which names are those of images; an empty extension stands for names without one."""
    texts = [f"names that end in {', '.join(filter(None, extensions))}"] if any(extensions) else []
    return " or ".join([*texts, *(["names without an extension"] if "" in extensions else [])])


def _check_extensions(extensions: Sequence[str]) -> None:
    for extension in extensions:
        if extension != storage.extension(f"name{extension}").lower():
            raise UsageError(
                "an extension that no name of an image ends in",
                expected="a dot and what follows the last one of a name, in lower case",
                found=repr(extension),
            )
