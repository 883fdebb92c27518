"""The classes of the validation images as the competition's download lists them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline import plaintext, storage
from pipeline.errors import BadAnnotation

_COLUMNS = ("ImageId", "PredictionString")
_DELIMITERS = ",;\t"  # a comma is the download's; the others are those of spreadsheets
_IMAGE = re.compile(r"[^,;\"\s]+")
_WNID = re.compile(r"[A-Za-z]\w*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_FIELDS = 5  # of an object: WNID, xmin, ymin, xmax, ymax
_QUOTED = 200  # characters of a line, which has several objects
_REMEDY = (
    "download it again, or move it out of the tree: the classes are those of the configuration, "
    "with which it is only compared"
)


class Answer(NamedTuple):
    """An image's WNID, and the 1-based line that says so."""

    wnid: str
    line: int


@dataclass(frozen=True)
class Solution:
    """The content of a ``LOC_val_solution.csv``.

    Attributes:
        path: where it was read.
        answers: by the image's file name without its suffix.
    """

    path: Path
    answers: Mapping[str, Answer]


def load_solution(path: Path) -> Solution:
    """Read a solution file: CSV (RFC 4180) with the columns `ImageId` and `PredictionString`.

    A line is ``ILSVRC2012_val_00048981,n03995372 85 1 499 272``: an image, then the WNID and the
    box of each object in it, xmin, ymin, xmax and ymax in pixels. All are of one class. As other
    programs save it, fields may stand in quotes, between semicolons or TABs, after blanks, and
    beside others. It is in UTF-8, or in UTF-16 with a byte order mark.

    Raises:
        BadAnnotation: a line is not of that form, or an image has two.
    """
    rows = _rows(path, _text(path))
    _, header = next(rows)
    image_at, objects_at = map(header.index, _COLUMNS)
    answers: dict[str, Answer] = {}
    for number, fields in rows:
        if len(fields) != len(header):
            raise _malformed(path, number, fields)
        image, wnid = _parsed(path, number, fields, fields[image_at].strip(), fields[objects_at])
        if image in answers:
            first = f"it is in line {answers[image].line}, too"
            raise _refused(path, number, f"image {image} appears twice", "each image once", first)
        answers[image] = Answer(wnid, number)
    return Solution(path, answers)


def _text(path: Path) -> str:
    content = storage.read_bytes(path)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        place = str(error)
        raise BadAnnotation(
            "not UTF-8 text", file=str(path), place=place, remedy=_REMEDY
        ) from error


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the fields of each line that is not blank, and its number, from 1; the header first."""
    first = re.split("[\r\n]", text, maxsplit=1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if any(header.count(name) != 1 for name in _COLUMNS):
            raise _refused(
                path, 1, "another header", ",".join(_COLUMNS), plaintext.quoted(first, _QUOTED)
            )
        yield 1, header
        for fields in reader:
            if any(field.strip() for field in fields):
                yield reader.line_num, fields
    except csv.Error as error:
        expected = "CSV, a quote within a field doubled (RFC 4180)"
        raise _refused(path, reader.line_num, "not CSV", expected, str(error)) from error


def _parsed(
    path: Path, number: int, fields: list[str], image: str, objects: str
) -> tuple[str, str]:
    words = objects.split()
    wnids = words[::_FIELDS]
    numbers = [word for place, word in enumerate(words) if place % _FIELDS]
    if (
        not words
        or len(words) % _FIELDS
        or not _IMAGE.fullmatch(image)
        or not all(map(_WNID.fullmatch, wnids))
        or not all(map(_NUMBER.fullmatch, numbers))
    ):
        raise _malformed(path, number, fields)
    if len(set(wnids)) != 1:
        found = ", ".join(sorted(set(wnids)))
        raise _refused(path, number, f"image {image} has several classes", "one", found)
    return image, wnids[0]


def _malformed(path: Path, number: int, fields: list[str]) -> BadAnnotation:
    expected = "an image, a comma, and for each object a WNID and four numbers"
    found = plaintext.quoted(",".join(fields), _QUOTED)
    return _refused(path, number, "not an image and its objects", expected, found)


def _refused(path: Path, line: int, what: str, expected: str, found: str) -> BadAnnotation:
    place = f"line {line}"
    return BadAnnotation(
        what, file=str(path), place=place, expected=expected, found=found, remedy=_REMEDY
    )
