"""Shards that are tars packed as a whole: which they are, and where they can be read.

Each is read once as a stream, for its images, and then unpacked once beside it, into the plain tar
of which ranges are read; see `pipeline.state.unpacked_archives`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from pipeline import storage
from pipeline.archives import plain_tars
from pipeline.archives.decompression import plain_name
from pipeline.errors import InputRefused, UsageError
from pipeline.sources.inputs import Archive
from pipeline.storage import Location


def archives(packed: Iterable[tuple[str, str]]) -> tuple[Archive, ...]:
    """Return the archives that packed shards are, by their names and MD5s."""
    return tuple(
        Archive(name, plain_name(name) or name, "", md5, None, packed=name, is_shard=True)
        for name, md5 in packed
    )


def unpacked_here(root: Location, names: Iterable[str]) -> set[str]:
    """Return the plain tars among some files that were unpacked from others of them."""
    there = {*names}
    plain = {name for name in map(plain_name, there) if name in there}
    if not isinstance(root, Path):
        return set()
    return {name for name in plain if name and plain_tars.is_unpacked(root / name)}


def check_alone(root: Location, names: Sequence[str]) -> None:
    """Check that no tar is among some shards both packed and plain, or packed twice.

    Raises:
        InputRefused: one is.
    """
    tars: dict[str, str] = {}
    for name in names:
        other = tars.setdefault(plain_name(name) or name, name)
        if other != name:
            raise InputRefused(
                "two files are the same tar by their names",
                file=str(storage.below(root, name)),
                expected="each tar once, packed or plain",
                found=f"{other} beside it",
                remedy="move one of both away, or name those to be taken by a pattern in quotes,"
                " such as 'DIR/*.tar'",
            )


def check_place(root: Location, splits: Iterable[Sequence[str]]) -> None:
    """Check that packed tars lie where they can be unpacked.

    Raises:
        UsageError: they lie at an address.
    """
    packed = [name for name in chain.from_iterable(splits) if plain_name(name)]
    if packed and not isinstance(root, Path):
        raise UsageError(
            "a tar that is packed as a whole cannot be read at an address",
            file=str(storage.below(root, packed[0])),
            expected="plain tars, whose images are read by ranges",
            remedy="copy it into a folder of this machine, and name that: it is unpacked there",
        )
