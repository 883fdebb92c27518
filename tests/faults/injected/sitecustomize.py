"""Makes a file system fail: on PYTHONPATH it wraps what writes, before anything is imported.

``SHARDMILL_FAULT`` holds a `Fault` of injection.py as JSON. Calls that change something below its
`root` are counted over all processes that inherit the variable; the chosen one fails. What C
writes by itself (the log of a worker, syncfs) is not seen here.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_open, _write, _close = os.open, os.write, os.close


class Failure:
    """What goes wrong, and when: a `Fault` of injection.py as it is met in a process."""

    def __init__(self, root: str, errno: int, first: int, ever: bool, counter: str) -> None:
        self._root = root
        self._errno = errno
        self._first = first
        self._ever = ever
        self._counter = counter

    def meet(self, path: str) -> bool:
        """Count a call that changes `path`; return whether it is to write only half.

        Raises:
            OSError: it fails.
        """
        if not f"{path}/".startswith(f"{self._root}/"):
            return False
        number = self._count()
        if number != self._first and not (self._ever and number > self._first):
            return False
        if self._errno:
            raise OSError(self._errno, os.strerror(self._errno), path)
        return True

    def _count(self) -> int:
        fd = _open(self._counter, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            _write(fd, b".")
            return os.lseek(fd, 0, os.SEEK_CUR)  # just after this byte: nobody shares it
        finally:
            _close(fd)


def _opened(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")


def _named(path: Any, folder: int | None) -> str:
    name = os.fsdecode(path)
    return os.path.join(os.getcwd() if folder is None else _opened(folder), name)


def _half(view: memoryview, *, short: bool) -> memoryview:
    return view[: (len(view) + 1) // 2] if short else view


class FaultyFile(io.FileIO):
    """What `open` and `os.fdopen` write through."""

    failure: Failure

    def write(self, content: Any, /) -> int:
        """Write, or fail."""
        short = self.failure.meet(_opened(self.fileno()))
        return super().write(_half(memoryview(content).cast("B"), short=short))


def _wrap_calls(failure: Failure) -> None:
    """Wrap the functions that name what they change."""

    def wrap(name: str, place: Callable[..., str]) -> None:
        original: Any = getattr(os, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            failure.meet(place(*arguments, **options))
            return original(*arguments, **options)

        setattr(os, name, wrapped)

    def first(path: Any, *_: Any, dir_fd: int | None = None, **__: Any) -> str:
        return _named(path, dir_fd)

    def second(_: Any, path: Any, *__: Any, **folders: Any) -> str:
        return _named(path, folders.get("dst_dir_fd", folders.get("dir_fd")))

    wrap("mkdir", first)
    wrap("symlink", second)
    for name in ("rename", "replace", "link"):
        wrap(name, second)
    wrap("fsync", _opened)


def _wrap_writing(failure: Failure) -> None:
    """Wrap what opens and writes."""
    writev, plain_open = os.writev, io.open

    def opening(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & _WRITING:
            failure.meet(_named(path, dir_fd))
        return _open(path, flags, mode, dir_fd=dir_fd)

    def writing(fd: int, content: Any, /) -> int:
        short = failure.meet(_opened(fd))
        return _write(fd, _half(memoryview(content).cast("B"), short=short))

    def writing_several(fd: int, buffers: Any, /) -> int:
        if failure.meet(_opened(fd)):
            return _write(fd, _half(memoryview(b"".join(buffers)), short=True))
        return writev(fd, buffers)

    def file(path: Any, mode: str = "r", buffering: int = -1, *more: Any, **options: Any) -> Any:
        if "b" not in mode or not set(mode) & set("wxa"):
            return plain_open(path, mode, buffering, *more, **options)
        if not isinstance(path, int):
            failure.meet(_named(path, None))
        raw = FaultyFile(path, mode.replace("b", ""), options.get("closefd", True))
        return raw if buffering == 0 else io.BufferedWriter(raw, max(buffering, 8192))

    FaultyFile.failure = failure
    os.open, os.write, os.writev = opening, writing, writing_several
    io.open = file  # type: ignore[assignment]


def _load_real_one() -> None:
    """Run the machine's own module of this name, which this one hides."""
    here = Path(__file__).parent.resolve()
    elsewhere = [entry for entry in sys.path if Path(entry).resolve() != here]
    found = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if found is not None and found.loader is not None:
        found.loader.exec_module(importlib.util.module_from_spec(found))


_load_real_one()
if "SHARDMILL_FAULT" in os.environ:
    given = Failure(**json.loads(os.environ["SHARDMILL_FAULT"]))
    _wrap_calls(given)
    _wrap_writing(given)
