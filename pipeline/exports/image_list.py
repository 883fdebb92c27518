r"""Image lists and label tables as files: what other programs need to number the classes alike.

An image list has the form that MXNet's ``tools/im2rec.py --list`` (release 1.9.1) writes and its
readers take, a line an image, UTF-8, LF, TAB between the fields::

    '%d\t%f\t%s\n' % (row number from 0, class, path)

The class is its 0-based place in the label table, for ILSVRC2012 that among the sorted ids of
classes, which is what im2rec gives to sorted folders of classes; -1.000000 where nobody knows it.
An image of several classes has a field for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import class_folders
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ConfigError, InputRefused

VERSION = 1
_T = TypeVar("_T")
_ILSVRC_ID = "ilsvrc2012_id"
_WHOLE = re.compile(r"[1-9][0-9]*")
_SEPARATORS = re.compile(r"[\t\n\r]")


def list_bytes(
    paths: Sequence[str] | pa.Array | pa.ChunkedArray,
    class_indexes: Sequence[int] | pa.Array | pa.ChunkedArray,
    first: int = 0,
) -> bytes:
    """Return an image list, or a part of one.

    Args:
        paths: of each image, relative to its split's folder.
        class_indexes: of each image, its class's 0-based place among the sorted ids; -1: none.
        first: the row number of the first of them.

    Raises:
        InputRefused: a path holds a TAB or the end of a line, which the form cannot express.
    """
    names, classes = _plain(paths), _plain(class_indexes)
    labels = {index: f"\t{index:f}\t" for index in set(classes)}
    rows = enumerate(zip(classes, names, strict=True), first)
    text = "".join([f"{row}{labels[index]}{name}\n" for row, (index, name) in rows])
    if (text.count("\t"), text.count("\n"), "\r" in text) != (2 * len(names), len(names), False):
        raise _refused(names, first)
    return text.encode()


def list_pieces(
    tables: Iterable[pa.Table],
    left_out: frozenset[str] = frozenset(),
    *,
    in_class_folders: bool = True,
) -> Iterator[bytes]:
    """Yield the image list of a catalog that comes in parts; errors as of `list_bytes`.

    Args:
        tables: the parts, of `catalog.SCHEMA`.
        left_out: keys of images that are not to be named.
        in_class_folders: whether images of a class lie in its folder, in trees of class folders.
    """
    first = 0
    unwanted = pa.array(sorted(left_out), pa.string())
    for part in tables:
        wanted = pc.invert(pc.is_in(part["key"].cast(pa.string()), value_set=unwanted))
        rows = part.filter(wanted) if left_out else part
        files = class_folders.paths(rows) if in_class_folders else class_folders.file_names(rows)
        yield _with_labels(rows, list_bytes(files, rows["class_index"], first))
        first += rows.num_rows


def _with_labels(rows: pa.Table, lines: bytes) -> bytes:
    """Return lines with all labels of the images that have several, instead of the first."""
    if not len(rows["labels"].combine_chunks().flatten()):
        return lines
    pairs = zip(lines.decode().splitlines(keepends=True), rows["labels"].to_pylist(), strict=True)
    return "".join([_with_several(line, labels) for line, labels in pairs]).encode()


def _with_several(line: str, labels: Sequence[float]) -> str:
    number, first, path = line.split("\t")
    return "\t".join((number, *(f"{label:f}" for label in labels or (float(first),)), path))


def synsets_bytes(table: LabelTable) -> bytes:
    """Return the sorted ids of the classes, one per line: line n is the class of index n - 1."""
    return _lines((class_id,) for class_id in table.class_ids)


def labels_bytes(table: LabelTable) -> bytes:
    """Return every class by the conventions in use, TAB-separated, with a header.

    ========================= ====================================================
    ``wnid``                  the WordNet ID; lines are sorted by it
    ``sorted_index``          from 0: torchvision, MXNet, tfds
    ``tensorflow``            from 1, 0 being the background: Inception, Slim, TPU
    ``ilsvrc2012_id``         from 1, not sorted: the development kit
    ``ilsvrc2012_id_minus_1`` from 0, not sorted: Fuel
    ``words``                 synonyms, separated by commas
    ========================= ====================================================

    A table without a column ``ilsvrc2012_id`` gives a file without both of that name.

    Raises:
        ConfigError: an ``ilsvrc2012_id`` is no whole number from 1.
    """
    places = range(len(table.class_ids))
    columns: dict[str, Iterable[object]] = {
        "wnid": table.class_ids,
        "sorted_index": places,
        "tensorflow": [place + 1 for place in places],
    }
    if _ILSVRC_ID in table.columns:
        numbers = _ilsvrc_ids(table)
        columns[_ILSVRC_ID] = numbers
        columns[f"{_ILSVRC_ID}_minus_1"] = [number - 1 for number in numbers]
    columns["words"] = table.words
    return _lines([tuple(columns), *zip(*columns.values(), strict=True)])


def _plain(column: Sequence[_T] | pa.Array | pa.ChunkedArray) -> Sequence[_T]:
    if isinstance(column, Sequence):
        return column
    found: Sequence[_T] = column.to_pylist()
    return found


def _refused(names: Iterable[str], first: int) -> InputRefused:
    row, name = next(each for each in enumerate(names, first) if _SEPARATORS.search(each[1]))
    return InputRefused(
        "the name of an image cannot stand in an image list",
        place=f"image {row}",
        expected="a path without TAB, LF and CR",
        found=repr(name),
        remedy="rename it in the archive, or make no lists",
    )


def _ilsvrc_ids(table: LabelTable) -> list[int]:
    texts = table.columns[_ILSVRC_ID]
    for class_id, text in zip(table.class_ids, texts, strict=True):
        if not _WHOLE.fullmatch(text):
            raise ConfigError(
                "not a number of a class",
                file=str(table.path),
                place=f"{_ILSVRC_ID} of {class_id}",
                expected="a whole number from 1",
                found=repr(text),
            )
    return [int(text) for text in texts]


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    return "".join(["\t".join(map(str, row)) + "\n" for row in rows]).encode()
