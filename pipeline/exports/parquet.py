"""The Parquet export: one row per image, all that catalog, label table and facts say.

Columns, null where nothing is known::

    split           string         name of the split
    file_name       string         relative path of the image, "/"-separated
    wnid            string         the id of its class
    class_id        int64          its 0-based place in the label table
    ilsvrc_id       int32          its class's number in the development kit, from 1
    words           string         its class in words
    width, height   int32          pixels
    mode            string         of the image: L, RGB, ...
    source_mode     string         of the source: L, RGB, CMYK, ...; or GIF, WEBP, BMP, ...
    bytes           int64          of the image
    xxh3_128        string         of the image: 32 hex digits
    boxes           list<struct<xmin, ymin, xmax, ymax: float>>
                                   of each object, as fractions of the source's width and height

and of each shard format that the images were written in, as ``tfrecord_shard``::

    <format>_shard     int32       0-based
    <format>_record    int32       0-based in the shard
    <format>_bytes     int64       of the image there, null where it is the one of `bytes`
    <format>_xxh3_128  string      likewise

`width`, `height`, `mode`, `bytes` and `xxh3_128` are of the image as the first format that holds
it stores it; `source_mode` alone is of the file that was read. Formats differ where one repairs an
image and another does not. An image that is left out of all has a row, with nulls there.

An image list or a folder has the columns of `columns_of_lists` in the place of those before
`width`, and no `boxes`.

Rows are in the order of the catalogs; a row group has `ROWS` at most, of one split. Hugging
Face's `datasets` finds under ``huggingface`` in the metadata of the schema that `class_id` is a
``ClassLabel``, whose names are the ids of the classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from pipeline import storage
from pipeline.catalog import class_folders
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ConfigError, OutputDamaged
from pipeline.exports import columns_of_lists
from pipeline.exports.modes import stored_mode
from pipeline.exports.row_groups import ROWS, class_label, grouped, write_groups
from pipeline.images.prepare import END_MARKER, PLAIN, ImageOptions
from pipeline.storage import Location
from pipeline.storage import table_bounds as tablebounds

VERSION = 2
BOX = pa.struct([(name, pa.float32()) for name in ("xmin", "ymin", "xmax", "ymax")])

_INT, _LONG, _TEXT = pa.int32(), pa.int64(), pa.string()
_CLASS = [("wnid", _TEXT), ("class_id", _LONG), ("ilsvrc_id", _INT), ("words", _TEXT)]
_SIZE = [("width", _INT), ("height", _INT), ("mode", _TEXT), ("source_mode", _TEXT)]
_CONTENT = [("bytes", _LONG), ("xxh3_128", _TEXT)]
_COMMON = [("split", _TEXT), ("file_name", _TEXT), *_CLASS, *_SIZE, *_CONTENT]
_COMMON += [("boxes", pa.list_(BOX))]
_OF_LIST = [("split", _TEXT), *columns_of_lists.COLUMNS, *_SIZE, *_CONTENT]
_OF_FORMAT = [("shard", _INT), ("record", _INT), *_CONTENT]
_FACTS = ["key", "shard", "record", "width", "height", "mode", "bytes", "xxh3_128", "repair"]
_STORED = np.dtype([("bytes", np.int64), ("xxh3_128", "V16")])
_MODES = [("mode", np.int8), ("source_mode", np.int8)]  # codes, -1 for an unknown one
_IMAGE = np.dtype([("width", np.int32), ("height", np.int32), *_MODES, *_STORED.descr])
_STRAY = np.array([b"\xff" * 16])  # the last of all
_ILSVRC_ID = "ilsvrc2012_id"

Rows = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class ExportedSplit:
    """A split and what is known of its images.

    Attributes:
        name: of the split.
        rows: opens its catalog, as `catalog.read` does; called twice.
        facts: shard format -> parts of its facts, as `read_facts` yields them; the first format
            is the one whose images the common columns describe. "": of no shards, only facts.
        folder: of its images: an image is named ``<folder>/<class>/<name>``, or without the
            first part if it is ""; None: by its key.
        options: shard format -> how its images are stored; as they are where it says nothing.
        class_names: of an image list or folder, see `SetView.class_names`; None: it is neither.
        in_class_folders: whether images of a class lie in its folder; else all of them lie in
            `folder` itself.
    """

    name: str
    rows: Callable[[], Iterable[pa.Table]]
    facts: Mapping[str, Iterable[pa.Table]] = field(default_factory=dict)
    folder: str | None = None
    options: Mapping[str, ImageOptions] = field(default_factory=dict)
    class_names: Sequence[str] | None = None
    in_class_folders: bool = True


def schema(
    formats: Iterable[str], class_ids: Sequence[str], class_names: Sequence[str] | None = None
) -> pa.Schema:
    """Return the columns of the export.

    Args:
        formats: shard formats, in the order of their columns; "", facts without shards, has none.
        class_ids: of the label table.
        class_names: see `ExportedSplit`; None: the columns are those of a label table.
    """
    shown = [name for name in formats if name]
    of_formats = [(f"{name}_{what}", kind) for name in shown for what, kind in _OF_FORMAT]
    if class_names is None:
        return pa.schema(_COMMON + of_formats, class_label("class_id", class_ids))
    label = class_label(columns_of_lists.CLASS, class_names)
    return pa.schema(_OF_LIST + of_formats, label)


def write(staged: storage.StagedFile, splits: Sequence[ExportedSplit], table: LabelTable) -> int:
    """Write the export; the same arguments give the same bytes.

    A split is joined in memory: some 60 bytes an image, and 8 more for each format.

    Returns:
        The number of rows.

    Raises:
        OutputDamaged: facts are of images that the catalog lacks, or of one twice.
        ConfigError: the label table has a class number that is none.
    """
    formats = tuple(dict.fromkeys(name for split in splits for name in split.facts))
    numbers = ilsvrc_ids(table)
    groups = (group for split in splits for group in grouped(_parts(split, formats, numbers)))
    class_names = next((split.class_names for split in splits), None)
    return write_groups(staged, schema(formats, table.class_ids, class_names), groups)


def read_facts(path: Location) -> Iterator[pa.Table]:
    """Yield the facts of an output in parts: the columns that the export needs."""
    with storage.open_arrow(path) as file:
        facts = pq.ParquetFile(file)
        tablebounds.check_groups(facts, file)
        for part in facts.iter_batches(ROWS, columns=_FACTS, use_threads=False):
            whole = pc.match_substring_regex(part["xxh3_128"], "^[0-9a-f]{32}$")
            holes = any(part[name].null_count for name in _FACTS if name != "repair")
            if holes or whole.false_count:
                raise pa.ArrowInvalid("a fact is missing, or no hash")
            yield pa.table(part)


def ilsvrc_ids(table: LabelTable) -> pa.Array:
    """Return the number of each class in the development kit; nulls where nobody knows."""
    texts = pa.array(table.columns.get(_ILSVRC_ID, [None] * len(table.class_ids)), pa.string())
    try:
        return texts.cast(pa.int32())
    except pa.ArrowInvalid as error:
        what, place = "not a number of a class", f"column {_ILSVRC_ID}"
        raise ConfigError(what, file=str(table.path), place=place, found=str(error)) from error


def of_catalog(
    rows: pa.Table, folder: str | None, numbers: pa.Array, *, in_class_folders: bool = True
) -> dict[str, pa.Array]:
    """Return the columns that a part of a catalog gives.

    `folder` and `in_class_folders` are as of `ExportedSplit`, and `numbers` as `ilsvrc_ids`
    returns them.
    """
    of_class = folder is not None and in_class_folders
    names = class_folders.paths(rows) if of_class else rows["key"]
    ids = _but(rows["class_index"], -1)
    return {
        "file_name": pc.binary_join_element_wise(folder, names, "/") if folder else names,
        "wnid": _but(rows["class_id"].cast(pa.string()), ""),
        "class_id": ids,
        "ilsvrc_id": numbers.take(ids) if len(numbers) else pa.nulls(len(ids), pa.int32()),
        "words": _but(rows["class_text"].cast(pa.string()), ""),
        "boxes": _boxes(rows["objects"]),
    }


def _but(column: pa.ChunkedArray, nothing: object) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(column, nothing), None, column)


def _boxes(column: pa.ChunkedArray) -> pa.ListArray:
    listed = pc.list_flatten(column).combine_chunks()
    ends = np.cumsum(pc.list_value_length(column).to_numpy(), dtype=np.int32)
    boxes = pa.StructArray.from_arrays([listed.field(f.name) for f in BOX], fields=list(BOX))
    return pa.ListArray.from_arrays(np.append(np.int32(0), ends), boxes)


def _parts(split: ExportedSplit, formats: Sequence[str], numbers: pa.Array) -> Iterator[pa.Table]:
    """Yield the rows of a split, a table for each part of its catalog."""
    stored = _Facts(split, formats)
    start = 0
    for rows in split.rows():
        here = slice(start, start := start + rows.num_rows)
        if split.class_names is None:
            in_folders = split.in_class_folders
            found = of_catalog(rows, split.folder, numbers, in_class_folders=in_folders)
        else:
            found = columns_of_lists.of_catalog(rows)
        found |= stored.columns(here)
        yield pa.table(found | {"split": pa.repeat(split.name, rows.num_rows)})


class _Facts:
    """The facts of a split in the order of its catalog, and a row more for strays."""

    def __init__(self, split: ExportedSplit, formats: Sequence[str]) -> None:
        ids = np.concatenate([*(_ids(rows["key"]) for rows in split.rows()), _STRAY])
        self._order = np.argsort(ids)
        self._ids = ids[self._order]
        self._split = split.name
        self._options = split.options
        self._modes: list[str] = []
        self._image = np.zeros(len(ids), _IMAGE)
        self._places = {name: np.full((len(ids), 2), -1, np.int32) for name in formats}
        # Few pages of these are ever written: formats seldom differ.
        self._own = {name: np.zeros(len(ids), _STORED) for name in formats}
        for name, parts in split.facts.items():
            for part in grouped(parts):
                self._add(name, part)

    def columns(self, here: slice) -> dict[str, pa.Array]:
        """Return the columns of some rows."""
        image = self._image[here]
        found = _stored_columns("", image)
        missing = image["bytes"] == 0
        for name in ("width", "height"):
            found[name] = pa.array(image[name], mask=missing)
        for name, _ in _MODES:
            codes = pa.array(image[name], mask=missing | (image[name] < 0))
            found[name] = pa.array(self._modes, pa.string()).take(codes)
        for name, places in self._places.items():
            shards, records = places[here].T
            found[f"{name}_shard"] = pa.array(shards, mask=records < 0)
            found[f"{name}_record"] = pa.array(records, mask=records < 0)
            found |= _stored_columns(f"{name}_", self._own[name][here])
        return found

    def _add(self, shard_format: str, part: pa.Table) -> None:
        rows = self._rows(shard_format, part["key"])
        self._places[shard_format][rows] = np.column_stack([part["shard"], part["record"]])
        image = np.empty(len(rows), _IMAGE)
        for name in ("width", "height", "bytes"):
            image[name] = part[name]
        sources = part["mode"].cast(pa.string()).to_pylist()
        reasons = part["repair"].cast(pa.string()).to_pylist()
        options = self._options.get(shard_format, PLAIN)
        encoded = [reason not in {None, END_MARKER} for reason in reasons]
        read = list(zip(sources, encoded, strict=True))
        stored = {
            (mode, mended): stored_mode(mode, options, repaired=mended)
            for mode, mended in set(read)
        }
        image["source_mode"] = self._codes(sources)
        image["mode"] = self._codes([stored[each] for each in read])
        digits = "".join(part["xxh3_128"].to_pylist())
        image["xxh3_128"] = np.frombuffer(bytes.fromhex(digits), "V16")
        first = self._image["bytes"][rows] == 0
        self._image[rows[first]] = image[first]
        other = self._image["xxh3_128"][rows] != image["xxh3_128"]
        self._own[shard_format][rows[other]] = image[other][["bytes", "xxh3_128"]]

    def _codes(self, modes: Sequence[str | None]) -> list[int]:
        self._modes += sorted({mode for mode in modes if mode}.difference(self._modes))
        codes = {mode: code for code, mode in enumerate(self._modes)}
        return [-1 if mode is None else codes[mode] for mode in modes]

    def _rows(self, shard_format: str, keys: pa.ChunkedArray) -> Rows:
        """Return where in the catalog some images are, of which the format had none so far."""
        ids = _ids(keys)
        order = np.argsort(ids)  # what is next to each other is found near each other
        found = np.searchsorted(self._ids, ids[order])
        unknown = self._ids[found] != ids[order]
        again = self._places[shard_format][self._order[found], 1] >= 0
        again[1:] |= found[1:] == found[:-1]
        for what, wrong in (("not in the catalog", unknown), ("there twice", again)):
            if wrong.any():
                key = keys[order[wrong.argmax()]].as_py()
                whose = f"the facts of {shard_format}" if shard_format else "the facts"
                raise OutputDamaged(
                    f"{whose} are of other images than the catalog",
                    place=f"{key!r} of split {self._split}",
                    found=f"one that is {what}",
                    remedy="remove that output and run the shardmill command again",
                )
        rows = np.empty_like(order)
        rows[order] = self._order[found]
        return rows


def _ids(keys: pa.ChunkedArray) -> Rows:
    """Return the xxh3-128 of keys: 16 bytes for each, whatever its length."""
    found = [xxhash.xxh3_128_digest(key) for key in keys.cast(pa.binary()).to_pylist()]
    return np.frombuffer(b"".join(found), "S16")


def _stored_columns(prefix: str, stored: Rows) -> dict[str, pa.Array]:
    missing = stored["bytes"] == 0
    digits = stored["xxh3_128"].tobytes().hex()
    hashes = [digits[place : place + 32] for place in range(0, len(digits), 32)]
    sizes = pa.array(stored["bytes"], mask=missing)
    return {f"{prefix}bytes": sizes, f"{prefix}xxh3_128": pa.array(hashes, _TEXT, mask=missing)}
