"""The rows of Open Images' CSV files as tables: boxes, masks, labels of images, images.

Each is one pass over a file of any size, in little memory. Only the rows that are asked for are
parsed, as far as the last column that is read; they keep their order, and their line in the file.
`row_texts` gives rows as they stand there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
from numpy.typing import NDArray

from pipeline.annotations.openimages import arrow_columns, columns
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

ROWS: Final = 1 << 12
"""About how many rows a batch has; the last one has fewer, and one of a dense file more."""


@dataclass(frozen=True, eq=False)
class RowBatch:
    """Some rows of a file, in its order.

    Attributes:
        table: their values; the columns are those of `columns.BOXES` and its neighbours.
        lines: (n,) the line of each in the file, from 1; of several lines the first.
    """

    table: pa.Table
    lines: NDArray[np.int64]


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
    fields = max(records.header.places.values()) + 1
    for lines, texts in records.batches(choice, ROWS, fields):
        yield _batch(records.header, lines, texts)


def _batch(header: Header, lines: Sequence[int], texts: Sequence[bytes]) -> RowBatch:
    """Parse the first fields of rows."""
    content = b"\n".join([*texts, b""])
    try:
        table = _parsed(header, content)
    except pa.ArrowInvalid as error:
        raise refusal(header, lines, texts, str(error)) from error
    if table.num_rows != len(texts) or not arrow_columns.holds(header.kind, table):
        raise refusal(header, lines, texts, f"{table.num_rows} rows of {len(texts)}")
    return RowBatch(table, np.array(lines, np.int64))


def _parsed(header: Header, content: bytes) -> pa.Table:
    """Parse rows.

    Raises:
        pa.ArrowInvalid: some row is not of the form.
    """
    names = [f"column {place}" for place in range(max(header.places.values()) + 1)]
    kind = header.kind
    wanted = [names[header.places[column.name]] for column in kind.columns]
    types = arrow_columns.schema(kind).types
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
    return table.rename_columns(list(kind.names)).combine_chunks()
