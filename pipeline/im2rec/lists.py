"""The image lists of a prefix: which there are, and new ones of a folder of images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import storage
from pipeline.catalog import class_table as classtable
from pipeline.catalog.class_table import ClassTable
from pipeline.errors import ConfigError, OutputConflict, UsageError
from pipeline.sources.imagelist.folder import Division, Listing, divide, list_pieces, scan
from pipeline.storage.clutter import is_clutter
from pipeline.storage.local.input_file import check_rereadable

_LISTS: Final = ".lst"
_LIST_KINDS: Final = ("file", "special file")
_CLASSES: Final = ".classes.tsv"


@dataclass(frozen=True, eq=False)
class MadeLists:
    """What became of the images of a folder.

    Attributes:
        listing: the images.
        counts: each list that was written, and how many images it has.
        empty: lists that no image falls to; they are not written.
        unlisted: how many images are in no list, because im2rec.py rounds both shares down.
        others: lists that were there before, and that the same prefix means, too.
    """

    listing: Listing
    counts: dict[Path, int]
    empty: tuple[Path, ...]
    unlisted: int
    others: tuple[Path, ...]


def find_lists(prefix: str) -> list[Path]:
    """Return the lists that im2rec.py means by a prefix, sorted by name.

    They are all those whose path begins with it: ``train`` means ``train.lst``, ``train_val.lst``
    and ``train2.lst``. A folder means those in it; where there are none, those whose path begins
    with its name, unless a slash follows it.

    Raises:
        UsageError: there is none; a folder has some in it, and beside it are some that ``--list``
            would have made of the same prefix.
    """
    start = storage.full_path(prefix)
    inside = _lists(Path(start), "")
    closed = prefix.endswith("/")
    beside = [] if closed else _lists(Path(start).parent, Path(start).name)
    program_lists = [path for path in beside if path.name.startswith(_made_of(start))]
    if inside and program_lists:
        raise UsageError(
            "this means lists in a folder and lists beside it",
            file=prefix,
            expected="one of the two",
            found=f"{inside[0]} and {program_lists[0]}",
            remedy=f"say {start}/ for those in the folder, {start}. or {start}_ for the others",
        )
    lists = inside or beside
    if not lists:
        check_rereadable(Path(prefix), "an image list")
        is_folder = storage.real_folder(Path(start)) is not None
        raise UsageError(
            "there is no image list of this name",
            file=prefix,
            expected=f"files {start}/*{_LISTS}" if is_folder else f"files {start}*{_LISTS}",
            remedy="make lists with --list, or give their prefix, without .lst, as PREFIX",
        )
    return lists


def _lists(folder: Path, begins: str) -> list[Path]:
    # A pipe that has the name of a list is not passed over: packing it says what it is.
    files = (each.name for each in storage.entries(folder) if each.kind in _LIST_KINDS)
    names = sorted(name for name in files if name.startswith(begins) and name.endswith(_LISTS))
    # macOS leaves a file ._NAME beside every list; a hidden list is meant where its name is given.
    return [folder / name for name in names if begins.startswith(".") or not is_clutter(name)]


def _made_of(start: str) -> tuple[str, str]:
    """Return what the names of lists begin with that are made of a prefix."""
    name = start.rpartition("/")[2]
    return f"{name}.", f"{name}_"


def class_table(prefix: str) -> Path:
    """Return the path of the table of classes that is written beside the lists of a prefix."""
    return Path(f"{storage.full_path(prefix)}{_CLASSES}")


def other_tables(prefix: str) -> Iterator[tuple[Path, ClassTable]]:
    """Yield the tables of classes beside that of a prefix; what is no table is passed over."""
    own = class_table(prefix)
    names = (entry.name for entry in storage.entries(own.parent) if entry.kind == "file")
    for path in sorted(
        own.parent / name for name in names if name.endswith(_CLASSES) and not is_clutter(name)
    ):
        if path != own:
            with contextlib.suppress(ConfigError):
                yield path, classtable.read(path)


def make_lists(
    prefix: str,
    root: Path,
    extensions: Sequence[str],
    division: Division,
    *,
    recursive: bool,
    table: ClassTable | None = None,
) -> MadeLists:
    """Write the lists of the images in a folder, and with a walk their classes, all at once.

    Args:
        prefix: what the paths of the lists begin with.
        root: the folder.
        extensions: see `scan`.
        division: what goes into which list.
        recursive: see `scan`.
        table: see `scan`.

    Returns:
        What was written. A list that no image falls to is not, and one of its name is removed.

    Raises:
        TreeRefused: see `scan`.
        UsageError: see `scan`; the prefix is the path of a folder, and names no list; no image
            falls to any list.
        OutputConflict: see `storage.output_file`; two lists would become one file.
    """
    _check_prefix(prefix)
    listing = scan(root, recursive=recursive, extensions=extensions, table=table)
    start = storage.full_path(prefix)
    lists = {Path(start + end): rows for end, rows in divide(len(listing.paths), division).items()}
    counts = {path: len(rows) for path, rows in lists.items() if len(rows)}
    if not counts:
        raise UsageError(
            "no image falls to any list: both shares are rounded down",
            file=prefix,
            expected="a share of one image or more",
            found=f"{division.train} and {division.test} of {len(listing.paths)} images",
            remedy="leave out --test-ratio: the rest is then for validation",
        )
    empty = tuple(path for path in lists if path not in counts)
    places = _places(counts)
    with storage.target_lock(Path(start)), contextlib.ExitStack() as stack:
        staged = []
        for path in counts:
            file = stack.enter_context(storage.StagedFile(places[path]))
            for piece in list_pieces(listing, lists[path]):
                file.write(piece)
            staged.append(file)
        if listing.classes is not None:
            file = stack.enter_context(storage.StagedFile(storage.output_file(class_table(prefix))))
            file.write(listing.classes.table.content())
            staged.append(file)
        for path in empty:  # of another time, when there were more images
            if storage.kind(path) == "file":
                storage.remove(path.parent, path)
        storage.publish(*staged)
    before = (path for path in _lists(Path(start).parent, Path(start).name) if path not in counts)
    unlisted = len(listing.paths) - sum(counts.values())
    return MadeLists(listing, counts, empty, unlisted, tuple(before))


def _places(paths: Iterable[Path]) -> dict[Path, Path]:
    """Return where each list really goes, links followed."""
    places: dict[Path, Path] = {}
    for path in paths:
        place = storage.output_file(path)
        if place in places.values():
            raise OutputConflict(
                "two lists would become one file: a link leads from one to the other",
                file=str(path),
                expected="a file of its own for each list",
                found=str(place),
                remedy="remove the link, or give another PREFIX",
            )
        places[path] = place
    return places


def _check_prefix(prefix: str) -> None:
    name = prefix.rpartition("/")[2]
    if name in {"", ".", ".."}:
        raise UsageError(
            "this is the path of a folder, and the lists need a name",
            file=prefix,
            expected="FOLDER/NAME, for FOLDER/NAME.lst",
            remedy=f"say {Path(prefix, 'train')}, for example",
        )
