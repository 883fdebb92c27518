"""Many small files of one export, such as one for each image: written in bounded memory.

They are put into their folders some thousands at a time, each time with one sync of the file
system. A listing says which they are; it is published when all of them are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from pipeline import storage
from pipeline.documents import small_files
from pipeline.documents.small_files import SmallFile
from pipeline.errors import OutputDamaged
from pipeline.storage import Buffer, Location, StagedFile, StagedFolder, on_this_machine

_AT_ONCE: Final = 1 << 14
"""Files that are staged before they get their names."""
_FOLDERS: Final = 128
"""Folders that are staged at once: each of them is open."""


@dataclass(frozen=True, slots=True)
class OtherName:
    """The content of a file that is one more name of another, where it can have one; else a copy.

    Attributes:
        source: the other file.
        content: its bytes; they are looked at before the next file is asked for.
        xxh3_128: their hash, hex.
    """

    source: Path
    content: Buffer
    xxh3_128: str


Content = bytes | OtherName
"""What a small file holds."""


def fill(
    out: Location, folder: Location, listing: StagedFile, files: Iterable[tuple[str, Content]]
) -> int:
    """Write files below a folder of the output, and their listing; return how many they are.

    Files of these names are replaced, and those that only the listing in the place of the new one
    names are removed, with their folders where nothing is left in them.

    Args:
        out: the output folder.
        folder: of the files.
        listing: of all of them; the caller publishes it.
        files: names relative to the folder, each once, with the content.
    """
    hashes = list[NDArray[np.uint64]]()
    count = small_files.write(listing, _noted(_placed(out, folder, files), hashes))
    _remove_others(out, listing.path, np.sort(np.concatenate([np.empty(0, np.uint64), *hashes])))
    return count


def _placed(
    out: Location, folder: Location, files: Iterable[tuple[str, Content]]
) -> Iterator[SmallFile]:
    """Put files into their folders, and yield what the listing says of each."""
    above = storage.relative(folder, out)
    with _Staging(on_this_machine(folder)) as staging:
        for name, content in files:
            staging.add(name, content)
            yield SmallFile(f"{above}/{name}", *_size_and_hash(content))
        staging.publish()


class _Staging:
    """Folders that are being filled, and get their names together."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[Path, StagedFolder] = {}
        self._stack = ExitStack()
        self._files = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, name: str, content: Content) -> None:
        """Stage a file."""
        above, _, file = name.rpartition("/")
        path = self._root / above if above else self._root
        staged = self._folders.get(path)
        if staged is None and len(self._folders) == _FOLDERS:
            self.publish()
        if staged is None:
            # Beside what is there, and through a link, files can only go one by one.
            merge = storage.real_folder(path) is not None
            # Another command that makes the same export may be the first to name the folder.
            staged = self._stack.enter_context(StagedFolder(path, merge=merge, merge_later=True))
            self._folders[path] = staged
        _put(staged, file, content)
        self._files += 1
        if self._files == _AT_ONCE:
            self.publish()

    def publish(self) -> None:
        """Give all staged files their names."""
        storage.publish_folders(*self._folders.values())
        self._stack.close()
        self._folders, self._files = {}, 0


def _put(staged: StagedFolder, name: str, content: Content) -> None:
    if isinstance(content, bytes):
        staged.write(name, content)
    elif not staged.hard_link(name, content.source):
        staged.write(name, content.content)


def _size_and_hash(content: Content) -> tuple[int, str]:
    if isinstance(content, bytes):
        return len(content), xxhash.xxh3_128_hexdigest(content)
    return len(content.content), content.xxh3_128


def _noted(files: Iterable[SmallFile], hashes: list[NDArray[np.uint64]]) -> Iterator[SmallFile]:
    """Yield files, and note the hashes of their names: 8 bytes each."""
    held = list[int]()
    for file in files:
        held.append(_hash(file.file))
        if len(held) == _AT_ONCE:
            hashes.append(np.array(held, np.uint64))
            held = []
        yield file
    hashes.append(np.array(held, np.uint64))


def _remove_others(out: Location, listing: Location, kept: NDArray[np.uint64]) -> None:
    """Remove the files that an earlier listing names and the new one does not."""
    for rows in _earlier(listing):
        names = rows["file"].to_pylist()
        hashes = np.array([_hash(name) for name in names], np.uint64)
        others = ~np.isin(hashes, kept, assume_unique=True)
        paths = [
            out / name for name, is_other in zip(names, others.tolist(), strict=True) if is_other
        ]
        storage.carry_out(storage.plan_files(out, paths))
        for folder in {on_this_machine(path.parent) for path in paths}:
            storage.remove_empty(folder)  # readers would take it for a class without images


def _hash(name: str) -> int:
    return xxhash.xxh3_64_intdigest(name.encode())


def _earlier(listing: Location) -> Iterator[pa.Table]:
    """Yield an earlier listing in parts; nothing of one that is damaged or not there."""
    if storage.stat(listing) is None:
        return
    try:
        yield from small_files.read(listing)
    except OutputDamaged:
        return
