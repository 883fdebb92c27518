"""What an output can consist of, by where it lies."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.storage.host_state import host_state
from pipeline.storage.location import S3, Location, Remote


def check_takes_files(location: Location, name: str) -> Location:
    """Return a location if files can be written there at all.

    Args:
        location: of an output.
        name: the option or argument, which the message names.

    Raises:
        UsageError: it is the address of a web server.
    """
    if isinstance(location, Path) or location.scheme == S3:
        return location
    raise UsageError(
        f"{name}: a web server, to which no shards can be written",
        expected="a local folder, or s3://BUCKET/PREFIX",
        found=str(location),
        remedy="give a local folder as --out, and copy it to the server with its own program",
    )


def host_root(out: Location) -> Path:
    """Return the folder of which nothing outside is this host's: a local output itself."""
    return out if isinstance(out, Path) else host_state(out)


def takes_folders(location: Location) -> bool:
    """Whether folders, links and large numbers of small files can lie there: on a disk."""
    return isinstance(location, Path)


def locks_are_of_one_host(out: Location) -> bool:
    """Whether no lock keeps commands of two hosts apart: in a store, which has none."""
    return isinstance(out, Remote)
