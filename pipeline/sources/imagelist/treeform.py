"""Whether the images of a list or folder can lie in class folders, and why not."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import UsageError
from pipeline.quantities import counted
from pipeline.sources.imagelist.class_counts import ClassCounts
from pipeline.storage import Location


def check_list(path: Location, counts: ClassCounts) -> None:
    """Check that each image of a list has one class.

    Raises:
        UsageError: one has not.
    """
    if counts.without:  # annotations have no lines
        raise UsageError(
            "images with several labels, or with one that is no class, have no class folder",
            file=str(path),
            place=f"line {counts.without_line}" if counts.without_line else None,
            expected="one label an image, a whole number from 0",
            found=f"{counted(counts.without, 'image')} without that",
            remedy="leave out what needs class folders: --export parquet has all labels",
        )
    if not counts.counts:
        raise UsageError(
            "the list has more classes than there can be class folders",
            file=str(path),
            remedy="leave out what needs class folders: --export parquet has all labels",
        )


def check_folder(path: Location, names: Sequence[str] | None) -> None:
    """Check that the class folders of a folder lie side by side.

    Args:
        path: the folder.
        names: its class folders, relative; None: it was not read with ``--recursive``.

    Raises:
        UsageError: they do not.
    """
    if names is None:
        raise UsageError(
            "images of a folder have no classes without --recursive",
            file=str(path),
            remedy="lay them into a folder for each class, and say --recursive",
        )
    if "." in names:
        raise UsageError(
            "images lie in the folder itself, beside the class folders",
            file=str(path),
            expected="each image in a class folder",
            remedy="move them into a class folder",
        )
    check_side_by_side(path, names)


def check_side_by_side(path: Location, names: Sequence[str]) -> None:
    """Check that no class is named as a folder in another one.

    Raises:
        UsageError: one is.
    """
    nested = next((name for name in names if "/" in name), None)
    if nested is not None:
        raise UsageError(
            "a class folder lies in another one, which training programs would take for the class",
            file=str(path),
            expected="class folders side by side",
            found=nested,
            remedy=f"give it a name beside the others, such as {nested.replace('/', '_')}",
        )
