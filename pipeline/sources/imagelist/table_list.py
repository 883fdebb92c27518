"""Image lists whose columns have names: CSV, TSV, JSONL, Parquet; a path and a label an image.

Labels are numbers, stored as they stand there, or texts: then these are the classes, numbered from
0 in the order of their names, or by a table of classes that is given. A list is read twice, once
for its classes and once for its rows, and never held: memory grows by 8 bytes an image, that find
paths used twice, and by the names of the classes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from pipeline import names as rule
from pipeline.catalog import class_table as classtable
from pipeline.catalog.class_table import ClassTable, FolderClasses
from pipeline.errors import BadAnnotation, TransientError, abbreviate
from pipeline.sources.imagelist import keys as imagekeys
from pipeline.sources.imagelist import label_values as labelvalues
from pipeline.sources.imagelist import split_column as splitcolumn
from pipeline.sources.imagelist import table_forms as tableforms
from pipeline.sources.imagelist.columns import Cell, Columns, Row
from pipeline.sources.imagelist.image_paths import BLANKS, OddPath, clean
from pipeline.sources.imagelist.lst import SCHEMA
from pipeline.sources.imagelist.lst_refusals import refused, shown
from pipeline.sources.imagelist.text_blocks import ROWS
from pipeline.storage import Location

MOST_CLASSES: Final = 1 << 17
"""Texts that labels may be, at most: as many as a person can have folders of."""

_SCHEMA: Final = pa.schema([*SCHEMA, ("text", pa.string())])
_MOST_NAMED: Final = 5
_CORRECT: Final = "correct the row"


@dataclass(frozen=True, eq=False)
class TableList:
    """A list whose columns have names.

    Attributes:
        path: where it lies.
        columns: which of them are read.
        classes: the labels that are texts; None: they are numbers.
    """

    path: Location
    columns: Columns
    classes: FolderClasses | None

    def tables(self) -> Iterator[pa.Table]:
        """Yield its images in its order, columns of `lst.SCHEMA`, and `text`, the class in words.

        A column `split` follows, if it is one of those that are read.

        The id of an image is its place, from 0; its path is relative to the root, without ``.``
        and empty parts.

        Yields:
            tables of 1 to `ROWS` rows.

        Raises:
            BadAnnotation: a row is not of the form; it has no path, no label, or one that no image
                may have; a path leaves the root. There is no row at all. After the last table: a
                path stands there twice.
        """
        hashes, count = array("Q"), 0
        every_row = _rows(self.path, self.columns)
        while rows := list(islice(every_row, ROWS)):
            paths = [_path(self.path, row.line, row.cells[0]) for row in rows]
            hashes.extend(imagekeys.hashes(paths))
            values, texts = self._labels(rows)
            table = pa.table(
                [
                    pa.array([row.line for row in rows], pa.int64()),
                    pa.array(range(count, count + len(rows)), pa.uint64()),
                    pa.ListArray.from_arrays(
                        pa.array(range(len(rows) + 1), pa.int32()), pa.array(values, pa.float32())
                    ),
                    pa.array(paths, pa.string()),
                    pa.array(texts, pa.string()),
                ],
                schema=_SCHEMA,
            )
            count += len(rows)
            if self.columns.split:
                splits = [splitcolumn.name(self.path, row.line, row.cells[2]) for row in rows]
                table = table.append_column("split", pa.array(splits, pa.string()))
            yield table
        if not count:
            what, wanted = "no image in the list", "a row for each image"
            raise refused(self.path, 1, what, wanted, "nothing", "write a row for each image")
        repeated = imagekeys.repeats_among(np.frombuffer(hashes, np.uint64))
        if len(repeated):
            self._refuse_repeated({int(each) for each in repeated})

    def _labels(self, rows: Sequence[Row]) -> tuple[list[float], list[str]]:
        """Return the labels of rows as numbers, and as texts: empty where they are numbers."""
        if self.classes is None:
            return [_number(self.path, row.line, row.cells[1]) for row in rows], [""] * len(rows)
        table = self.classes.table
        texts = [_text(self.path, row.line, row.cells[1]) for row in rows]
        try:
            labels = [table.labels[classtable.normal(text)] for text in texts]
        except KeyError:
            raise _changed(self.path) from None
        return [float(label) for label in labels], [table.names[label] for label in labels]

    def _refuse_repeated(self, repeated: set[int]) -> None:
        """Raise for the first path that stands there again; equal hashes alone are no reason."""
        first: dict[str, int] = {}
        for row in _rows(self.path, self.columns):
            path = _path(self.path, row.line, row.cells[0])
            if next(imagekeys.hashes([path])) not in repeated:
                continue
            if first.setdefault(path, row.line) != row.line:
                raise refused(
                    self.path,
                    row.line,
                    f"the path {shown(path)} stands there twice",
                    "a path of its own for each image",
                    f"it is in line {first[path]}, too",
                    "leave one of the rows out",
                )


def open_list(path: Location, columns: Columns, table: ClassTable | None) -> TableList:
    """Return a list after a look at all of its labels.

    Args:
        path: the list, for which `table_forms.has_named_columns` holds.
        columns: which of them are read.
        table: the classes that labels name; None: if they are texts, all of them are.

    Raises:
        BadAnnotation: a row is not of the form; a label is empty, no name of a class, not in the
            table, or a text where others are numbers; there are more than `MOST_CLASSES` texts.
    """
    names: dict[str, int] = {}
    number: tuple[int, Cell] | None = None
    for row in _rows(path, columns):
        label = row.cells[1]
        if table is None and _is_number(label, path):
            number = number or (row.line, label)
        else:
            text = _text(path, row.line, label)
            names.setdefault(text, row.line)
            if table is not None and classtable.normal(text) not in table.labels:
                raise _not_in_table(path, row.line, text, table)
            if len(names) > MOST_CLASSES:
                raise _too_many(path, row.line, columns.label)
        if names and number is not None:
            raise _mixed(path, number, next(iter(names.items())))
    if number is not None or not names:
        return TableList(path, columns, None)
    for text, line in names.items():
        if flaw := rule.folder_flaw(text):
            what = f"a label that can be no name of a class: {flaw}"
            raise refused(path, line, what, "the name of a class", shown(text), _CORRECT)
    classes, _ = classtable.number(classtable.in_order(names), table, Path(str(path)))
    return TableList(path, columns, classes)


def _rows(path: Location, columns: Columns) -> Iterator[Row]:
    return tableforms.reader(path)(path, columns.names)


def _path(file: Location, line: int, cell: Cell) -> str:
    """Return the path of an image as keys have it."""
    if not isinstance(cell, str):
        what, wanted = "a path that is no text", "the path of an image"
        raise refused(file, line, what, wanted, shown(str(cell)), _CORRECT)
    try:
        return clean(cell)
    except OddPath as error:
        found, remedy = shown(cell.strip(BLANKS)), error.remedy.replace("correct it", _CORRECT)
        raise refused(file, line, error.what, error.expected, found, remedy) from error


def _is_number(label: Cell, path: Location) -> bool:
    """Whether a label is a number: by its type if the form has types, else by its form."""
    if not isinstance(label, str):
        return True
    return tableforms.reader(path) not in tableforms.TYPED and labelvalues.is_number(
        label.strip(BLANKS)
    )


def _number(file: Location, line: int, cell: Cell) -> float:
    """Return a label that is a number; float32 holds it."""
    text = (cell if isinstance(cell, str) else _digits(cell)).strip(BLANKS)
    if isinstance(cell, str) and not labelvalues.is_number(text):
        raise _changed(file)
    flaw = labelvalues.flaw(text)
    if flaw is not None:
        raise refused(file, line, *flaw, shown(text), _CORRECT)
    return float(text)


def _digits(value: float) -> str:
    """Return a number as a decimal text; one that no float holds as `inf`."""
    try:
        return repr(float(value)) if abs(value) > labelvalues.EXACT else repr(value)
    except OverflowError:
        return "inf"


def _text(file: Location, line: int, cell: Cell) -> str:
    """Return a label that is a text."""
    if not isinstance(cell, str):
        what, wanted = "a number where labels are the names of classes", "the name of a class"
        raise refused(file, line, what, wanted, shown(str(cell)), "write it as a text")
    text = cell.strip(BLANKS)
    if not text:
        remedy = "give the image a label, or leave its row out"
        raise refused(file, line, "an empty label", "a label", "nothing", remedy)
    return text


def _not_in_table(path: Location, line: int, text: str, table: ClassTable) -> BadAnnotation:
    likely = rule.meant(text, table.names)
    return refused(
        path,
        line,
        "a label that the table of classes does not have"
        + (f"; did you mean {shown(likely)}?" if likely else ""),
        f"one of its {len(table.names):,} classes: {abbreviate(table.names, _MOST_NAMED)}",
        shown(text),
        "correct the label, or add it at the end of a copy of the table, and give that with"
        " --classes",
    )


def _mixed(path: Location, number: tuple[int, Cell], text: tuple[str, int]) -> BadAnnotation:
    line = max(number[0], text[1])
    return refused(
        path,
        line,
        "labels that are numbers, and others that are texts",
        "numbers alone, or names of classes alone",
        f"the number {shown(str(number[1]))[1:-1]} in line {number[0]}, the text {shown(text[0])}"
        f" in line {text[1]}",
        "correct one of them; if all are names of classes, list these in a file, one a line, and"
        " say --classes FILE",
    )


def _too_many(path: Location, line: int, column: str) -> BadAnnotation:
    return refused(
        path,
        line,
        "more classes than there can be class folders",
        f"{MOST_CLASSES:,} different labels at most",
        f"one more in the column {shown(column)}",
        "name another column with --label-column",
    )


def _changed(path: Location) -> TransientError:
    """Return the error of a list that is another one than a moment ago."""
    return TransientError(
        "the list was changed while it was read",
        file=str(path),
        remedy="leave it alone while a command is at work: it is read again",
    )
