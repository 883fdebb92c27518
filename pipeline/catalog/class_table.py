r"""The table of classes: which label each class folder has, as a file that people and runs share.

It is TAB-separated UTF-8 with a header, a line for each class in the order of the labels::

    folder\tlabel
    ant\t0
    bee\t1

A folder is its path below the folder that was listed, ``.`` for that folder itself. Names that
differ in nothing but their Unicode normalisation (macOS stores ``é`` as two characters, Linux as
it was typed) are one class.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

from pipeline import names as rule
from pipeline import storage
from pipeline.errors import ConfigError, TreeRefused, abbreviate
from pipeline.quantities import counted
from pipeline.storage import Location
from pipeline.storage.local.input_file import check_shareable

VERSION: Final = 1
"""Part of the digest of the file: raise it when the same classes would give other bytes."""

COLUMNS: Final = ("folder", "label")
"""Those of a table that is written here."""
_HEADERS: Final = (COLUMNS, ("wnid", "sorted_index"))  # ours; that of `labels.tsv`
_LABEL: Final = re.compile(r"[0-9]{1,9}")
_DIGITS: Final = re.compile(r"[0-9]+")
_PRINTED: Final = re.compile(r"(.*[^ ]) ([0-9]{1,9})")  # a line that im2rec.py --list prints
_MOST_NAMED: Final = 5
"""How many classes a closing line or a refusal names."""
_REMEDY: Final = "correct it, or take the table that another run wrote, OUT/lists/*.classes.tsv"


@dataclass(frozen=True)
class ClassTable:
    """Classes by their labels.

    Attributes:
        names: the folder of each label, from label 0.
    """

    names: tuple[str, ...]

    @cached_property
    def labels(self) -> Mapping[str, int]:
        """Name in Unicode NFC -> label."""
        return {normal(name): label for label, name in enumerate(self.names)}

    def content(self) -> bytes:
        """Return the table as a file."""
        lines = (f"{name}\t{label}\n" for label, name in enumerate(self.names))
        return ("\t".join(_HEADERS[0]) + "\n" + "".join(lines)).encode()

    def disagreement(self, other: ClassTable) -> str | None:
        """Return a class that the other table numbers otherwise; None: there is none.

        Tables without a common name are of different things, and do not disagree.
        """
        for name, label in self.labels.items():
            if other.labels.get(name, label) != label:
                return self.names[label]
        if self.labels.keys().isdisjoint(other.labels):
            return None
        pairs = zip(self.names, other.names, strict=False)
        return next((mine for mine, its in pairs if normal(mine) != normal(its)), None)

    def difference(self, other: ClassTable, where: str) -> str | None:
        """Return a `disagreement` as a sentence; `where` is what to call the other table."""
        name = self.disagreement(other)
        if name is None:
            return None
        label, known = self.labels[normal(name)], other.labels.get(normal(name))
        if known is not None:
            return f"the class {name} has label {label} here, and {known} in {where}"
        return f"label {label} is {name} here, and {other.names[label]} in {where}"


@dataclass(frozen=True)
class FolderClasses:
    """The classes of a folder of class folders, and what a person should know of them.

    Attributes:
        table: the classes.
        pinned: whether the table was given; else it follows from the folders.
        absent: names of the table without an image here.
        bare: folders without an image, which are no class.
        alike: folders whose names differ in their encoding only, and which are one class.
    """

    table: ClassTable
    pinned: bool = False
    absent: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    alike: tuple[tuple[str, str], ...] = ()

    def summary(self) -> str:
        """Return how many classes there are, and the labels of the first and the last."""
        names = self.table.names
        shown = [f"{name} {label}" for label, name in enumerate(names)]
        if len(shown) > _MOST_NAMED + 1:
            shown = [*shown[:_MOST_NAMED], "...", shown[-1]]
        return f"{counted(len(names), 'class')}: {', '.join(shown)}"

    def notes(self) -> Iterator[str]:
        """Yield a sentence for each thing that may not be as it was meant."""
        if self.absent:
            absent = abbreviate(self.absent, _MOST_NAMED)
            yield f"classes of the table without an image here: {absent}"
        bare = [name for name in self.bare if normal(name) not in self.table.labels]
        if bare:
            yield f"folders without an image, which are no class: {abbreviate(bare, _MOST_NAMED)}"
        for one, other in self.alike:
            yield f"{one!a} and {other!a} are one name in two encodings: one class"
        numbers = sorted_as_text(self.table.names)
        if numbers:
            yield (
                f"numbers in names of classes are sorted as text: {numbers[0]} has a smaller"
                f" label than {numbers[1]}; give another order with --classes"
            )


def normal(name: str) -> str:
    """Return a name in the Unicode form in which names are compared."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def number(
    folders: Sequence[str], pinned: ClassTable | None, root: Location
) -> tuple[FolderClasses, list[int]]:
    """Give each folder that holds images its label.

    Args:
        folders: in the order of the walk.
        pinned: the table that says their labels; None: they are numbered in that order.
        root: where they lie, for the refusal.

    Returns:
        the classes, and the label of each folder.

    Raises:
        TreeRefused: a folder is not in the pinned table.
    """
    names, alike = dict[str, str](), list[tuple[str, str]]()
    for folder in folders:
        first = names.setdefault(normal(folder), folder)
        if first != folder:
            alike.append((first, folder))
    if pinned is None:
        table = ClassTable(tuple(names.values()))
        return FolderClasses(table, alike=tuple(alike)), _labels(folders, table)
    unknown = [name for key, name in names.items() if key not in pinned.labels]
    if unknown:
        raise TreeRefused(
            "a folder of images that the table of classes does not have",
            file=str(root),
            expected=f"folders of its {len(pinned.names):,} classes: "
            + abbreviate(pinned.names, _MOST_NAMED),
            found=abbreviate(map(_called, unknown), _MOST_NAMED),
            remedy="add it at the end of a copy of the table, and give that with --classes; or move"
            " it away",
        )
    absent = tuple(name for name in pinned.names if normal(name) not in names)
    classes = FolderClasses(pinned, pinned=True, absent=absent, alike=tuple(alike))
    return classes, _labels(folders, pinned)


def union(tables: Iterable[ClassTable]) -> ClassTable:
    """Return one table of the classes of several, sorted as a walk would meet their folders."""
    names: dict[str, str] = {}
    for table in tables:
        for key, label in table.labels.items():
            names.setdefault(key, table.names[label])
    return ClassTable(tuple(in_order(names.values())))


def in_order(names: Iterable[str]) -> list[str]:
    """Return names sorted as a walk would meet folders of these names."""
    return sorted(names, key=_place)


def sorted_as_text(names: Sequence[str]) -> tuple[str, str] | None:
    """Return two names whose numbers are in the other order than they; None: there are none.

    Only names that differ in nothing but their numbers are compared, and only where all names are
    sorted: another order is one that somebody chose.
    """
    if list(names) != sorted(names, key=_place):
        return None
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_DIGITS.sub("0", name), []).append(name)
    for group in alike.values():
        numbers = [tuple(map(int, _DIGITS.findall(name))) for name in group]
        for place, (first, second) in enumerate(pairwise(numbers)):
            if first > second:
                return group[place], group[place + 1]
    return None


def read(path: Location) -> ClassTable:
    """Read a table: names, one a line, or the table that a run wrote.

    Of a table with a header, `folder` and `label` count, or `wnid` and `sorted_index` (the file
    ``labels.tsv``). What im2rec.py prints, a blank and the label behind each name, is taken, too.
    In a list of names, lines that begin with ``#`` are comments.

    Raises:
        ConfigError: there is no such file, it is no text in UTF-8, it names no class, a class or a
            label twice, what can be no class folder, or labels that are not 0, 1, 2 and so on.
    """
    lines = list(_lines(path))
    header = lines[0][1].split("\t") if lines else []
    columns = next((pair for pair in _HEADERS if {*pair} <= {*header}), None)
    if columns is not None:
        names = _by_label(path, lines, [header.index(column) for column in columns])
    else:
        names = _printed(lines) or {n: line for n, line in lines if not line.startswith("#")}
    _check(path, names)
    return ClassTable(tuple(names.values()))


def _labels(folders: Sequence[str], table: ClassTable) -> list[int]:
    return [table.labels[normal(folder)] for folder in folders]


def _called(folder: str) -> str:
    return ". (the folder itself)" if folder == "." else folder


def _place(name: str) -> list[str]:
    """Return what sorts folders as a walk meets them: each before those that it holds."""
    return [] if name == "." else name.split("/")


def _by_label(
    path: Location, lines: Sequence[tuple[int, str]], places: Sequence[int]
) -> dict[int, str]:
    """Return line number -> name, sorted by label."""
    rows: dict[int, tuple[int, str]] = {}
    fields_of_header = len(lines[0][1].split("\t"))
    for line, text in lines[1:]:
        fields = text.split("\t")
        if len(fields) != fields_of_header or not _LABEL.fullmatch(fields[places[1]]):
            raise _refused(path, line, "no class and its label", "a folder, TAB, a label", text)
        label = int(fields[places[1]])
        if label in rows:
            raise _refused(path, line, f"label {label} stands there twice", "each label once", text)
        rows[label] = line, fields[places[0]]
    for place, label in enumerate(sorted(rows)):
        if place != label:
            what = "labels with a gap between them"
            raise _refused(path, rows[label][0], what, f"label {place}", str(label))
    return dict(rows[label] for label in sorted(rows))


def _printed(lines: Sequence[tuple[int, str]]) -> dict[int, str]:
    """Return line number -> name if a blank and the numbers from 0 follow the names, else {}."""
    matches = [(line, _PRINTED.fullmatch(text)) for line, text in lines]
    names = {line: match[1] for line, match in matches if match}
    labels = [int(match[2]) for _, match in matches if match]
    alone = len({*names.values()}) == len(lines)
    return names if alone and labels == list(range(len(lines))) else {}


def _check(path: Location, names: Mapping[int, str]) -> None:
    if not names:
        raise _refused(path, 1, "no class is named", "a folder's name on each line", "none")
    seen: dict[str, int] = {}
    for line, name in names.items():
        if flaw := rule.folder_flaw(name):
            what = f"no name of a class: {flaw}"
            raise _refused(path, line, what, "a folder's name alone", repr(name))
        if seen.setdefault(normal(name), line) != line:
            found = f"{name}, which is in line {seen[normal(name)]}, too"
            raise _refused(path, line, "a class stands there twice", "each class once", found)


def _lines(path: Location) -> Iterator[tuple[int, str]]:
    """Yield lines that are not empty, with their numbers, blanks and a last slash taken away."""
    check_shareable(path, "a table of classes")
    if storage.stat(path) is None:
        raise ConfigError("there is no such table of classes", file=str(path), remedy=_REMEDY)
    try:
        text = storage.read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what, remedy = "a table of classes that is not UTF-8", "save it as UTF-8"
        raise ConfigError(what, file=str(path), place=str(error), remedy=remedy) from error
    for line, whole in enumerate(text.split("\n"), start=1):
        name = whole.strip(" \r").removesuffix("/")
        if name:
            yield line, name


def _refused(path: Location, line: int, what: str, expected: str, found: str) -> ConfigError:
    place = f"line {line}"
    texts = {"expected": expected, "found": found, "remedy": _REMEDY}
    return ConfigError(what, file=str(path), place=place, **texts)
