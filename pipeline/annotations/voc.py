"""Annotations in the XML of PASCAL VOC, as ILSVRC2012 publishes its boxes.

What is read of it; everything else may stand there too::

    <annotation>
      <filename>n01440764_96</filename>
      <size><width>500</width><height>375</height></size>
      <object>
        <name>n01440764</name>
        <bndbox><xmin>34</xmin><ymin>128</ymin><xmax>430</xmax><ymax>305</ymax></bndbox>
      </object>
    </annotation>

Sources: the development kits of PASCAL VOC 2007 (annotations) and of ILSVRC2012. Numbers are
read as the scripts of TensorFlow's Inception read them, ``int(float(text))``: 64.9 is 64.
Every object is read by itself, so that one without an ``xmin`` does not take its neighbour's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from pipeline import plaintext
from pipeline.annotations.encoding import as_utf8
from pipeline.catalog.objects import DIFFICULT, OCCLUDED, TRUNCATED, Box
from pipeline.errors import BadAnnotation

if TYPE_CHECKING:  # lxml is imported where it is used: most commands read no annotation
    from lxml import etree

Corners = tuple[int, int, int, int]
Repair = Literal["misordered", "clamped"]

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_FLAGS: Final = {"truncated": TRUNCATED, "difficult": DIFFICULT, "occluded": OCCLUDED}
MAX_OBJECTS = 10_000
"""Of an annotation."""


def _layout(*elements: str) -> re.Pattern[bytes]:
    """Compile elements with any white space between them; ``T`` stands for plain text."""
    joined = r"[ \t\r\n]*".join(["", *elements, ""])
    return re.compile(joined.replace("T", "[ !-%'-;=?-~]*").encode())  # ASCII but < > &


_HEAD = _layout(
    "<annotation>",
    "<folder>T</folder>",
    "<filename>(T)</filename>",
    "<source>",
    "<database>T</database>",
    "</source>",
    "<size>",
    "<width>([1-9][0-9]{0,6})</width>",
    "<height>([1-9][0-9]{0,6})</height>",
    "<depth>T</depth>",
    "</size>",
    "<segmented>T</segmented>",
)
_OBJECT = _layout(
    "<object>",
    "<name>(T)</name>",
    "<pose>T</pose>",
    "<truncated>(T)</truncated>",
    "<difficult>(T)</difficult>",
    "<bndbox>",
    *(f"<{corner}>([0-9]{{1,7}})</{corner}>" for corner in _CORNERS),
    "</bndbox>",
    "</object>",
)
_TAIL = _layout("</annotation>")


@dataclass(frozen=True, slots=True)
class AnnotatedObject:
    """One ``<object>``.

    Attributes:
        name: its class as it is written, which need not be a WordNet ID; empty if there is none.
        corners: (xmin, ymin, xmax, ymax) in pixels, unchecked: they may be misordered or lie
            outside. None if they cannot be read.
        problem: why they cannot be read; None if they can.
        flags: bits of `pipeline.catalog.objects`: truncated, difficult and occluded.
        known: which of them are said to be 0 or 1.
    """

    name: str
    corners: Corners | None
    problem: str | None
    flags: int = field(default=0, compare=False)
    known: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Annotation:
    """What an annotation says of one image.

    Attributes:
        filename: ``<filename>`` as it is written; empty if there is none, ``%s`` in a few.
        width: pixels of what the annotator saw, at least 1; the image itself may differ.
        height: likewise.
        objects: in the order of the file.
        name: the first ``<name>`` of the file, wherever it stands: to the scripts of TensorFlow's
            Inception the class of all objects; empty if there is none.
    """

    filename: str
    width: int
    height: int
    objects: tuple[AnnotatedObject, ...]
    name: str = ""


def parse_annotation(content: bytes) -> Annotation:
    """Read an annotation; no entity is expanded and nothing is fetched.

    An annotation laid out as the published ones are is read by a regular expression, which takes
    a third of the time; all others, and whatever is not a plain number there, by a parser of XML.

    Raises:
        BadAnnotation: it is not well-formed, not in the encoding that it declares, declares a
            document type, is no ``<annotation>``, has no positive width and height, or more than
            `MAX_OBJECTS` objects.
    """
    if plain := _plain(content):
        return plain
    filename = ""
    sizes = []
    objects = []
    root = _root(as_utf8(content))
    for child in root:
        tag = child.tag
        if tag == "object":
            objects.append(_object(child))
            if len(objects) > MAX_OBJECTS:
                raise BadAnnotation(
                    "the annotation has too many objects",
                    expected=f"at most {MAX_OBJECTS:,}",
                    found="more",
                    remedy="split it, or leave it out",
                )
        elif tag == "size":
            sizes.append(child)
        elif tag == "filename":
            filename = (child.text or "").strip()
    width, height = _size(sizes)
    name = (root.findtext(".//name") or "").strip()
    return Annotation(filename, width, height, tuple(objects), name)


def normalise(corners: Corners, width: int, height: int) -> tuple[Box | None, tuple[Repair, ...]]:
    """Scale a box to its image, put its corners in order and cut off what lies outside.

    Returns the box as fractions, None if it has no area, and what had to be repaired.

    Args:
        corners: xmin, ymin, xmax, ymax in pixels.
        width: of the image, in pixels, at least 1.
        height: likewise.
    """
    x0, y0, x1, y1 = corners
    repairs: tuple[Repair, ...] = ()
    if x0 > x1 or y0 > y1:
        repairs = ("misordered",)
        x0, y0, x1, y1 = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
    xmin, ymin, xmax, ymax = x0 / width, y0 / height, x1 / width, y1 / height
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        repairs += ("clamped",)
        xmin, ymin, xmax, ymax = [min(max(each, 0.0), 1.0) for each in (xmin, ymin, xmax, ymax)]
    # Judged before rounding: a line may well show the same four digits twice.
    if xmin >= xmax or ymin >= ymax:
        return None, repairs
    return (xmin, ymin, xmax, ymax), repairs


def _plain(content: bytes) -> Annotation | None:
    """Return an annotation in the published layout, or None: it may be one in another."""
    head = _HEAD.match(content)
    if head is None:
        return None
    at = head.end()
    objects = []
    while match := _OBJECT.match(content, at):
        name, truncated, difficult, xmin, ymin, xmax, ymax = match.groups()
        corners = int(xmin), int(ymin), int(xmax), int(ymax)
        said = {"truncated": truncated.decode(), "difficult": difficult.decode()}
        objects.append(AnnotatedObject(name.decode().strip(), corners, None, *_flags(said)))
        at = match.end()
    if not _TAIL.fullmatch(content, at):
        return None
    filename, width, height = head.groups()
    name = objects[0].name if objects else ""
    return Annotation(filename.decode().strip(), int(width), int(height), tuple(objects), name)


class _Unreadable(Exception):
    """Why an element cannot be read."""


@cache
def _parser() -> etree.XMLParser:
    from lxml import etree  # noqa: PLC0415 - where it is used

    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )


def _root(content: bytes) -> etree._Element:
    from lxml import etree  # noqa: PLC0415 - where it is used

    if b"<!DOCTYPE" in content:
        raise BadAnnotation(
            "the annotation declares a document type, which can hide entities",
            expected="XML without a DOCTYPE",
            found="<!DOCTYPE",
            remedy="remove the declaration, and write its entities out",
        )
    try:
        root = etree.fromstring(content, _parser())
    except etree.XMLSyntaxError as error:
        raise BadAnnotation(
            "the annotation is not well-formed XML",
            place=f"line {error.lineno}",
            expected="XML in the encoding that it declares, which is UTF-8 where it declares none",
            found=error.msg,
            remedy="correct it",
        ) from None
    if root.tag != "annotation":
        raise BadAnnotation(
            "the XML is no annotation of PASCAL VOC",
            expected="<annotation>",
            found=f"<{root.tag[: plaintext.QUOTED]}>",
            remedy="take it away, or write an annotation in its place",
        )
    return root


def _size(sizes: list[etree._Element]) -> tuple[int, int]:
    try:
        if len(sizes) != 1:
            raise _Unreadable(_instead_of_one("size", len(sizes)))
        width, height = _numbers(sizes[0], ("width", "height"))
        if min(width, height) < 1:
            raise _Unreadable(f"{width} x {height} pixels")
    except _Unreadable as error:
        raise BadAnnotation(
            "the annotation gives no size of its image",
            expected="one <size> with a positive <width> and <height>",
            found=str(error),
            remedy="write the pixels of the image into <size>",
        ) from None
    return width, height


def _object(element: etree._Element) -> AnnotatedObject:
    names = []
    boxes = []
    said: dict[str, str] = {}
    for child in element:
        tag = child.tag
        if tag in _FLAGS:
            said[tag] = child.text or ""
        if tag == "bndbox":
            boxes.append(child)
        elif tag == "name":
            names.append((child.text or "").strip())
    name = names[0] if names else ""
    try:
        if len(names) > 1:
            raise _Unreadable(_instead_of_one("name", len(names)))
        if len(boxes) != 1:
            raise _Unreadable(_instead_of_one("bndbox", len(boxes)))
        xmin, ymin, xmax, ymax = _numbers(boxes[0], _CORNERS)
    except _Unreadable as error:
        return AnnotatedObject(name, None, str(error))
    return AnnotatedObject(name, (xmin, ymin, xmax, ymax), None, *_flags(said))


def _flags(said: Mapping[str, str]) -> tuple[int, int]:
    """Return the flags that are 1, and those that are 0 or 1."""
    values = {_FLAGS[name]: text.strip() for name, text in said.items()}
    known = {bit: text for bit, text in values.items() if text in {"0", "1"}}
    return sum(bit for bit, text in known.items() if text == "1"), sum(known)


def _numbers(parent: etree._Element, tags: tuple[str, ...]) -> list[int]:
    """Return the numbers in those children of `parent`, each of which stands there once."""
    numbers: dict[str, int] = {}
    for child in parent:
        tag = child.tag
        if tag in numbers:
            raise _Unreadable(_instead_of_one(tag, sum(each.tag == tag for each in parent)))
        if tag in tags:
            numbers[tag] = _number(child)
    for tag in tags:
        if tag not in numbers:
            raise _Unreadable(_instead_of_one(tag, 0))
    return [numbers[tag] for tag in tags]


def _number(element: etree._Element) -> int:
    text = element.text or ""
    try:
        if len(element):
            raise ValueError
        return int(float(text))
    except (ValueError, OverflowError):  # what is infinite is no integer
        raise _Unreadable(f"no number in <{element.tag}>: {plaintext.quoted(text)}") from None


def _instead_of_one(tag: str, count: int) -> str:
    return f"{count} <{tag}> instead of one" if count else f"no <{tag}>"
