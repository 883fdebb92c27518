"""The image lists of a prefix: which there are, and new ones of a folder of pictures."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline import storage
from pipeline.errors import UsageError
from pipeline.sources.classtable import ClassTable
from pipeline.sources.listing import Division, Listing, divide, list_pieces, scan

_LISTS: Final = ".lst"


def find_lists(prefix: str) -> list[Path]:
    """Return the lists that im2rec.py means by a prefix, sorted by name.

    They are all those whose path begins with it: ``train`` means ``train.lst``, ``train_val.lst``
    and ``train2.lst``; a folder means those in it.

    Raises:
        UsageError: there is none.
    """
    start = os.path.abspath(prefix)
    if storage.real_folder(Path(start)) is not None:
        folder, begins = Path(start), ""
    else:
        folder, begins = Path(start).parent, Path(start).name
    names = sorted(entry.name for entry in storage.entries(folder) if entry.kind == "file")
    found = [folder / name for name in names if name.startswith(begins) and name.endswith(_LISTS)]
    if not found:
        raise UsageError(
            "there is no image list of this name",
            file=prefix,
            expected=f"files {start}*{_LISTS}" if begins else f"files *{_LISTS} in that folder",
            remedy="make lists with --list, or give their prefix, without .lst, as PREFIX",
        )
    return found


def class_table(prefix: str) -> Path:
    """Return the path of the table of classes that is written beside the lists of a prefix."""
    return Path(f"{os.path.abspath(prefix)}.classes.tsv")


def make_lists(
    prefix: str,
    root: Path,
    extensions: Sequence[str],
    division: Division,
    *,
    recursive: bool,
    table: ClassTable | None = None,
) -> tuple[Listing, dict[Path, int]]:
    """Write the lists of the pictures in a folder, and with a walk their classes, all at once.

    Args:
        prefix: what the paths of the lists begin with.
        root: the folder.
        extensions: see `scan`.
        division: what goes into which list.
        recursive: see `scan`.
        table: see `scan`.

    Returns:
        the pictures, and the lists with how many images each has.

    Raises:
        TreeRefused: see `scan`.
        UsageError: see `scan`.
    """
    listing = scan(root, recursive=recursive, extensions=extensions, table=table)
    start, counts = os.path.abspath(prefix), {}
    with storage.target_lock(Path(start)), contextlib.ExitStack() as stack:
        staged = []
        for end, rows in divide(len(listing.paths), division).items():
            path = Path(start + end)
            file = stack.enter_context(storage.StagedFile(storage.output_file(path)))
            for piece in list_pieces(listing, rows):
                file.write(piece)
            staged.append(file)
            counts[path] = len(rows)
        if listing.classes is not None:
            file = stack.enter_context(storage.StagedFile(storage.output_file(class_table(prefix))))
            file.write(listing.classes.table.content())
            staged.append(file)
        storage.publish(*staged)
    return listing, counts
