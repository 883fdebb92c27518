"""A description of archives as the text of a configuration, and of the files that it names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline import plaintext
from pipeline.sources.ilsvrc2012.describing.layouts import CLASSES, Layout
from pipeline.sources.shard_count import count_by_bytes

_HEAD: Final = (
    "Written by `shardmill describe`, from what lies in the archives. The comments of the shipped",
    "configuration explain the form: `shardmill config copy FOLDER` writes it.",
)
_TABLE: Final = ".classes.tsv"
_LABELS: Final = ".labels.txt"
_LINE: Final = re.compile("[^\n]{1,97}(?:[ ]|$)|[^\n]+")
_NO_LITERAL: Final = re.compile("['\n]")


@dataclass(frozen=True)
class DescribedArchive:
    """An archive in a configuration.

    Attributes:
        file: its name.
        bytes: its size; None: it lies unpacked in a tree.
        md5: likewise.
        is_optional: whether only ``--with`` has it read.
    """

    file: str
    bytes: int | None
    md5: str | None
    is_optional: bool = False


@dataclass(frozen=True, eq=False)
class DescribedSplit:
    """A split in a configuration.

    Attributes:
        name: what it is called.
        folder: its folder in a tree.
        archive: the name of its archive in the configuration.
        layout: how its images lie there.
        labels: flat only: the class of each image number, from 1; None: nobody knows.
        boxes: the name of its archive of boxes; "": there is none.
    """

    name: str
    folder: str
    archive: str
    layout: Layout
    labels: tuple[str, ...] | None = None
    boxes: str = ""

    @property
    def counts(self) -> Mapping[str, int] | None:
        """Images of each class, where the configuration is to say that."""
        numbering = self.layout.numbering
        if numbering is None:
            return self.layout.counts
        if self.labels is None or numbering.is_consecutive:
            return None
        labels = self.labels
        return Counter(labels[number - 1] for number in numbering.numbers.tolist())

    @property
    def classes(self) -> frozenset[str]:
        """Every class that it names."""
        return frozenset(self.layout.counts if self.labels is None else self.labels)


def is_companion(file: str, name: str) -> bool:
    """Whether a file is called as one that the configuration of a data set names."""
    return file.startswith(f"{name}.") and file.endswith((_TABLE, _LABELS))


def files(
    name: str,
    archives: Mapping[str, DescribedArchive],
    splits: Sequence[DescribedSplit],
    words: Mapping[str, str],
    remarks: Sequence[str],
) -> tuple[str, dict[str, bytes]]:
    """Return the text of a configuration, and what is in the files that it names, by their names.

    Args:
        name: of the data set, with which the names of the files begin.
        archives: by their names in the configuration.
        splits: at least one.
        words: of the classes that have others than their names.
        remarks: sentences for those who read the configuration.
    """
    table = f"{name}{_TABLE}"
    companions = {table: _table(splits, words)}
    sections = [
        [*_comment(_HEAD), *_comment(f"- {remark}" for remark in remarks)],
        [f"dataset = {_text(name)}"],
        ["[labels]", f"table = {_text(table)}"],
        *(_archive(key, each) for key, each in archives.items()),
    ]
    for split in splits:
        labels = ""
        if split.labels is not None:
            labels = f"{name}.{split.name}{_LABELS}"
            companions[labels] = "".join(f"{each}\n" for each in split.labels).encode()
        sections.append([*_split(split, labels)])
    return "\n".join("".join(f"{line}\n" for line in lines) for lines in sections), companions


def _table(splits: Sequence[DescribedSplit], words: Mapping[str, str]) -> bytes:
    """Return the label table: each class, its words, and how many images each split has of it."""
    counted = {split.name: split.counts for split in splits if split.counts is not None}
    classes = sorted({*()}.union(*(split.classes for split in splits)))
    header = ["wnid", "words", *map(_column, counted)]
    rows = [
        [each, words.get(each, each), *(str(counts.get(each, 0)) for counts in counted.values())]
        for each in classes
    ]
    return "".join("\t".join(row) + "\n" for row in (header, *rows)).encode()


def _column(split: str) -> str:
    return f"{split}_images"


def _archive(key: str, archive: DescribedArchive) -> list[str]:
    known = {"bytes": archive.bytes, "md5": archive.md5}
    return [
        f"[{'optional' if archive.is_optional else 'archives'}.{key}]",
        f"file = {_text(archive.file)}",
        'url = "-"',
        *(
            f"{name} = {_text(value) if isinstance(value, str) else value}"
            for name, value in known.items()
            if value is not None
        ),
    ]


def _split(split: DescribedSplit, labels: str) -> Iterator[str]:
    layout, numbering = split.layout, split.layout.numbering
    yield f"[splits.{split.name}]"
    yield f"archive = {_text(split.archive)}"
    if split.folder != split.name:
        yield f"folder = {_text(split.folder)}"
    yield f"layout = {_text(CLASSES if numbering is None else layout.kind)}"
    if numbering is not None:
        yield f"member = {_text(numbering.member)}"
    if labels:
        yield f"labels = {_text(labels)}"
    if split.counts is None and numbering is not None:
        yield f"images = {numbering.highest}"
    else:
        yield f"counts = {_text(f'labels:{_column(split.name)}')}"
    if split.boxes:
        yield f"boxes = {_text(split.boxes)}"
    yield f"shards = {count_by_bytes(layout.images, layout.bytes)}"


def _comment(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        for number, part in enumerate(_LINE.findall(plaintext.line(line))):
            indent = "  " if number and line.startswith("- ") else ""
            yield f"# {indent}{part}".rstrip()


def _text(text: str) -> str:
    """Return a text as TOML has it: as it is where it holds backslashes, else with escapes."""
    if "\\" in text and not _NO_LITERAL.search(text) and plaintext.line(text) == text:
        return f"'{text}'"
    shown = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{"".join(map(_escaped, shown))}"'


def _escaped(character: str) -> str:
    if plaintext.line(character) == character:
        return character
    code = ord(character)
    return f"\\U{code:08x}"
