"""What is made once for all tests, which read or copy it, in all processes that run them."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

_place: list[Path] = []


def use(folder: Path) -> None:
    """Have everything made in a folder, which other processes of the same run use too."""
    folder.mkdir(exist_ok=True)
    _place[:] = [folder]


def once(name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder of this name, which no test may change.

    Args:
        name: a file name; what is made depends on nothing else.
        make: makes the content in the folder that it is given, which is moved afterwards.
    """
    folder = _place[0] / name
    with (_place[0] / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            begun = folder.with_name(f"{name}.begun")
            begun.mkdir()
            try:
                make(begun)
            except BaseException:
                shutil.rmtree(begun)
                raise
            begun.rename(folder)
    return folder
