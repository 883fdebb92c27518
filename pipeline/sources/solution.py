"""The classes of the validation images as the competition's download lists them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline import storage
from pipeline.errors import BadAnnotation

_HEADER = "ImageId,PredictionString"
_LINE = re.compile(r"([^,\"\s]+),([^,\"]+)")
_WNID = re.compile(r"[A-Za-z]\w*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_FIELDS = 5  # of an object: WNID, xmin, ymin, xmax, ymax


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
    """Read a solution file: text in UTF-8, the columns `ImageId` and `PredictionString`.

    A line is ``ILSVRC2012_val_00048981,n03995372 85 1 499 272``: an image, then the WNID and the
    box of each object in it, xmin, ymin, xmax and ymax in pixels. All are of one class.

    Raises:
        BadAnnotation: a line is not of that form, or an image has two.
    """
    try:
        lines = storage.read_bytes(path).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise BadAnnotation("not UTF-8 text", file=str(path), place=str(error)) from error
    if lines[0].rstrip() != _HEADER:
        raise _refused(path, 1, "another header", _HEADER, repr(lines[0]))
    answers: dict[str, Answer] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        image, wnid = _parsed(path, number, line)
        if image in answers:
            first = f"it is in line {answers[image].line}, too"
            raise _refused(path, number, f"image {image} appears twice", "each image once", first)
        answers[image] = Answer(wnid, number)
    return Solution(path, answers)


def _parsed(path: Path, number: int, line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line.rstrip())
    words = match[2].split() if match else []
    wnids = words[::_FIELDS]
    numbers = [word for place, word in enumerate(words) if place % _FIELDS]
    if (
        match is None
        or len(words) % _FIELDS
        or not all(map(_WNID.fullmatch, wnids))
        or not all(map(_NUMBER.fullmatch, numbers))
    ):
        expected = "an image, a comma, and for each object a WNID and four numbers"
        raise _refused(path, number, "not an image and its objects", expected, repr(line))
    if len(set(wnids)) != 1:
        found = ", ".join(sorted(set(wnids)))
        raise _refused(path, number, f"image {match[1]} has several classes", "one", found)
    return match[1], wnids[0]


def _refused(path: Path, line: int, what: str, expected: str, found: str) -> BadAnnotation:
    return BadAnnotation(what, file=str(path), place=f"line {line}", expected=expected, found=found)
