"""The devkit of ILSVRC2012: which class each validation image is, and what classes mean.

Two of its files are read (its ``readme.txt``, "Data"): line n of
``data/ILSVRC2012_validation_ground_truth.txt`` is the ILSVRC2012_ID of validation image n, and
the struct array ``synsets`` in ``data/meta.mat`` (MATLAB 5) has the WNID of each ID. Synsets with
children are no classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TypeGuard

from pipeline import plaintext
from pipeline.archives.compressed import read_members
from pipeline.archives.tar import COMPARE_MD5
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ArchiveRefused, InputRefused
from pipeline.sources.ilsvrc2012 import matlab
from pipeline.storage import Location

_TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
_META = "data/meta.mat"
FILES = (_TRUTH, _META)
"""The files that are read, which lie in any folder."""
_LARGEST = 16 << 20  # bytes; they are 194,650 and 176,625
_ID = re.compile("[0-9]{1,9}")
_FIELDS = ("ILSVRC2012_ID", "WNID", "num_children")
_TEXTS = ("WNID", "words", "gloss")


def read_labels(archive: Location, table: LabelTable) -> tuple[str, ...]:
    """Read the classes of the validation images from the devkit.

    Args:
        archive: ``ILSVRC2012_devkit_t12.tar.gz``, or the tar in it.
        table: the label table.

    Returns:
        The WNID of each image, in the order of their numbers.

    Raises:
        ArchiveMissing: there is no such file.
        ArchiveRefused: it is damaged or lacks one of the two files, or a line is not the ID of a
            class in the label table.
    """
    # Both files are read before either is parsed: then the CRC of the archive has been checked.
    found = _read(archive, FILES)
    classes = _read_classes(archive, found[_META])
    wnids = []
    for number, line in enumerate(found[_TRUTH].decode("ascii", "replace").splitlines(), start=1):
        wnid = classes.get(int(line)) if _ID.fullmatch(line) else None
        if wnid is None:
            what, expected = "no ILSVRC2012_ID of a class", _range(classes)
            raise _wrong(archive, number, what, expected, plaintext.quoted(line))
        if wnid not in table.index:
            what, expected = "the class is not in the label table", f"a WNID of {table.path}"
            raise _wrong(archive, number, what, expected, f"{wnid}, ILSVRC2012_ID {line}")
        wnids.append(wnid)
    return tuple(wnids)


def read_texts(archive: Location) -> dict[str, tuple[str, str]]:
    """Read what classes mean.

    Args:
        archive: ``ILSVRC2012_devkit_t12.tar.gz``, or the tar in it.

    Returns:
        WNID -> its `words` and `gloss`.

    Raises:
        ArchiveMissing: there is no such file.
        ArchiveRefused: it is damaged or lacks that file.
    """
    meta = _read(archive, (_META,))[_META]
    try:
        synsets = matlab.read_structs(meta, "synsets")
        columns = [synsets.get(name, []) for name in _TEXTS]
        found = {}
        for wnid, words, gloss in zip_longest(*columns):
            if not (isinstance(wnid, str) and isinstance(words, str) and isinstance(gloss, str)):
                raise matlab.Malformed(
                    f"a synset of {plaintext.quoted(str(wnid))}, not all of it texts"
                )
            found[wnid] = (words, gloss)
    except matlab.Malformed as error:
        raise _no_synsets(archive, _TEXTS, error) from error
    return found


def check_labels(
    devkit: tuple[str, ...], listed: tuple[str, ...], archive: Location, labels: Path
) -> None:
    """Check that a list of labels says what the devkit says.

    Args:
        devkit: WNIDs of the devkit, as `read_labels` returns them.
        listed: WNIDs of the list.
        archive: the devkit.
        labels: the list.

    Raises:
        InputRefused: they differ.
    """
    pairs = list(zip_longest(devkit, listed))
    wrong = [line for line, (one, other) in enumerate(pairs, start=1) if one != other]
    if wrong:
        expected, found = pairs[wrong[0] - 1]
        raise InputRefused(
            "the list of labels does not agree with the devkit",
            file=str(labels),
            place=f"line {wrong[0]}, the first of {len(wrong)} that differ",
            expected=f"{expected or 'no such line'}, by {archive}, of {len(devkit)} lines",
            found=f"{found or 'no such line'}, of {len(listed)} lines",
            remedy="correct the list in the configuration, or name the devkit that belongs to it",
        )


def _read(archive: Location, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """Return the contents of the members that end in these names, of which there is one each."""
    found: dict[str, bytes] = {}
    for member, content in read_members(archive, largest=_LARGEST):
        for name in wanted:
            if not f"/{member.name}".endswith(f"/{name}"):
                continue
            if content is None or name in found:
                one = f"one regular file of at most {_LARGEST} bytes"
                again = "another one" if name in found else f"a {member.kind}, {member.size} bytes"
                raise _lacking(archive, member.name, one, again)
            found[name] = content
    for name in wanted:
        if name not in found:
            raise _lacking(archive, name, "that file", "none of that name")
    return found


def _read_classes(archive: Location, meta: bytes) -> dict[int, str]:
    """Return the WNID of each ILSVRC2012_ID that is a class."""
    try:
        synsets = matlab.read_structs(meta, "synsets")
        rows = list(_leaves(*(synsets.get(name, []) for name in _FIELDS)))
        if not rows or len(dict(rows)) < len(rows):
            raise matlab.Malformed("no synset without children, or two of one ILSVRC2012_ID")
    except matlab.Malformed as error:
        raise _no_synsets(archive, _FIELDS, error) from error
    return dict(rows)


def _no_synsets(
    archive: Location, fields: tuple[str, ...], error: matlab.Malformed
) -> ArchiveRefused:
    what = f"the struct array synsets in a MATLAB 5 file, of {', '.join(fields)}"
    return _lacking(archive, _META, what, str(error))


def _leaves(*columns: list[matlab.Value]) -> Iterator[tuple[int, str]]:
    """Yield ILSVRC2012_ID and WNID of the synsets that have no children."""
    for number, wnid, children in zip_longest(*columns):
        if not (_is_whole(number) and isinstance(wnid, str) and _is_whole(children)):
            raise matlab.Malformed(
                f"a synset of {number!r}, {plaintext.quoted(str(wnid))}, {children!r}"
            )
        if children == 0:
            yield int(number), wnid


def _is_whole(value: matlab.Value) -> TypeGuard[float]:
    return isinstance(value, float) and value.is_integer()


def _range(classes: dict[int, str]) -> str:
    return f"a number from {min(classes)} to {max(classes)}, of a synset without children"


def _wrong(archive: Location, line: int, what: str, expected: str, found: str) -> ArchiveRefused:
    return ArchiveRefused(
        what,
        file=str(archive),
        place=f"{_TRUTH}, line {line}",
        expected=expected,
        found=found,
        remedy=f"choose the label table of its classes, or {COMPARE_MD5}",
    )


def _lacking(archive: Location, member: str, expected: str, found: str) -> ArchiveRefused:
    return ArchiveRefused(
        "a file of the devkit is missing or damaged",
        file=str(archive),
        place=member,
        expected=expected,
        found=found,
        remedy=COMPARE_MD5,
    )
