"""Paths are local: an address such as ``s3://bucket/key`` is refused wherever a path is given."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath

from pipeline.errors import UsageError

_ADDRESS = re.compile(r"\s*[\w+.-]+://")
# A Path object has one slash left of the two.
_ADDRESS_AS_PATH = re.compile(r"\s*[A-Za-z][\w+.-]*:/")


def check_local(path: str | os.PathLike[str], name: str) -> None:
    """Check that a path is no address with a scheme.

    To the operating system ``s3://bucket`` is the folder ``s3:`` in the working folder: output
    would be written there, and called complete, while the store stays empty.

    Args:
        path: as it was given, before it is made absolute or normalised.
        name: the option or argument, which the message names.

    Raises:
        UsageError: it begins with ``scheme://``.
    """
    text = os.fspath(path)
    pattern = _ADDRESS_AS_PATH if isinstance(path, PurePath) else _ADDRESS
    if pattern.match(text):
        raise UsageError(
            f"{name}: an address where only a local path can stand",
            expected="the path of a file or folder on this machine, or on a mounted file system",
            found=text,
            remedy="give a local path, and copy from or to the store with its own program",
        )


def absolute(path: str, name: str = "path") -> str:
    """Return a path that means the same in every process.

    Args:
        path: as it was given; ``~`` stands for the home folder.
        name: the option or argument, which the message names.

    Raises:
        UsageError: it is empty, no text, or an address such as ``s3://bucket``.
    """
    check_local(path, name)
    if not path or path.encode(errors="replace").decode() != path:
        raise UsageError("a path is empty or not UTF-8", found=repr(path))
    plain, given = Path(os.path.abspath(Path(path).expanduser())), Path(path).expanduser()
    # Without "..", unless a link makes that another place.
    same = os.path.realpath(plain) == os.path.realpath(given)
    return str(plain if same else given.absolute())
