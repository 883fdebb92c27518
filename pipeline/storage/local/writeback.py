"""Has the disk write what a long file has got so far, while the rest of it arrives.

Linux keeps written pages in memory for up to 30 s. A file that is flushed only at its end then
waits for all of it at once: 1 GB took more than a second, in which nothing else was done.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, Final

_WRITE: Final = 2  # SYNC_FILE_RANGE_WRITE of linux/fs.h: begin to write, wait for nothing


_STEP: Final = 32 << 20


def follow(fd: int, before: int, now: int) -> None:
    """Begin to write a file, each time that another 32 MiB of it are there.

    Args:
        fd: the open file.
        before: how many bytes it had got when this was called last.
        now: how many it has got.
    """
    if before // _STEP != now // _STEP:
        begin(fd)


def begin(fd: int) -> None:
    """Begin to write all of a file's changed pages that are not being written yet.

    It is a hint, which promises nothing and raises nothing: where the system has no such call, or
    refuses it, the pages are written when the file is flushed.
    """
    begin_range = _sync_file_range()
    if begin_range is not None:
        begin_range(fd, 0, 0, _WRITE)  # a length of 0: to the end


@cache
def _sync_file_range() -> Any:  # a function of C, which has no type here
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function
