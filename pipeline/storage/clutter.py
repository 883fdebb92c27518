"""Clutter: files that operating systems and tools leave beside data, known by their names.

This is the one rule of the project for folders of images, unpacked data sets, archives and
annotations. A path is clutter if one of its parts is:

- a hidden name: macOS's ``._NAME`` (AppleDouble) and ``.DS_Store``, Jupyter's
  ``.ipynb_checkpoints``, ``.git``, temporary files of interrupted copies;
- what macOS's archiver (``__MACOSX``), Windows (``Thumbs.db``, ``desktop.ini``,
  ``NAME:Zone.Identifier``), NAS systems (``@eaDir``, ``#recycle``) and file systems
  (``lost+found``) keep beside files;
- ``PaxHeader`` or ``PaxHeaders.<number>``, where programs that do not know pax headers put them.

Whoever passes clutter over counts it and says so, with a `PassedOver`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pipeline import plaintext
from pipeline.documents.values import Size, Text
from pipeline.quantities import counted

EXAMPLES: Final = 3
"""How many names of clutter are kept to be shown."""

# In lower case; names are compared without regard to the case of ASCII letters.
_NAMES: Final = frozenset(
    {
        "__macosx",
        "icon\r",
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "@eadir",
        "@recycle",
        "@tmp",
        "#recycle",
        "#snapshot",
        "lost+found",
    }
)
_ENDS: Final = ("zone.identifier", "zone.identifier:$data", "@synoeastream", "@synoresource")
_PAX: Final = r"PaxHeaders?(?:\.[0-9]+)?"


def _any_case(text: str) -> str:
    """Return a regular expression of a text in lower case, whatever the case of its letters."""
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else re.escape(c) for c in text)


PATH_PATTERN: Final = (
    r"(?:^|/)(?:\.[^./][^/]*|\.\.[^/]+"
    rf"|{'|'.join(map(_any_case, sorted(_NAMES)))}"
    rf"|[^/]*(?:{'|'.join(map(_any_case, _ENDS))})|{_PAX})(?:/|$)"
)
"""The rule as a regular expression of RE2, for columns of "/"-separated paths."""

_PAX_NAME: Final = re.compile(_PAX)


@dataclass(frozen=True)
class PassedOver:
    """Names that were passed over as clutter.

    Attributes:
        count: how many.
        examples: the first `EXAMPLES` of them.
    """

    count: Size = 0
    examples: tuple[Text, ...] = ()

    @staticmethod
    def of(count: int, names: Iterable[str]) -> PassedOver:
        """Return it with the first names, as plain text: clutter may have any name."""
        return PassedOver(count, tuple(map(plaintext.line, names)))

    def __add__(self, other: PassedOver) -> PassedOver:
        """Return both together."""
        examples = (*self.examples, *other.examples)[:EXAMPLES]
        return PassedOver(self.count + other.count, examples)

    def __str__(self) -> str:
        """Say how many names there were, and the first of them."""
        more = ", …" if self.count > len(self.examples) else ""
        names = counted(self.count, "hidden or system name")
        return f"{names}, e.g. {', '.join(self.examples)}{more}"

    def to_json(self) -> dict[str, object]:
        """Return it as plain data."""
        return {"count": self.count, "examples": list(self.examples)}


NOTHING: Final = PassedOver()


def passed_over(names: Iterable[str]) -> PassedOver:
    """Return names, all of them clutter, as what was passed over; they are read to the end."""
    count, examples = 0, list[str]()
    for name in names:
        count += 1
        if len(examples) < EXAMPLES:
            examples.append(name)
    return PassedOver.of(count, examples)


def is_clutter(name: str) -> bool:
    """Whether a name, one part of a path, is clutter."""
    if name.startswith("."):
        return name not in {".", ".."}
    lowered = name.lower()
    if lowered in _NAMES or lowered.endswith(_ENDS):
        return True
    return name.startswith("PaxHeader") and _PAX_NAME.fullmatch(name) is not None


def in_clutter(path: str) -> bool:
    """Whether a "/"-separated path is clutter, or lies in a folder that is."""
    return any(map(is_clutter, path.split("/")))
