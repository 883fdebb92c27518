"""The classes of Open Images: their MIDs and names, and what a person calls one of them.

A MID such as ``/m/0gxl3`` is what a class is; its name has changed from version to version.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pipeline import plaintext, storage
from pipeline.annotations.openimages.changed_names import CHANGED
from pipeline.annotations.openimages.columns import LABEL
from pipeline.annotations.openimages.header import REMEDY
from pipeline.errors import BadAnnotation, UsageError, abbreviate
from pipeline.names import near as near_names
from pipeline.storage import Location

_FIELDS: Final = 2  # MID and name
_NEAR: Final = 6  # classes that are proposed
_BLANKS: Final = re.compile(r"[\s_]+")
_REMEDY: Final = "`shardmill classes WORDS` finds names and MIDs"


@dataclass(frozen=True, eq=False)
class ClassNames:
    """The classes of a version.

    Attributes:
        path: the file that names them.
        names: the name of each by its MID, in the order of the file.
    """

    path: Location
    names: Mapping[str, str]

    def mid_of(self, text: str) -> str:
        """Return the MID of a class that is called by its MID, or by its name in any version.

        Neither case nor ``_`` for a blank makes a difference in a name. A name of this version
        goes before one of another.

        Raises:
            UsageError: there is no such class, or several; it lists those that are near.
        """
        if text.startswith("/"):
            if text in self.names:
                return text
            raise self._unknown(text)
        for spellings in (self._own, self._of_others):
            mids = spellings.get(_plain(text), [])
            if len(mids) == 1:
                return mids[0]
            if mids:
                raise UsageError(
                    "a name that several classes have",
                    file=str(self.path),
                    expected=f"the MID of one: {self.described(mids)}",
                    found=plaintext.beginning(text),
                )
        raise self._unknown(text)

    def find(self, words: str) -> list[str]:
        """Return the MIDs of classes whose name in some version, or MID, has all of some words.

        They are in the order of the file, those whose whole name it is first.
        """
        parts = _plain(words).split(" ")
        whole = {*self._own.get(_plain(words), ()), *self._of_others.get(_plain(words), ())}
        some = [mid for mid, text in self._texts.items() if all(part in text for part in parts)]
        return sorted(some, key=lambda mid: mid not in whole)

    def near(self, text: str) -> list[str]:
        """Return the MIDs of a few classes that may be meant by what names none."""
        plain = _plain(text)
        if mids := self._near_mids(text):
            return mids[:_NEAR]
        spellings = {**self._of_others, **self._own}
        close = near_names(plain, spellings, _NEAR)
        within = [name for name in spellings if plain and (plain in name or name in plain)]
        mids = [mid for name in (*close, *within) for mid in spellings[name]]
        return list(dict.fromkeys(mids))[:_NEAR]

    def _near_mids(self, text: str) -> list[str]:
        """Return MIDs that a text is the beginning of, or that it is without slashes."""
        end = text.removeprefix("/m/").removeprefix("/")
        if not re.fullmatch(r"m?[0-9][0-9a-z_]+", end):
            return []
        ends = {mid.rpartition("/")[2]: mid for mid in self.names}
        if bare := [ends[each] for each in (end, end.removeprefix("m")) if each in ends]:
            return list(dict.fromkeys(bare))
        return [ends[each] for each in near_names(end, ends, _NEAR)]

    def described(self, mids: Iterable[str]) -> str:
        """Return names and MIDs in words, separated by commas."""
        return abbreviate(f"{self.names.get(mid, '?')} ({mid})" for mid in mids)

    def _unknown(self, text: str) -> UsageError:
        near = self.near(text)
        return UsageError(
            "there is no such class",
            file=str(self.path),
            expected=f"perhaps {self.described(near)}" if near else "the name or MID of a class",
            found=plaintext.beginning(text),
            remedy=_REMEDY,
        )

    @cached_property
    def _own(self) -> dict[str, list[str]]:
        return _by_name((mid, [name]) for mid, name in self.names.items())

    @cached_property
    def _of_others(self) -> dict[str, list[str]]:
        return _by_name((mid, CHANGED.get(mid, ())) for mid in self.names)

    @cached_property
    def _texts(self) -> dict[str, str]:
        """All that is said of each class, to look for words in."""
        return {
            mid: "\n".join([mid.casefold(), *map(_plain, (name, *CHANGED.get(mid, ())))])
            for mid, name in self.names.items()
        }


def read(path: Location) -> ClassNames:
    """Read the classes of a version: a CSV file of MIDs and names, with a first line or without.

    A first line whose first field does not begin with ``/`` names the columns.

    Raises:
        BadAnnotation: a row has other than two fields, a MID that is none or was there before, or
            no name; there is no class.
        Vanished: there is no such file.
    """
    names = dict[str, str]()
    for line, fields in _rows(path):
        if len(fields) != _FIELDS:
            raise _refused(path, line, "a class has other fields", "MID and name", ",".join(fields))
        mid, name = fields
        if line == 1 and not mid.startswith("/"):
            continue
        if not LABEL.accepts(mid):
            raise _refused(path, line, "a class without a MID", LABEL.expected, mid)
        if mid in names:
            raise _refused(path, line, "a class stands there twice", "each MID once", mid)
        if not name.strip():
            raise _refused(path, line, "a class without a name", "MID and name", mid)
        names[mid] = name.strip()
    if not names:
        raise _refused(path, 1, "no class in the file", "MID and name in each line", "nothing")
    return ClassNames(path, names)


def read_mids(path: Location) -> tuple[str, ...]:
    """Read the MIDs of a text file, one a line, such as those of the classes that have masks.

    Raises:
        BadAnnotation: a line is no MID; there is none.
        Vanished: there is no such file.
    """
    mids = list[str]()
    for line, fields in _rows(path):
        text = ",".join(fields).strip()
        if not LABEL.accepts(text):
            raise _refused(path, line, "a line that is no MID", LABEL.expected, text)
        mids.append(text)
    if not mids:
        raise _refused(path, 1, "no class in the file", "a MID in each line", "nothing")
    return tuple(mids)


def _rows(path: Location) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a small CSV file that are not empty, and the line at which each ends."""
    content = storage.read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = plaintext.quoted(content.split(b"\n")[line - 1])
        raise _refused(path, line, "a line that is no text", "UTF-8", found) from error
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        for fields in reader:
            if any(fields):
                yield reader.line_num, fields
    except csv.Error as error:
        raise _refused(path, reader.line_num, "no CSV", "MID and name", str(error)) from error


def _by_name(classes: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    mids = dict[str, list[str]]()
    for mid, names in classes:
        for plain in dict.fromkeys(map(_plain, names)):
            mids.setdefault(plain, []).append(mid)
    return mids


def _plain(text: str) -> str:
    return _BLANKS.sub(" ", text).strip().casefold()


def _refused(path: Location, line: int, what: str, expected: str, found: str) -> BadAnnotation:
    return BadAnnotation(
        what,
        file=str(path),
        place=f"line {line}",
        expected=expected,
        found=plaintext.beginning(found),
        remedy=REMEDY,
    )
