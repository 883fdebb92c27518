r"""Names that others give: which of them are taken, and which known name an unknown one stands for.

One rule is for classes, files, members and paths of lists alike.

Names are checked where they enter, so that nothing behind that has to: a name that passed can
become a folder, a line of a list and a text on a screen. Blanks, quotes, letters of any language
and bytes that are no UTF-8 are no concern of this rule; what cannot stand in a file's format is
refused by that format.

Refused everywhere are control characters: C0 with TAB and the ends of lines, DEL, C1, the line and
paragraph separators U+2028 and U+2029, and what changes the direction of writing: overrides and
isolates, U+202A to U+202E and U+2066 to U+2069, and marks, U+061C, U+200E and U+200F. They cannot
stand in lists, and show other names than there are. Names of clutter
(`pipeline.storage.clutter`), which are passed over, may hold them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

from pipeline import paths
from pipeline.documents import values
from pipeline.storage.clutter import is_clutter

LONGEST: Final = 255
"""Bytes that the name of a file or folder may have."""

CONTROL: Final = values.CONTROL
"""Control characters, to stand in a character class of `re` or RE2."""

WITHOUT_CONTROL: Final = "a name without control characters and marks of the writing direction"
"""What is expected of every name, for refusals."""

ALIKE: Final = 0.6
"""How alike a name has to be that may be meant by another one: 1 is the same, see `difflib`."""

_CONTROL: Final = re.compile(f"[{CONTROL}]")
_WIDE_CONTROL_UTF8: Final = re.compile(
    rb"\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]"
)
_WIDE_LEADS: Final = (b"\xc2", b"\xd8", b"\xe2")


def has_control(text: str) -> bool:
    """Whether a text holds a control character."""
    return _CONTROL.search(text) is not None


def has_wide_control(content: bytes) -> bool:
    """Whether UTF-8 holds a control character beyond ASCII; takes no time in most languages."""
    if content.isascii() or not any(lead in content for lead in _WIDE_LEADS):
        return False
    return _WIDE_CONTROL_UTF8.search(content) is not None


def file_flaw(name: str) -> str:
    """Return why a name can be that of no file or folder; empty: it can."""
    if name in {"", ".", ".."} or "/" in name:
        return "no plain name of a file or folder"
    if has_control(name):
        return "it holds control characters"
    if len(name.encode()) > LONGEST:
        return f"it has more than {LONGEST} bytes"
    return ""


def class_flaw(name: str) -> str:
    """Return why a name can be no class of a label table; empty: it can.

    A class becomes a folder of images, a part of their keys and a line of lists.
    """
    if flaw := file_flaw(name):
        return flaw
    if name != name.strip(" "):
        return "a blank at its end is no part of it in image lists"
    if is_clutter(name):  # names of our own temporary files are hidden, too
        return "folders of that name are passed over as clutter"
    if name == paths.METADATA:
        return "a file of that name describes the images"
    return ""


def folder_flaw(path: str) -> str:
    """Return why a path can be no class folder below another folder; empty: it can.

    ``.`` is that other folder itself.
    """
    if has_control(path):
        return "it holds control characters"
    if path != "." and any(part in {"", ".", ".."} for part in path.split("/")):
        return "no path of a folder below the one that is listed"
    return ""


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that an unknown one most likely stands for, such as its beginning.

    None where there is no such name, or more than one with the same beginning.
    """
    by_form, form = _by_form(known), _form(name)
    begun = [form] if form in by_form else _begun(form, by_form)
    if begun:
        return by_form[begun[0]] if len(begun) == 1 else None
    return next(iter(near(name, by_form.values(), 1)), None)


def near(name: str, known: Iterable[str], most: int, alike: float = ALIKE) -> list[str]:
    """Return the known names that an unknown one may stand for, the likeliest first.

    They begin with it, or it begins with most of them, or they are spelled much like it; upper and
    lower case and blanks around make no difference.

    Args:
        name: the unknown one.
        known: all that it could be.
        most: how many are returned, at most.
        alike: how alike those are at least that have another beginning.
    """
    by_form, form = _by_form(known), _form(name)
    close = difflib.get_close_matches(form, by_form, most, alike)
    forms = dict.fromkeys((*_begun(form, by_form), *close))
    return [by_form[each] for each in forms][:most]


def _begun(form: str, forms: Iterable[str]) -> list[str]:
    """Return the forms that begin with one, or that are at least half of it and begin it."""
    return [
        each
        for each in forms
        if form
        and (each.startswith(form) or (form.startswith(each) and 2 * len(each) >= len(form)))
    ]


def _by_form(known: Iterable[str]) -> dict[str, str]:
    """Return names by how they are compared; of those that are compared alike the first."""
    by_form: dict[str, str] = {}
    for each in known:
        by_form.setdefault(_form(each), each)
    return by_form


def _form(name: str) -> str:
    return name.strip().casefold()
