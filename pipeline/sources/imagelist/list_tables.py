"""The images that a list or a folder names, as tables, whatever names them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.catalog.class_table import ClassTable, FolderClasses
from pipeline.sources.glance import Note, no_note
from pipeline.sources.imagelist import folder as listing
from pipeline.sources.imagelist import list_contents as listcontents
from pipeline.sources.imagelist import lst
from pipeline.sources.imagelist import table_forms as tableforms
from pipeline.sources.imagelist import table_list as tablelist
from pipeline.sources.imagelist.annotated import opening
from pipeline.sources.imagelist.annotated.images import AnnotatedList
from pipeline.sources.imagelist.columns import Columns
from pipeline.sources.imagelist.folder import Listing
from pipeline.sources.imagelist.table_list import TableList
from pipeline.sources.imagelist.text_blocks import ROWS
from pipeline.storage import Location

Listed: TypeAlias = Location | TableList | AnnotatedList | Listing
"""A list of im2rec's form, one whose columns have names, annotations, or what a folder holds."""

_LAST_CLASS: Final = 2.0**31  # the first that no class index can be


def opened(
    path: Location,
    extensions: Sequence[str],
    columns: Columns,
    *,
    recursive: bool,
    table: ClassTable | None,
    note: Note = no_note,
) -> Listed:
    """Return a list, looked at as far as its form needs, or what a folder holds.

    Args:
        path: the list or the folder.
        extensions: of a folder, what names of images end in.
        columns: of a list whose columns have names, those that are read.
        recursive: of a folder, whether the folders in it are classes.
        table: of class folders, or of labels that are texts, which label each has; None: see
            `listing.scan` and `table_list.open_list`.
        note: called with each folder before it is listed.

    Raises:
        BadAnnotation: see `table_list.open_list` and `opening.open_annotations`; the file is no
            list, see `listcontents.check`.
        TreeRefused: see `listing.scan`.
        Vanished: there is neither.
    """
    is_list = not storage.is_folder(path)
    if is_list:
        listcontents.check(path)
    if opening.is_annotated(path, extensions, recursive=recursive):
        return opening.open_annotations(path, table, note)
    if is_list:
        named = tableforms.has_named_columns(path)
        return tablelist.open_list(path, columns, table) if named else path
    return listing.scan(path, recursive=recursive, extensions=extensions, table=table, note=note)


def tables(found: Listed) -> Iterator[pa.Table]:
    """Yield columns of `lst.SCHEMA`, and `text`, the class in words.

    A column `split` follows if a list has one that is read; of annotations there are those of
    `images.TABLE`.

    Raises:
        BadAnnotation: see `lst.read` and `TableList.tables`.
    """
    if isinstance(found, TableList | AnnotatedList):
        yield from found.tables()
        return
    if not isinstance(found, Listing):
        for table in lst.read(found):
            texts = pa.repeat(pa.scalar("", pa.string()), table.num_rows)
            yield table.append_column("text", texts)
        return
    words = pa.array(found.folders or ("",), pa.string())
    for first in range(0, len(found.paths), ROWS):
        labels = found.labels[first : first + ROWS]
        count = len(labels)
        offsets = pa.array(np.arange(count + 1, dtype=np.int32))
        values = pa.array(labels.astype(np.float32))
        columns = {
            "line": pa.array(np.zeros(count, np.int64)),
            "id": pa.array(np.arange(first, first + count, dtype=np.uint64)),
            "labels": pa.ListArray.from_arrays(offsets, values),
            "path": found.paths.slice(first, count).cast(pa.string()),
            "text": words.take(pa.array(labels)),
        }
        yield pa.table(columns)


def classes_of(found: Listed) -> FolderClasses | None:
    """Return the class folders of a folder, or the classes that a list or annotations name."""
    return found.classes if isinstance(found, TableList | AnnotatedList | Listing) else None


def single_labels(labels: pa.ListArray) -> tuple[pa.Array, pa.Array]:
    """Return the class of each image, and the labels of those that no class says; see `catalog`."""
    counts = pc.list_value_length(labels).to_numpy()
    values = labels.flatten().to_numpy()
    first = np.full(len(counts), -1, values.dtype)
    first[counts > 0] = values[(np.cumsum(counts) - counts)[counts > 0]]
    single = (counts == 1) & (first == np.floor(first)) & (first >= -1) & (first < _LAST_CLASS)
    classes = np.where(single, first, -1).astype(np.int32)
    kept = np.where(single, 0, counts)
    offsets = np.concatenate([[0], np.cumsum(kept)]).astype(np.int32)
    others = values[np.repeat(~single, counts)]
    return pa.array(classes), pa.ListArray.from_arrays(pa.array(offsets), pa.array(others))
