"""How paths are spelled: nothing here looks at what lies there."""

from __future__ import annotations

import os


def full_path(path: str) -> str:
    """Return a path from the root, without ``.``, ``..`` and a slash at its end."""
    return os.path.abspath(path)


def path_from(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> str:
    """Return the relative path that leads from a folder to a path."""
    return os.path.relpath(path, folder)


def extension(name: str) -> str:
    """Return the last dot of a file's name and what follows it; "" where it only begins with dots.

    It is not what `Path.suffix` says of ``a.`` and of ``..jpg``.
    """
    return os.path.splitext(name)[1]
