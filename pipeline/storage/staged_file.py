"""Staged files: written under a temporary name, they get their final one when they are whole.

Of a local file the temporary one lies beside it and is renamed. Of an object it lies in the scratch
folder, and giving it its name is the upload: nothing is under the key before that is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import xxhash

from pipeline.errors import ObjectChanged, Vanished
from pipeline.storage import remote, scratch
from pipeline.storage.local.appending import AppendingStream, Appends
from pipeline.storage.local.deleting import discard
from pipeline.storage.local.flocks import locked_temp
from pipeline.storage.local.oserrors import translate_oserrors, translated
from pipeline.storage.local.ranges import RangeReader
from pipeline.storage.local.staging import Buffer
from pipeline.storage.location import Location, Remote
from pipeline.storage.remote import Piece
from pipeline.storage.s3.settings import ONE_PUT

_STEP: Final = 1 << 16  # bytes that are read back at once: more are slower, they leave the cache


class StagedFile:
    """A file being written under a temporary name; `storage.publish` gives it its final one.

    Each byte is hashed as it is appended, so that a manifest can name the file without reading it
    again. Leaving the context without `publish` removes it.

    Args:
        path: where it will lie.
        known_as: the path by which manifests name the file, where a link leads from it to `path`.
    """

    def __init__(self, path: Location, known_as: Location | None = None) -> None:
        self.path = path
        self.known_as = known_as or path
        self.size = 0
        self._hash = xxhash.xxh3_128()
        # Of what is sent by one request the store wants the MD5, which costs the least here: the
        # bytes are in the processor's cache, and no error of the disk goes unnoticed.
        self._md5 = None if isinstance(path, Path) else hashlib.md5(usedforsecurity=False)
        self._reader: RangeReader | None = None
        self._overwritten = False
        self._pieces = list[Piece]()  # objects that the file begins with, and that are not in it
        self._copied: Remote | None = None
        self._open = False
        self._beside = path if isinstance(path, Path) else scratch.folder() / path.name
        with translate_oserrors(self._beside):
            self._beside.parent.mkdir(parents=True, exist_ok=True)
            self.temp, self._fd = locked_temp(self._beside, _created)
        # The file of an object is removed when it was sent: the disk need not have it.
        self._appends = Appends(self._fd, follows=isinstance(path, Path))
        self._open = True

    def write(self, *buffers: Buffer) -> int:
        """Append the buffers; return how many bytes that were."""
        total = sum(map(len, buffers))
        if self._copied is None:
            if self._pieces:
                self._fetch_pieces()
            self._put(buffers, total)
        if not self._overwritten:
            for buffer in buffers:
                self._hash.update(buffer)
        if self._md5 is not None:
            for buffer in buffers:
                self._md5.update(buffer)
        self._grow(total)
        return total

    def gather(self) -> None:
        """Have what is appended from now on wait for more, see `Appends.gathers`.

        Who calls this sees to it that no view given to `write` changes before `flush`.
        """
        self._appends.gathers = True

    def flush(self) -> None:
        """Write what waits for more, so that its buffers may change.

        Raises:
            ShardmillError: it cannot be written, as `write` says of what does not wait.
        """
        try:
            self._appends.flush()
        except OSError as error:
            raise translated(error, self._beside) from error

    def hash_at_end(self) -> None:
        """Say that `write_at` will be called: the file is hashed once, when all of it is there."""
        self._overwritten = True

    @contextlib.contextmanager
    def copying(self, source: Location) -> Iterator[None]:
        """Say that what is written in this context is all of another file, as it stands.

        Where both are objects in one bucket, and there is nothing else in this file, the bytes are
        only hashed: the store is to join its own objects, so that no room is needed for them here.

        Args:
            source: the other file, which is read with this call's bytes.

        Raises:
            ObjectChanged: what was written is not as long as that file.
        """
        piece = None if self.size != self._in_pieces else remote.piece(source, self.path)
        if piece is None:
            yield
            return
        self._copied, self._md5 = piece.place, None
        try:
            yield
        finally:
            self._copied = None
        self._pieces.append(piece)
        if self.size != self._in_pieces:
            raise ObjectChanged(
                "an object was replaced while it was joined to others",
                file=str(source),
                expected=f"{piece.info.size:,} bytes",
                remedy="run the same command again",
            )

    @property
    def _in_pieces(self) -> int:
        return sum(piece.info.size for piece in self._pieces)

    def _fetch_pieces(self) -> None:
        """Have the objects that the file begins with be in it, after all."""
        pieces, self._pieces = self._pieces, []
        for piece in pieces:
            for view in remote.read_piece(piece):
                self._put([view], len(view))
                self.flush()

    def _put(self, buffers: Sequence[Buffer], total: int) -> None:
        try:
            self._appends.append(buffers, total)
        except OSError as error:
            raise translated(error, self._beside) from error

    def write_at(self, offset: int, *buffers: Buffer) -> None:
        """Write over bytes that were written before; what is appended next comes behind all.

        The file is then read back once, to be hashed.
        """
        total = sum(map(len, buffers))
        if offset < 0 or offset + total > self.size:
            raise ValueError(f"bytes {offset} to {offset + total} of {self.size} written ones")
        self._fetch_pieces()
        self.flush()
        self._overwritten, self._md5 = True, None
        with translate_oserrors(self._beside):
            for buffer in buffers:
                view = memoryview(buffer)
                while view:
                    written = os.pwrite(self._fd, view, offset)
                    view, offset = view[written:], offset + written

    @contextlib.contextmanager
    def stream(self, buffer: int = 1 << 20) -> Iterator[BinaryIO]:
        """Give a binary stream that appends to the file, for libraries that want one.

        It cannot seek: a hash takes the bytes in their order.

        Args:
            buffer: bytes that are written at once.
        """
        with (
            translate_oserrors(self._beside),
            io.BufferedWriter(AppendingStream(self._append, self._end), buffer) as stream,
        ):
            yield stream

    def follow(self, end: int) -> None:
        """Take in what others have written up to an offset, all of it.

        They have done so through a `SharedFile`, or into the file that `temp` names.

        It is read back once, in the order of its bytes, and hashed; `size` becomes `end`.

        Args:
            end: offset in bytes, not before `size`.
        """
        self._fetch_pieces()
        self._md5 = None
        for view in self._read_back(self.size, end):
            self._hash.update(view)
            self.size += len(view)
        with translate_oserrors(self._beside):
            self._appends.continue_at(self.size)

    @property
    def content_hash(self) -> str:
        """The xxh3-128, in hex, of the first `size` bytes: of all of them, before `publish`."""
        if self._overwritten:
            self._hash.reset()
            for view in self._read_back(0, self.size):
                self._hash.update(view)
            self._overwritten = False
        return self._hash.hexdigest()

    def is_there(self) -> bool:
        """Whether a local file of the same bytes lies where this one is to go."""
        if not isinstance(self.path, Path):
            return False
        with contextlib.suppress(Vanished), RangeReader(self.path) as there:
            offset = 0
            for view in self._read_back(0, self.size):
                if there.read(offset, len(view)) != view:
                    return False
                offset += len(view)
            return there.info.size == self.size
        return False

    def _read_back(self, start: int, end: int) -> Iterator[memoryview]:
        """Yield what was written from one offset to another, in pieces."""
        self.flush()
        if self._reader is None:
            self._reader = RangeReader(self.temp)  # which keeps its buffer from call to call
        while start < end:
            view = self._reader.read(start, min(_STEP, end - start))
            if not view:
                raise EOFError(f"{self.temp} ends at {start}, before {end}")
            yield view
            start += len(view)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.discard()

    def sync(self) -> None:
        """Make the bytes written so far durable; of an object the store does that."""
        self.flush()
        if isinstance(self.path, Path):
            with translate_oserrors(self.path):
                os.fsync(self._fd)

    def rename(self) -> None:
        """Give the file its final name, replacing any before it; a local one must be synced.

        Raises:
            ShardmillError: of an object: the store does not confirm it. Then the object is not
                there, or it is whole, and the answer was lost.
        """
        self.flush()
        if isinstance(self.path, Remote):
            self._upload(self.path)
            self.discard()
            return
        with translate_oserrors(self.path):
            os.replace(self.temp, self.path)
            self._close()

    def _upload(self, place: Remote) -> None:
        store = remote.store(place)
        if self._pieces and store.join(place, self._pieces):
            return
        self._fetch_pieces()
        store.put_file(place, self.temp, self._md5.digest() if self._md5 else None)

    def discard(self) -> None:
        """Remove the temporary file, if it was not published."""
        if self._open:
            with contextlib.suppress(OSError):  # what stays is recognised as stale later
                discard(self.temp, self._fd)
            with contextlib.suppress(OSError):
                self._close()

    def _append(self, view: memoryview) -> int:
        """Append bytes from the beginning of a view; return how many, as a raw stream does."""
        self._fetch_pieces()
        written = self._appends.append_some(view)
        self._hash.update(view[:written])
        if self._md5 is not None:
            self._md5.update(view[:written])
        self._grow(written)
        return written

    def _grow(self, count: int) -> None:
        self.size += count
        if self.size > ONE_PUT:  # it is sent in parts, each with an MD5 of its own
            self._md5 = None

    def _end(self) -> int:
        return self.size

    def _close(self) -> None:
        if self._open:
            self._open = False
            if self._reader is not None:
                self._reader.close()
            os.close(self._fd)


def _created(temp: Path) -> int:
    return os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
