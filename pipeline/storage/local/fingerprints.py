"""Fingerprints: what files held when they were read, so that they need not be read again.

A fingerprint is a path, the file's stamp (see `pipeline.storage.local.stamps`) and the hash of its
content. As long as a file has the stamp that is kept of it, its content is taken to be the kept
one; when the stamp differs, the file is read and its hashes are compared.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from pipeline.errors import NoPermission
from pipeline.storage.local.stamps import UNSETTLED, read_stamped

SCHEMA = pa.schema(
    [
        ("path", pa.string()),  # relative to a root that the owner of the table knows, or absolute
        ("path64", pa.uint64()),  # xxh3-64 of `path`
        ("stamp", pa.uint64()),  # when the file was read; see `pipeline.storage.local.stamps`
        ("content", pa.binary(16)),  # xxh3-128 of what it held; null: it could not be read
    ]
)
"""Columns of a table of fingerprints."""

_AT_ONCE = 64  # files that a thread reads in a row
_THREADS = 16  # most of them wait for a disk


@dataclass(frozen=True, eq=False)
class FileStamps:
    """The stamps of files as they are now, by the hashes of their paths.

    Attributes:
        path64: (n,) uint64, sorted, see `path_hashes`.
        stamps: (n,) uint64, of the same files.
    """

    path64: NDArray[np.uint64]
    stamps: NDArray[np.uint64]

    @staticmethod
    def of(path64: NDArray[np.uint64], stamps: NDArray[np.uint64]) -> FileStamps:
        """Return the stamps of files in any order."""
        order = np.argsort(path64, kind="stable")
        return FileStamps(path64[order], stamps[order])

    def differing(self, kept: pa.Table) -> NDArray[np.int64] | None:
        """Return which rows of a table of fingerprints are of files that have another stamp now.

        A file of which no stamp was known when it was read, as of a web server that tells no
        versions apart, counts as one.

        None: one of its files is not among these, so nothing can be said.
        """
        path64, stamps = kept["path64"].to_numpy(), kept["stamp"].to_numpy()
        places = np.searchsorted(self.path64, path64)
        if not len(self.path64) or not (self.path64.take(places, mode="clip") == path64).all():
            return None
        return np.flatnonzero((self.stamps[places] != stamps) | (stamps == UNSETTLED))


@dataclass
class FingerprintsBuilder:
    """Collects fingerprints, file by file."""

    paths: list[str] = field(default_factory=list)
    stamps: array[int] = field(default_factory=lambda: array("Q"))
    contents: list[bytes | None] = field(default_factory=list)

    def add(self, path: str, stamp: int, content: bytes | None) -> None:
        """Add a file; `content` is its xxh3-128, 16 bytes, or None where it could not be read."""
        self.paths.append(path)
        self.stamps.append(stamp)
        self.contents.append(content)

    def clear(self) -> None:
        """Forget every file."""
        self.paths, self.stamps, self.contents = [], array("Q"), []

    def table(self) -> pa.Table:
        """Return the fingerprints as a table of `SCHEMA`, in the order in which they came."""
        return table(self.paths, np.array(self.stamps, np.uint64), self.contents)


def table(
    paths: Sequence[str] | pa.Array,
    stamps: NDArray[np.uint64],
    contents: Sequence[bytes | None] | pa.Array,
) -> pa.Table:
    """Return a table of `SCHEMA`; the three have a value for each file."""
    names = paths.to_pylist() if isinstance(paths, pa.Array) else paths
    columns = [pa.array(names, pa.string()), path_hashes(names), stamps]
    arrays = [*map(pa.array, columns), pa.array(contents, pa.binary(16))]
    return pa.table(arrays, SCHEMA)


def path_hashes(paths: Sequence[str]) -> NDArray[np.uint64]:
    """Return the xxh3-64 of each path, as uint64."""
    hashes = (xxhash.xxh3_64_intdigest(path.encode()) for path in paths)
    return np.fromiter(hashes, np.uint64, len(paths))


def content_digest(fingerprints: pa.Table) -> str:
    """Return the xxh3-128, in hex, of paths and contents; stamps do not matter."""
    hasher = xxhash.xxh3_128()
    for path, content in zip(
        fingerprints["path"].to_pylist(), fingerprints["content"].to_pylist(), strict=True
    ):
        hasher.update(path.encode() + b"\0" + (content or b""))
    return hasher.hexdigest()


def read_files(root: Path, paths: Sequence[str]) -> list[tuple[int, bytes | None]]:
    """Read files, several at a time.

    Args:
        root: folder that the paths are relative to; an absolute one is taken as it is.
        paths: the files.

    Returns:
        For each the stamp to keep and the xxh3-128 of its content; of a file that may not be read,
        `UNSETTLED` and None.

    Raises:
        Vanished: one is gone.
    """
    parts = [paths[first : first + _AT_ONCE] for first in range(0, len(paths), _AT_ONCE)]
    if len(parts) <= 1:
        return _read_some(root, paths)
    with ThreadPoolExecutor(min(_THREADS, len(parts))) as pool:
        return [pair for part in pool.map(partial(_read_some, root), parts) for pair in part]


def _read_some(root: Path, paths: Sequence[str]) -> list[tuple[int, bytes | None]]:
    return list(_read_each(root, paths))


def _read_each(root: Path, paths: Sequence[str]) -> Iterator[tuple[int, bytes | None]]:
    for path in paths:
        try:
            yield read_stamped(Path(os.path.join(root, path)))
        except NoPermission:
            yield UNSETTLED, None
