"""Paths of images as lists write them, and as keys have them."""

from __future__ import annotations

import re
from typing import Final

from pipeline import names as rule

BLANKS: Final = " \t"
"""What is no part of a path at its ends."""

_ODD_PATH: Final = re.compile(r"(?:^|/)\.{0,2}(?:/|$)")  # `.` and `..`, a root, an empty part


class OddPath(Exception):
    """A path that no image may have.

    Attributes:
        what: why.
        expected: what was expected.
        remedy: what to do.
    """

    def __init__(self, what: str, expected: str, remedy: str = "correct it") -> None:
        super().__init__(what)
        self.what, self.expected, self.remedy = what, expected, remedy


def clean(text: str) -> str:
    """Return a path without ``.``, empty parts, and blanks at its ends.

    Raises:
        OddPath: it is empty, leaves the folder that it is relative to, names a folder, or holds
            control characters.
    """
    path = text.strip(BLANKS)
    if not path:
        raise OddPath("no path", "the path of an image")
    if rule.has_control(path):
        raise OddPath("a path that no image may have", "a path without control characters")
    if not _ODD_PATH.search(path):
        return path
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if path.startswith("/") or ".." in parts or not parts or path.endswith("/"):
        raise OddPath(
            "a path that leaves the folder of the images, or is that of a folder",
            "a path below the root, without `..`",
            "name the folder that all paths are relative to with --root, and write them so",
        )
    return "/".join(parts)
