"""Files of outputs, each fetched once into a folder of this machine and named by its content.

Any number of processes may share the folder, and so may outputs: files of the same bytes are one. A
file gets its name when all of it is there and has the hash that the manifest says, by a rename: one
that is cut off is never read. Nothing is removed but what dead processes have left half fetched;
whoever wants the room removes files, or the folder, while nobody reads there.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from pipeline import manifest, storage
from pipeline.errors import (
    AlreadyAtWork,
    NoPermission,
    NoSpace,
    OutputConflict,
    OutputDamaged,
    ShardmillError,
)
from pipeline.manifest import FileEntry
from pipeline.storage import Location, RemoteOptions, StagedFile

_STEP: Final = 1 << 20  # bytes that are written at once
_FETCHES: Final = 2  # of one file, where other bytes have arrived
_PATIENCE_S, _LOOK_AGAIN_S = 120.0, 0.2

_locks = [threading.Lock()]
"""Held while a file is fetched: the connections of a process are for one thread at a time."""


class FileCache:
    """Files in a folder of this machine, fetched from outputs when they are asked for.

    It may be used by several threads, and after a fork.

    Args:
        folder: where files are kept; it is made when the first one is.
        options: how a store is reached.
    """

    def __init__(self, folder: Path, options: RemoteOptions) -> None:
        self.folder = folder
        self._options = options
        self._checked: dict[Path, storage.FileInfo] = {}  # by this process, as it looked

    def path(self, entry: FileEntry) -> Path:
        """Return the path that a file has here, whether or not it is there.

        The suffix is kept, by which some readers know what they read.
        """
        return self.folder / f"{entry.xxh3_128}{Path(entry.file).suffix}"

    def missing_bytes(self, entries: Collection[FileEntry]) -> int:
        """Return how many bytes of some files are not here yet, by one listing of the folder."""
        sizes = storage.sizes(self.folder)
        missing = {self.path(each): each.bytes for each in entries}
        return sum(size for path, size in missing.items() if sizes.get(path.name) != size)

    def check_room(self, entries: Collection[FileEntry]) -> None:
        """Check that there is room for some files, as far as they are not here yet.

        Raises:
            NoSpace: there is not.
        """
        needed, free = self.missing_bytes(entries), storage.free_bytes(self.folder)
        if free is not None and needed > free:
            raise NoSpace(
                "the cache has no room for the shards that are to be read",
                file=str(self.folder),
                expected=f"{needed:,} bytes free",
                found=f"{free:,} bytes",
                remedy="name a folder with more room, or read a part of the shards",
            )

    def fetch(self, folder: Location, entry: FileEntry) -> Path:
        """Return the path of a file that is here, and has the bytes that the manifest says.

        It is fetched unless it is here. One that is here is read by each process once, to be
        compared with its hash, and fetched again if it is damaged. Where another process is
        fetching it, that is waited for.

        Args:
            folder: the folder of the output, local or in a store.
            entry: what the manifest says of the file.

        Raises:
            OutputDamaged: what is there has other bytes than the manifest says.
            ObjectMissing: it is not there any more.
            NoSpace: there is no room in the cache.
            OutputConflict: something else stands in the cache where the file would lie.
            ShardmillError: the store refuses or does not answer, or the cache cannot be written.
        """
        path = self.path(entry)
        try:
            if self._is_whole(path, entry):
                return path
            with _locks[0], _in_turn(path), storage.using(self._options):
                if not self._is_whole(path, entry):  # somebody else may have fetched it meanwhile
                    self._sweep()
                    self._fetch(folder, entry, path)
        except OutputConflict as error:
            raise self._named(error) from error
        return path

    def _named(self, error: OutputConflict) -> ShardmillError:
        """Return an error that says that it is of the cache, where it is."""
        if error.file is None or not Path(error.file).is_relative_to(self.folder):
            return error
        return error.altered(
            what=f"{error.what}, in the cache of shards {self.folder}",
            remedy="move it away, or name another folder as the cache",
        )

    def _is_whole(self, path: Path, entry: FileEntry) -> bool:
        """Whether a file is here; its bytes are compared when this process meets it first."""
        info = storage.stat(path)
        if info is None or info.size != entry.bytes:
            return False
        if self._checked.get(path) != info:
            if manifest.hash_file(path) != entry.xxh3_128:
                return False
            self._checked[path] = info
        return True

    def _fetch(self, folder: Location, entry: FileEntry, path: Path) -> None:
        """Fetch a file, once more where it arrives with other bytes, and give it its name."""
        source = folder / entry.file
        for _ in range(_FETCHES):
            with storage.open_ranges(source) as reader, StagedFile(path) as staged:
                while view := reader.read(staged.size, _STEP):
                    staged.write(view)
                content_hash, size = staged.content_hash, staged.size
                if content_hash == entry.xxh3_128:
                    storage.publish(staged)
                    break
        else:
            raise OutputDamaged(
                "the file is not as the manifest says",
                file=str(source),
                expected=f"{entry.bytes:,} bytes, xxh3-128 {entry.xxh3_128}",
                found=f"{size:,} bytes, xxh3-128 {content_hash}",
                remedy="say shardmill verify OUT --remove-damaged, then run the shardmill command"
                " again: it is made anew",
            )
        if (info := storage.stat(path)) is not None:
            self._checked[path] = info

    def _sweep(self) -> None:
        """Remove what processes that are gone have left half fetched, as far as that can be."""
        with contextlib.suppress(ShardmillError):
            for temp in storage.temp_files(self.folder):
                storage.remove_temp(temp, storage.plan_files(self.folder, [temp.path]))


@contextlib.contextmanager
def _in_turn(path: Path) -> Iterator[None]:
    """Wait for another process that fetches the same file, for two minutes at most.

    Two of them would do no harm, but cost twice. Nobody waits for a user whose locks may not be
    asked for.
    """
    deadline = time.monotonic() + _PATIENCE_S
    with contextlib.ExitStack() as stack:
        while not _has_turn(stack, path) and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_S)
        yield


def _has_turn(stack: contextlib.ExitStack, path: Path) -> bool:
    try:
        stack.enter_context(storage.target_lock(path, wait=False))
    except AlreadyAtWork:
        return False
    except NoPermission:  # it is another user's; what cannot be written is said when it is
        pass
    return True


def _in_child() -> None:
    _locks[0] = threading.Lock()  # a thread that is not here any more may have held the other


os.register_at_fork(after_in_child=_in_child)
