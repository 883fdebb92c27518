"""The hierarchy of Open Images' classes: which class is a kind of which other.

A class may stand below several others. ``Part`` says what belongs to a thing, such as a wheel to a
car: that is no kind of it, and is not followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from pipeline import storage
from pipeline.annotations.openimages.columns import LABEL
from pipeline.annotations.openimages.header import REMEDY
from pipeline.errors import BadAnnotation
from pipeline.storage import Location


class _Node(msgspec.Struct, rename="pascal"):
    label_name: str = ""
    subcategory: list[_Node] = []
    part: list[_Node] = []


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Which classes are kinds of which.

    Attributes:
        children: the MIDs right below each class, in the order of the file, each once.
        parents: the MIDs right above each class, in the same way.
    """

    children: Mapping[str, tuple[str, ...]]
    parents: Mapping[str, tuple[str, ...]]

    def descendants(self, mid: str) -> tuple[str, ...]:
        """Return the MIDs of all kinds of a class, without itself, each once.

        One that stands before its own children in the file is before them here.
        """
        below = dict.fromkeys(self.children.get(mid, ()))
        pending = list(below)
        while pending:
            children = [each for each in self.children.get(pending.pop(0), ()) if each not in below]
            below.update(dict.fromkeys(children))
            pending += children
        below.pop(mid, None)
        return tuple(below)


def read(path: Location) -> Hierarchy:
    """Read the hierarchy: JSON of nested classes, each with its ``LabelName``.

    Raises:
        BadAnnotation: it has another form.
        Vanished: there is no such file.
    """
    content = storage.read_bytes(path).removeprefix(b"\xef\xbb\xbf")
    children, parents = dict[str, dict[str, None]](), dict[str, dict[str, None]]()
    try:
        root = msgspec.json.decode(content, type=_Node)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(path, str(error)) from error
    for above, below in _edges(root):
        if not LABEL.accepts(below):
            raise _refused(path, f"a class below {above or 'the root'} has the MID {below!r}")
        children.setdefault(above, {})[below] = None
        parents.setdefault(below, {})[above] = None
    if not children:
        raise _refused(path, "no class")
    return Hierarchy(
        {mid: tuple(below) for mid, below in children.items()},
        {mid: tuple(above) for mid, above in parents.items()},
    )


def _edges(root: _Node) -> Iterator[tuple[str, str]]:
    """Yield each class and one right below it; a part has kinds of its own."""
    pending = [root]
    while pending:
        node = pending.pop()
        pending += [*reversed(node.part), *reversed(node.subcategory)]
        for child in node.subcategory:
            yield node.label_name, child.label_name


def _refused(path: Location, found: str) -> BadAnnotation:
    return BadAnnotation(
        "this is no hierarchy of classes",
        file=str(path),
        expected="JSON: LabelName of each class, its kinds in Subcategory",
        found=found,
        remedy=REMEDY,
    )
