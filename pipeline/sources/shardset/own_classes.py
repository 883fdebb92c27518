"""The classes of a finished output, by its catalog, its manifest and the tables that lie in it.

The catalog knows those that an image or an object is of. All others stand in the manifest of an
output that was itself made of shards, or in the tables that the output has beside its shards.
These lie at paths without a digest, so they count only where they agree with the catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import pyarrow as pa

from pipeline import paths, storage
from pipeline.catalog import class_table as classtable
from pipeline.catalog import objects
from pipeline.catalog.class_table import ClassTable, FolderClasses
from pipeline.catalog.classes import NO_LABELS, LabelTable
from pipeline.documents.outputs import OutputManifest
from pipeline.errors import ConfigError
from pipeline.storage import Location

Named = tuple[str, str]
"""The id of a class and its words, either of which may be empty."""

_OF_IMAGES: Final = ("class_index", "class_id", "class_text")
_ID, _INDEX, _WORDS = "wnid", "sorted_index", "words"  # columns of the label table


@dataclass(frozen=True)
class OwnClasses:
    """The classes of a split of a finished output.

    Attributes:
        out: the folder of the output.
        of_images: each class that an image is of, by its index.
        of_objects: the id of each class that an object is of, by its index, where these are the
            classes of the images, too.
        tables: what may be all of them, by their indexes, the surest first.
        names: of all classes by their indexes, as the shards themselves say them; else empty.
    """

    out: Location
    of_images: Mapping[int, Named]
    of_objects: Mapping[int, str]
    tables: tuple[tuple[Named, ...], ...]
    names: tuple[str, ...]

    @staticmethod
    def of(out: Location, document: OutputManifest, rows: Iterable[pa.Table]) -> OwnClasses:
        """Return those of a split.

        Args:
            out: the folder of the output.
            document: the manifest of the split.
            rows: its catalog.
        """
        listed = tuple((name, name) for name in _listed(out, document.split))
        tables = (document.classes, _labelled(out), listed)
        of_images, of_objects = _known(rows)
        return OwnClasses(out, of_images, of_objects, tables, document.parameters.class_names)

    @cached_property
    def known(self) -> Mapping[int, Named]:
        """Each class that an image is of; or an object alone, whose words nobody says."""
        return {index: (name, "") for index, name in self.of_objects.items()} | {**self.of_images}

    @cached_property
    def table(self) -> LabelTable:
        """The classes by their indexes, where each has an id; else no label table."""
        if not self.known or not all(class_id for class_id, _ in self.known.values()):
            return NO_LABELS
        every = next(filter(self._agrees, self.tables), None)
        if every is None:
            count = max(self.known) + 1
            if len(self.known) < count:
                return NO_LABELS
            every = tuple(self.known[index] for index in range(count))
        ids, words = zip(*every, strict=True)
        return LabelTable(Path(str(self.out)), ids, words, {})

    @property
    def folders(self) -> FolderClasses | None:
        """The classes as words or folders named them; None: nobody did, or they have ids."""
        names, there = self._called, {words for _, words in self.of_images.values()}
        if not names:
            return None
        absent = tuple(name for name in names if name not in there)
        return FolderClasses(ClassTable(names), absent=absent)

    @property
    def _called(self) -> tuple[str, ...]:
        """The words of the classes, where each has some and none has an id; else nothing.

        Objects do not count: where images have no ids, classes of objects that have are others.
        """
        if any(class_id for class_id, _ in self.of_images.values()):
            return ()
        there = {index: words for index, (_, words) in self.of_images.items() if words}
        every = (self.names, *(tuple(words for _, words in table) for table in self.tables))
        for names in every if there else ():
            if all(names[index : index + 1] == (words,) for index, words in there.items()):
                return names
        is_whole = len(there) == max(there, default=-1) + 1 and len({*there.values()}) == len(there)
        return tuple(there[index] for index in range(len(there))) if is_whole else ()

    def _agrees(self, table: tuple[Named, ...]) -> bool:
        """Whether a table calls each known class as the catalog does."""
        for index, (class_id, words) in self.known.items():
            if index >= len(table) or table[index][0] != class_id:
                return False
            if words and table[index][1] != words:
                return False
        return True


def _known(catalog_rows: Iterable[pa.Table]) -> tuple[dict[int, Named], dict[int, str]]:
    """Return the classes of images, and those of objects: none where their numbers are others."""
    of_images, of_objects = dict[int, Named](), set[tuple[int, str]]()
    for rows in catalog_rows:
        columns = rows.select(_OF_IMAGES)
        for row in columns.group_by(columns.column_names).aggregate([]).to_pylist():
            of_images[row["class_index"]] = (row["class_id"], row["class_text"])
        of_objects |= objects.named_classes(rows["objects"])
    of_images.pop(-1, None)
    one_each = dict(sorted(of_objects))
    agree = all(of_images.get(index, (name,))[0] == name for index, name in one_each.items())
    return of_images, one_each if agree and len(one_each) == len(of_objects) else {}


def _listed(out: Location, split: str) -> tuple[str, ...]:
    """Return the names in the table of classes that lies in an output; none where there is none."""
    path = paths.class_table(out, split)
    try:
        return classtable.read(path).names if storage.stat(path) is not None else ()
    except ConfigError:  # somebody has changed it: it is known what the catalog says
        return ()


def _labelled(out: Location) -> tuple[Named, ...]:
    """Return the classes in the label table that lies in an output; none where there is none."""
    path = paths.label_table(out)
    if storage.stat(path) is None:
        return ()
    lines = storage.read_bytes(path).decode("utf-8", "replace").splitlines()
    rows = [line.split("\t") for line in lines]
    header = rows[0] if rows else []
    if not {_ID, _INDEX, _WORDS} <= {*header} or any(len(row) != len(header) for row in rows):
        return ()  # somebody has changed it
    said = [dict(zip(header, row, strict=True)) for row in rows[1:]]
    numbers, ids = [row[_INDEX] for row in said], {row[_ID] for row in said} - {""}
    if numbers != [str(index) for index in range(len(said))] or len(ids) != len(said):
        return ()
    return tuple((row[_ID], row[_WORDS]) for row in said)
