r"""A folder of tars, read as the one tar that they would make: nothing is packed for it.

ImageNet-21k lies so once its outer archive was unpacked: a tar for each class. What reads an
archive by its name, ``NAME.tars``, reads the files ``*.tar`` of the folder ``NAME`` beside it,
sorted by name, each behind a header; ``all.tars`` are those that it would lie beside, of which
only those count that are called as a class is, `is_class_tar`: other archives lie there, too. The
bytes are those that GNU tar writes of the same files, links followed::

    ls *.tar | LC_ALL=C sort | tar --format=ustar --owner=0 --group=0 --numeric-owner \
        --mode=0644 --mtime=@0 -h -T - -cf NAME.tar

so that an index, an MD5 and offsets mean the same as of a tar. A header follows from a name and a
size alone.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

import numpy as np
import xxhash
from numpy.typing import NDArray

from pipeline.errors import InputRefused
from pipeline.storage.closing import Closing
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.local.oserrors import translate_oserrors
from pipeline.storage.local.ranges import read_in_memory
from pipeline.storage.local.retrying import patiently

SUFFIX: Final = ".tars"
"""What the name of a folder of tars ends in, where it is read as one tar."""
ALL: Final = f"all{SUFFIX}"
"""The class tars of a folder itself, unless a folder in it is called so, less the suffix."""
_TAR: Final = b".tar"
_CLASS_TAR: Final = re.compile(rb"n[0-9]{8}\.tar")
_BLOCK: Final = 512
_RECORD: Final = 20 * _BLOCK  # which GNU tar fills with zeros
_LONGEST_NAME: Final = 100  # bytes
_OCTAL: Final = 8 << 30  # bytes; a size of more is written as GNU tar does it in its own format
_MOST_OPEN: Final = 128  # files; more than are announced ahead
_NEW_FOR_S: Final = 1.0
_NEW_FOR: Final = 10  # times as long as a look takes
_FIRST_BUFFER: Final = 1 << 18  # bytes


@dataclass(frozen=True, eq=False)
class TarFolder:
    """The tars of a folder, and where each begins in the tar that they make.

    Attributes:
        folder: where they lie.
        names: of the files, sorted by their bytes.
        sizes: (n,) int64, in bytes.
        starts: (n,) int64, where the header of each begins.
        info: size of the whole, and a stamp of the names, sizes and times of all files.
    """

    folder: Path
    names: tuple[bytes, ...]
    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    info: FileInfo

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Look at the files of a folder of tars; None: there is none with a tar in it."""
        folder = path.with_suffix("")
        is_mixed = path.name == ALL and not folder.is_dir()
        if is_mixed:
            folder = path.parent
        with translate_oserrors(path):
            found = patiently(partial(_tars, folder))
        if is_mixed:
            found = [each for each in found if _CLASS_TAR.fullmatch(each[0])]
        if not found:
            return None
        names = tuple(name for name, _, _ in found)
        _check(path, names)
        sizes = np.array([size for _, size, _ in found], np.int64)
        lengths = _BLOCK + -(-sizes // _BLOCK) * _BLOCK
        ends = np.cumsum(lengths)
        whole = -(-(int(ends[-1]) + 2 * _BLOCK) // _RECORD) * _RECORD
        stamp = xxhash.xxh3_64_intdigest(repr(found).encode())
        info = FileInfo(whole, str(stamp))
        return cls(folder, names, sizes, ends - lengths, info)

    def header(self, number: int) -> bytes:
        """Return the header of a file."""
        return _header(self.names[number], int(self.sizes[number]))


_known: dict[Path, tuple[float, FileInfo | None]] = {}  # until when it counts, and what it is


def is_tar_folder(path: object) -> bool:
    """Whether a name is that of a folder of tars that is read as one tar."""
    return str(path).endswith(SUFFIX)


def is_class_tar(name: str) -> bool:
    """Whether a file is called as the tar of a class is: by an ``n``, eight digits, and ``.tar``.

    Only these of a folder are read as `ALL`, since archives of other content lie beside them.
    """
    return _CLASS_TAR.fullmatch(os.fsencode(name)) is not None


def look(path: Path) -> FileInfo | None:
    """Return size and stamp of a folder of tars as one tar; None: it has none.

    What was seen counts for a second, or ten times as long as it took: 21,841 files are looked at.
    Whoever has read from it looks anew, `TarFolderReader.now`.
    """
    began = time.monotonic()
    known = _known.get(path)
    if known is None or began > known[0]:
        folder = TarFolder.of(path)
        ended = time.monotonic()
        until = ended + max(_NEW_FOR_S, _NEW_FOR * (ended - began))
        known = _known[path] = until, folder.info if folder else None
    return known[1]


def forget() -> None:
    """Look anew at every folder of tars."""
    _known.clear()


class TarFolderReader(Closing):
    """Reads byte ranges of the tar that a folder of tars makes; see `readers.Ranges`.

    Args:
        path: its name, in ``.tars``.

    Raises:
        FileNotFoundError: there is no tar; translated.
    """

    def __init__(self, path: Path) -> None:
        folder = TarFolder.of(path)
        if folder is None:
            with translate_oserrors(path):
                raise FileNotFoundError(2, "no tar in that folder", str(path))
        self.path = path
        self.info = folder.info
        self._folder = folder
        self._open: OrderedDict[int, int] = OrderedDict()
        self._scattered = False
        self._buffer = memoryview(bytearray(_FIRST_BUFFER))

    def now(self) -> FileInfo:
        """Return size and stamp as they are now; `info` has those at opening."""
        _known.pop(self.path, None)
        return look(self.path) or FileInfo(0, "0")

    def expect_scattered(self) -> None:
        """Say that small ranges will be read, far apart: nothing is read ahead."""
        self._scattered = True

    def will_need(self, offset: int, length: int) -> None:
        """Tell the kernel that this range will be read soon."""
        self._advise(offset, length, "POSIX_FADV_WILLNEED")

    def not_cached(self, offset: int, length: int) -> None:
        """Have the kernel read the files of this range from where they are stored."""
        self._advise(offset, length, "POSIX_FADV_DONTNEED")

    def read_cached(self, offset: int, length: int) -> memoryview | None:
        """Return what `read` returns, if it is of one file and in memory; None: it is not.

        Args:
            offset: in bytes.
            length: in bytes, at most 256 KiB.
        """
        number, view = self._at(offset), self._buffer[:length]
        if not 0 <= number < len(self._folder.names):
            return None
        place = offset - int(self._folder.starts[number]) - _BLOCK
        if not 0 <= place <= int(self._folder.sizes[number]) - length:
            return None
        with translate_oserrors(self.path):
            count = patiently(partial(read_in_memory, view, self._fd(number), place))
        return view if count == length else None

    def read(self, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`; fewer only where a file was cut, or at the end.

        The view is valid until the next call.
        """
        length = max(0, min(length, self.info.size - offset))
        if length > len(self._buffer):
            self._buffer = memoryview(bytearray(length + length // 4))
        view, done = self._buffer[:length], 0
        number = self._at(offset)
        with translate_oserrors(self.path):
            while done < length:
                count = self._fill(view[done:], number, offset + done)
                if count < 0:
                    break
                done += count
                number += 1
        return view[:done]

    def close(self) -> None:
        """Close every file."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _at(self, offset: int) -> int:
        """Return the number of the file that a place belongs to, with header and padding."""
        return int(np.searchsorted(self._folder.starts, offset, "right")) - 1

    def _fill(self, view: memoryview, number: int, offset: int) -> int:
        """Fill a view as far as a file goes; return how many bytes that is, -1 if it was cut."""
        folder = self._folder
        if number >= len(folder.names):
            view[:] = bytes(len(view))
            return len(view)
        last = number + 1 == len(folder.names)
        stop = folder.info.size if last else int(folder.starts[number + 1])
        view = view[: stop - offset]
        inside, size = offset - int(folder.starts[number]), int(folder.sizes[number])
        done = 0
        if inside < _BLOCK:
            piece = folder.header(number)[inside : inside + len(view)]
            view[: len(piece)] = piece
            done = len(piece)
        place = inside + done - _BLOCK
        wanted = max(0, min(len(view) - done, size - place))
        if wanted:
            fd = self._fd(number)
            if not patiently(partial(_read_all, fd, view[done : done + wanted], place)):
                return -1
            done += wanted
        view[done:] = bytes(len(view) - done)
        return len(view)

    def _advise(self, offset: int, length: int, advice: str) -> None:
        number = self._at(offset)
        if not hasattr(os, "posix_fadvise") or not 0 <= number < len(self._folder.names):
            return
        place = offset - int(self._folder.starts[number]) - _BLOCK
        with translate_oserrors(self.path):
            os.posix_fadvise(self._fd(number), max(0, place), length, getattr(os, advice))

    def _fd(self, number: int) -> int:
        fd = self._open.get(number)
        if fd is None:
            name = os.path.join(os.fsencode(self._folder.folder), self._folder.names[number])
            fd = patiently(partial(os.open, name, os.O_RDONLY | os.O_CLOEXEC))
            self._open[number] = fd
            if self._scattered and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
            while len(self._open) > _MOST_OPEN:
                os.close(self._open.popitem(last=False)[1])
        return fd


def _tars(folder: Path) -> list[tuple[bytes, int, int]]:
    """Return name, size and time of each tar in a folder, sorted; hidden files are none.

    A link is what it leads to.
    """
    found = []
    try:
        with os.scandir(os.fsencode(folder)) as entries:
            for entry in entries:
                name = entry.name
                if name.endswith(_TAR) and name[:1] != b".":
                    info = entry.stat()
                    if stat.S_ISREG(info.st_mode):
                        found.append((name, info.st_size, info.st_mtime_ns))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found)


def _check(path: Path, names: tuple[bytes, ...]) -> None:
    for name in names:
        if len(name) > _LONGEST_NAME:
            raise InputRefused(
                "the name of a tar in a folder of tars is too long",
                file=str(path),
                place=os.fsdecode(name),
                expected=f"at most {_LONGEST_NAME} bytes, as in a header of a tar",
                found=f"{len(name)} bytes",
                remedy="give it the name of its class, and .tar",
            )


def _header(name: bytes, size: int) -> bytes:
    """Return the header of a file, of one block."""
    length = b"%011o\0" % size if size < _OCTAL else b"\x80" + size.to_bytes(11, "big")
    numbers = b"0000644\0" + b"0000000\0" * 2 + length + b"00000000000\0"  # mode, owner, mtime
    before = name.ljust(100, b"\0") + numbers
    after = b"0" + bytes(100) + b"ustar\00000".ljust(72, b"\0") + b"0000000\0" * 2
    checksum = sum(before) + 8 * ord(" ") + sum(after)
    return (before + b"%06o\0 " % checksum + after).ljust(_BLOCK, b"\0")


def _read_all(fd: int, view: memoryview, offset: int) -> bool:
    """Fill a view from a file; whether that had so many bytes."""
    done = 0
    while done < len(view):
        count = os.preadv(fd, [view[done:]], offset + done)
        if count == 0:
            return False
        done += count
    return True
