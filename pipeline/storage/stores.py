"""What every store does, by where a location lies: the one place that asks."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.storage import remote
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.local import listing, local_path, stamps
from pipeline.storage.local.ranges import RangeReader, SourceReader
from pipeline.storage.location import Location, Remote, is_address, parse
from pipeline.storage.readers import Ranges, Sources


def stat(location: Location | str) -> FileInfo | None:
    """Return size and stamp of a file or object without reading it; None: there is none."""
    if isinstance(location, Remote):
        return remote.stat(location)
    return listing.stat(location)


def sizes(folder: Location) -> dict[str, int]:
    """Return the files of a folder by name, with their sizes; empty where there is no folder."""
    return remote.sizes(folder) if isinstance(folder, Remote) else listing.sizes(folder)


def open_ranges(location: Location) -> Ranges:
    """Return what reads byte ranges of one file or object."""
    if isinstance(location, Remote):
        return remote.open_ranges(location)
    return RangeReader(location)


def open_sources(root: Location) -> Sources:
    """Return what reads byte ranges of the files or objects below a folder."""
    return remote.open_sources(root) if isinstance(root, Remote) else SourceReader(root)


def is_empty(location: Location) -> bool:
    """Whether there is nothing in a folder; true if it is absent."""
    return not sizes(location) if isinstance(location, Remote) else listing.is_empty(location)


def real_folder(location: Location) -> Path | None:
    """Return where a folder really lies, links followed; None: it is no folder of this machine."""
    return None if isinstance(location, Remote) else listing.real_folder(location)


def placed(location: Location) -> str:
    """Return what differs once a file was replaced or restored; of an object its stamp does."""
    return "" if isinstance(location, Remote) else stamps.placed(location)


def absolute(text: str, name: str) -> str:
    """Return a path or an address that means the same in every process.

    Args:
        text: as it was given.
        name: the option or argument, which the message names.

    Raises:
        UsageError: it is empty, no text, or an address that cannot be.
    """
    return str(parse(text, name)) if is_address(text) else local_path.absolute(text, name)


def on_this_machine(location: Location) -> Path:
    """Return the path of a location that can only be one of this machine.

    Raises:
        UsageError: it is an address.
    """
    if isinstance(location, Remote):
        raise UsageError("an address where only a local path can stand", found=str(location))
    return location
