"""The rows of Open Images' CSV files as tables: boxes, masks, labels of images, images.

Each is one pass over a file of any size, in little memory. Only the rows that are asked for are
parsed; they keep their order, their line in the file, and their bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
from numpy.typing import NDArray

from pipeline.annotations.openimages import columns
from pipeline.annotations.openimages.choice import Choice
from pipeline.annotations.openimages.columns import ABSENT, Kind
from pipeline.annotations.openimages.header import Header
from pipeline.annotations.openimages.lines import Tell
from pipeline.annotations.openimages.records import QUOTE, Records
from pipeline.annotations.openimages.row_refusals import refusal
from pipeline.storage import Location

# Arrow's reader of CSV takes interrupts over by a pipe of its process, and a process that is forked
# from that one aborts when it closes the pipe, as each of Luigi's tasks would. Nobody needs it: the
# commands have handlers of their own.
pa.enable_signal_handlers(enable=False)

ROWS: Final = 1 << 11
"""About how many rows a batch has; the last one has fewer, and one of a dense file more."""


@dataclass(frozen=True, eq=False)
class RowBatch:
    """Some rows of a file, in its order.

    Attributes:
        table: their values; the columns are those of `columns.BOXES.schema` and its neighbours.
        lines: (n,) the line of each in the file, from 1; of several lines the first.
        raw: the bytes of each, without the end of the line: all columns, as `csv.writer` spells
            them.
    """

    table: pa.Table
    lines: NDArray[np.int64]
    raw: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.raw)


def read_boxes(
    path: Location,
    labels: frozenset[bytes] | None = None,
    images: NDArray[np.uint64] | None = None,
    tell: Tell | None = None,
) -> Iterator[RowBatch]:
    """Yield the boxes of a split: columns as in `columns.BOXES`.

    Args:
        path: such as ``oidv6-train-annotations-bbox.csv``.
        labels: the MIDs whose rows are read; None: of all classes.
        images: (n,) ascending, ImageIDs as numbers (`choice.numbers`) whose rows are read; None:
            of all images.
        tell: is told how many bytes were read.

    Raises:
        BadAnnotation: a column is missing or there twice; any row has too few fields or too many;
            a row that is asked for has an ImageID that is not 16 hex digits, a corner that is no
            number from 0 to 1, XMax below XMin, or a flag other than 1, 0 and -1; the label of any
            row is no MID.
        Vanished: there is no such file.
    """
    return read(path, columns.BOXES, Choice(labels, images), tell)


def read_masks(
    path: Location,
    labels: frozenset[bytes] | None = None,
    images: NDArray[np.uint64] | None = None,
    tell: Tell | None = None,
) -> Iterator[RowBatch]:
    """Yield the masks of a split: columns as in `columns.MASKS`; see `read_boxes`.

    A MaskPath that names another image, class or BoxID than its row is refused, too.
    """
    return read(path, columns.MASKS, Choice(labels, images), tell)


def read_labels(
    path: Location,
    labels: frozenset[bytes] | None = None,
    images: NDArray[np.uint64] | None = None,
    tell: Tell | None = None,
) -> Iterator[RowBatch]:
    """Yield what people said of whole images: columns as in `columns.LABELS`; see `read_boxes`.

    A confidence of 0 means that someone looked and the class is not there.
    """
    return read(path, columns.LABELS, Choice(labels, images), tell)


def read_images(path: Location, images: NDArray[np.uint64] | None = None) -> Iterator[RowBatch]:
    """Yield what is known of the images themselves: columns as in `columns.IMAGES`.

    See `read_boxes`. Authors and titles are what people wrote: with commas, quotes and line ends.
    """
    return read(path, columns.IMAGES, Choice(None, images))


def read(
    path: Location, kind: Kind, choice: Choice, tell: Tell | None = None
) -> Iterator[RowBatch]:
    """Yield the wanted rows of a file of some kind; see `read_boxes`."""
    records = Records(path, kind, tell)
    lines, raw = list[int](), list[bytes]()
    for some_lines, some_rows in records.wanted(choice):
        lines += some_lines
        raw += some_rows
        if len(raw) >= ROWS:
            yield _batch(records.header, lines, raw)
            lines, raw = [], []
    if raw:
        yield _batch(records.header, lines, raw)


def _batch(header: Header, lines: list[int], raw: list[bytes]) -> RowBatch:
    content = b"\n".join([*raw, b""])
    numbers = np.array(lines, np.int64)
    try:
        table = _parsed(header, content)
    except pa.ArrowInvalid as error:
        raise refusal(header, lines, raw, str(error)) from error
    if table.num_rows != len(raw) or not _holds(header.kind, table):
        raise refusal(header, lines, raw, f"{table.num_rows} rows of {len(raw)}")
    return RowBatch(table, numbers, raw)


def _parsed(header: Header, content: bytes) -> pa.Table:
    """Parse rows.

    Raises:
        pa.ArrowInvalid: some row is not of the form.
    """
    names = [f"column {place}" for place in range(header.width)]
    kind = header.kind
    wanted = [names[header.places[column.name]] for column in kind.columns]
    types = [column.form.type for column in kind.columns]
    table = pcsv.read_csv(
        pa.BufferReader(content),
        pcsv.ReadOptions(use_threads=False, block_size=len(content) + 1, column_names=names),
        pcsv.ParseOptions(newlines_in_values=QUOTE in content, ignore_empty_lines=False),
        pcsv.ConvertOptions(
            column_types=dict(zip(wanted, types, strict=True)),
            include_columns=wanted,
            null_values=list(ABSENT),
            strings_can_be_null=False,
        ),
    )
    return table.rename_columns(kind.schema.names).combine_chunks()


def _holds(kind: Kind, table: pa.Table) -> bool:
    """Whether all values are of the form of their column, and in order."""
    for column in kind.columns:
        values, form = table[column.name], column.form
        if values.null_count and not form.optional:
            return False
        if not pc.all(form.holds(values), min_count=0).as_py():  # of null nothing is said
            return False
    if kind.spelled is not None:
        name, spelling = kind.spelled
        if not pc.all(pc.equal(table[name], spelling(table)), min_count=0).as_py():
            return False
    return all(
        pc.all(pc.less_equal(table[low], table[high]), min_count=0).as_py()
        for low, high in kind.pairs
    )
