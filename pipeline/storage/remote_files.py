"""What is known of many objects below an address, each a file of its own: size, and version.

A store is asked once, by one listing of all that lies below the address. A web server has none: it
is asked for each file, many at a time. What was learned is kept until `forget` is called, in 24
bytes an object: a list may name millions.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from pipeline.storage import remote
from pipeline.storage.local.fingerprints import path_hashes
from pipeline.storage.local.stamps import ABSENT
from pipeline.storage.location import S3, Remote, object_name

Seen = tuple[int, int]
"""Size in bytes and stamp of an object; (-1, `ABSENT`): there is none."""

_NOTHING: Final[Seen] = (-1, ABSENT)
_AT_ONCE: Final = 1 << 10  # questions that are handed over together


class _Table:
    """Sizes and stamps of all objects below an address, by the hashes of their names."""

    def __init__(self, root: Remote) -> None:
        names, sizes, stamps = array("Q"), array("q"), array("Q")
        for name, info in remote.walk(root):
            names.append(xxhash.xxh3_64_intdigest(name.encode()))
            sizes.append(info.size)
            stamps.append(info.number)
        order = np.argsort(np.frombuffer(names, np.uint64), kind="stable")
        self._names: NDArray[np.uint64] = np.frombuffer(names, np.uint64)[order]
        self._sizes: NDArray[np.int64] = np.frombuffer(sizes, np.int64)[order]
        self._stamps: NDArray[np.uint64] = np.frombuffer(stamps, np.uint64)[order]

    def find(self, names: Sequence[str]) -> list[Seen]:
        """Return what is known of objects, by their names below the address."""
        if not len(self._names):
            return [_NOTHING] * len(names)
        wanted = path_hashes(names)
        places = np.searchsorted(self._names, wanted).clip(max=len(self._names) - 1)
        there = self._names[places] == wanted
        sizes = np.where(there, self._sizes[places], -1).tolist()
        stamps = np.where(there, self._stamps[places], np.uint64(ABSENT)).tolist()
        return list(zip(sizes, stamps, strict=True))


class _Asked:
    """What a web server said of files, each asked for once."""

    def __init__(self, root: Remote) -> None:
        self._root = root
        self._known: dict[int, Seen] = {}

    def find(self, names: Sequence[str]) -> list[Seen]:
        """Return what is known of files, by their names below the address."""
        hashes = path_hashes(names).tolist()
        pairs = zip(hashes, names, strict=True)
        ahead = list({each: name for each, name in pairs if each not in self._known}.items())
        for first in range(0, len(ahead), _AT_ONCE):
            some = dict(ahead[first : first + _AT_ONCE])
            for number, info in zip(some, remote.ask(self._root, list(some.values())), strict=True):
                self._known[number] = _NOTHING if info is None else (info.size, info.number)
        return [self._known[number] for number in hashes]


_kept: dict[Remote, _Table | _Asked] = {}  # of this process


def forget() -> None:
    """Forget the listings of this process: the next question goes to the store."""
    _kept.clear()


def file_stamps(root: Remote, names: Sequence[str]) -> list[Seen]:
    """Return size and stamp of each object; (-1, `ABSENT`) where there is none.

    Args:
        root: the address that the names are relative to.
        names: paths; what is no name below an address, such as one with ``..``, names nothing.

    Raises:
        ShardmillError: the store or server refuses or does not answer.
    """
    if root not in _kept:
        _kept[root] = _Table(root) if root.scheme == S3 else _Asked(root)
    plain = [object_name(name) for name in names]
    seen = iter(_kept[root].find([name for name in plain if name]))
    return [next(seen) if name else _NOTHING for name in plain]
