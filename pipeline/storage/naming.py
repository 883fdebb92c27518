"""Names below a location, whatever store it lies in.

What is below a `Path` is a `Path`, and what is below a `Remote` is one, also to a type checker.
"""

from __future__ import annotations

from functools import reduce
from operator import truediv
from pathlib import Path
from typing import cast

from pipeline.storage.location import Location
from pipeline.storage.stores import Where, relative


def below(folder: Where, *names: str) -> Where:
    """Return the location of names below a folder, each below the one before; "" names none."""
    wanted = [name for name in names if name]
    if isinstance(folder, Path):  # at once: each command names thousands of files
        return cast("Where", folder.joinpath(*wanted))
    return reduce(truediv, wanted, folder)


def with_suffix(location: Where, suffix: str) -> Where:
    """Return a location whose name has another suffix."""
    return cast("Where", location.with_suffix(suffix))


def folder_above(location: Where, levels: int) -> Where:
    """Return the folder that is so many levels above a location."""
    for _ in range(levels):
        location = cast("Where", location.parent)
    return location


def is_below(location: Location, folder: Location) -> bool:
    """Whether a location is a folder, or is below it, by their names alone."""
    try:
        return location == folder or bool(relative(location, folder))
    except ValueError:
        return False
