"""The images in MDS shards of any program, such as MosaicML's streaming.

A shard says itself what its columns are. The image is in a column that is encoded as ``jpeg`` or
``png``, or as ``bytes`` where its name is one of images; the other columns that are taken have
known names.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from pipeline import storage
from pipeline.documents.decoding import decoded
from pipeline.errors import InputRefused, OutputDamaged, abbreviate
from pipeline.formats.found import FoundImage, Note
from pipeline.formats.mds import columns
from pipeline.formats.mds.index import NAME as INDEX
from pipeline.storage import Location, Ranges, open_ranges

ENDS: Final = (".mds", *(f".mds.{end}" for end in ("zstd", "gz", "bz2", "br", "snappy")))
"""What names of shards end in; all but the first are compressed."""

_MOST_INDEX: Final = 1 << 30  # bytes
_NUMBER: Final = struct.Struct("<I")
_IMAGE: Final = ("image", "img", "jpg", "jpeg", "png", "x")
_LABEL: Final = ("label", "labels", "cls", "class", "y")
_NAME: Final = ("key", "path", "file_name", "filename", "image_path", "__key__")
_LABELS, _BOXES = "labels", "boxes"
_OBJECTS: Final = {
    _BOXES: "ndarray:float32",
    "box_labels": "ndarray:int64",
    "box_class_ids": "json",
    "box_flags": "ndarray:uint8",
}
"""Columns of this program's own shards that describe objects, and how they are encoded."""
_FIELDS: Final = {
    "box_labels": "box_classes",
    "box_class_ids": "box_ids",
    "box_flags": "flags",
}
"""What `FoundImage` calls them."""
_OF_THE_IMAGE: Final = frozenset(("width", "height"))  # which says so itself
_ENCODED: Final = ("jpeg", "png")
_RAW: Final = "bytes"
_SIZED: Final = re.compile(r"(?P<sign>u?)int(?P<bits>8|16|32|64)")
_CODES: Final = {"8": "b", "16": "h", "32": "i", "64": "q"}
_WORD: Final = "str"
_BAD: Final = (ValueError, LookupError, TypeError, RecursionError, struct.error)
"""What reading a value raises that is none."""


class _Head(Struct, frozen=True):
    """What a shard says of its columns, as far as it is read."""

    column_names: tuple[str, ...]
    column_encodings: tuple[str, ...]
    column_sizes: tuple[Annotated[int, Meta(ge=0)] | None, ...]


class _File(Struct, frozen=True):
    basename: str


class _Entry(Struct, frozen=True):
    """A shard in the index, and the same compressed."""

    raw_data: _File | None = None
    zip_data: _File | None = None


class _Index(Struct, frozen=True):
    """The index, as far as it is read."""

    shards: tuple[_Entry, ...]


@dataclass(frozen=True, slots=True)
class _Columns:
    """What a shard says of its columns, in the order in which samples have them."""

    encodings: Mapping[str, str]
    sizes: tuple[int | None, ...]

    def split(self, sample: memoryview) -> dict[str, tuple[int, memoryview]]:
        """Return where the value of each column begins in a sample, and its bytes.

        Raises:
            ValueError: the sample is not as long as it says.
        """
        at = _NUMBER.size * self.sizes.count(None)
        lengths = iter(struct.unpack_from(f"<{self.sizes.count(None)}I", sample))
        values = {}
        for name, fixed in zip(self.encodings, self.sizes, strict=True):
            size = next(lengths) if fixed is None else fixed
            values[name] = (at, sample[at : at + size])
            at += size
        if at != len(sample):
            raise ValueError(f"columns of {at} bytes in a sample of {len(sample)}")
        return values


def images(path: Location, note: Note) -> Iterator[FoundImage]:
    """Yield the images of a shard in order.

    Raises:
        OutputDamaged: it is cut short, or no MDS shard.
        InputRefused: it is compressed, or no column has images as files, or labels are none.
    """
    if not path.name.lower().endswith(ENDS[0]):
        raise _compressed(path)
    with open_ranges(path) as file:
        of, offsets = _head(file)
        taken = _Taken.of(path, of)
        if passed := sorted({*of.encodings} - taken.all - _OF_THE_IMAGE):
            note("columns that are not taken", f"{path}: {abbreviate(passed)}")
        for number, (start, end) in enumerate(itertools.pairwise(offsets), start=1):
            place = f"record {number}, byte {start}"
            try:
                values = of.split(file.read(start, end - start))
                at, encoded = values[taken.image]
                said = _said(of, taken, {name: value for name, (_, value) in values.items()})
            except _BAD as error:
                raise _damaged(path, place, str(error)) from error
            if len(encoded):
                yield FoundImage(offset=start + at, encoded=encoded, **said)
            else:
                note("a record without an image", f"{path}, {place}")


def names_in_index(path: Location) -> tuple[str, ...]:
    """Return the names of all shards in the folder of one, as the index there has them; () if none.

    A compressed shard is there under either name, so those that are there are called as they are.

    Raises:
        InputRefused: the index cannot be read.
    """
    index = path.parent / INDEX
    if storage.stat(index) is None:
        return ()
    try:
        listed = decoded(storage.read_bytes(index, _MOST_INDEX), _Index, index).shards
        names = [
            [file.basename for file in (each.raw_data, each.zip_data) if file] for each in listed
        ]
        there = {entry.name for entry in storage.kinds(path.parent)}
        return tuple(
            next((name for name in either if name in there), either[0]) for either in names
        )
    except (OutputDamaged, IndexError) as error:
        raise InputRefused(
            "an index of MDS shards that cannot be read",
            file=str(index),
            found=error.found if isinstance(error, OutputDamaged) else "a shard without a file",
            remedy="get it again from where it came from, or move it away",
        ) from error


@dataclass(frozen=True, slots=True)
class _Taken:
    """The columns that are taken; "" where there is none.

    Attributes:
        image: with the bytes of the image as a file.
        label: its class, a whole number or a word.
        name: what it is called.
        vector: all of its labels, see `columns`.
        objects: boxes and what is said of them, see `columns`; empty: there are none.
    """

    image: str
    label: str
    name: str
    vector: str = ""
    objects: frozenset[str] = frozenset()

    @staticmethod
    def of(path: Location, of: _Columns) -> _Taken:
        """Return what is taken of some columns.

        Raises:
            InputRefused: none has images as files, or labels are of a type that is not taken.
        """
        kinds = of.encodings
        files = [name for name, kind in kinds.items() if kind.partition(":")[0] in _ENCODED]
        files += [name for name in _IMAGE if kinds.get(name) == _RAW]
        image = next((name for name in _IMAGE if name in files), next(iter(files), ""))
        if not image:
            raise InputRefused(
                "no column has images as files",
                file=str(path),
                expected=f"one encoded as {' or '.join(_ENCODED)}, or as {_RAW} and called"
                f" {' or '.join(_IMAGE)}",
                found=", ".join(f"{name} {kind}" for name, kind in kinds.items())[:200],
                remedy="write the shards anew with such a column: MDSWriter(columns={'image':"
                " 'png', ...}) keeps every pixel",
            )
        label = next((name for name in _LABEL if _is_simple(kinds.get(name, ""))), "")
        vector = _LABELS if kinds.get(_LABELS) == "ndarray:float32" else ""
        odd = next((name for name in _LABEL if name in kinds), "")
        if odd and not label and not vector:
            raise InputRefused(
                "labels of a type that is not taken",
                file=str(path),
                place=f"column {odd}",
                expected="int or another whole number, or str",
                found=kinds[odd],
                remedy="write the shards anew with the column as int",
            )
        name = next((name for name in _NAME if kinds.get(name) == _WORD), "")
        own = {key for key, kind in _OBJECTS.items() if kinds.get(key) == kind}
        objects = frozenset(own) if _BOXES in own else frozenset[str]()
        return _Taken(image, label, name, vector, objects)

    @property
    def all(self) -> set[str]:
        """Their names."""
        return {self.image, self.label, self.name, self.vector, *self.objects}


def _said(of: _Columns, taken: _Taken, values: Mapping[str, memoryview]) -> dict[str, Any]:
    """Return what a sample says of its image: fields of `FoundImage`."""
    said: dict[str, Any] = {"name": bytes(values[taken.name]).decode() if taken.name else ""}
    if taken.label:
        label = _value(of.encodings[taken.label], values[taken.label])
        if isinstance(label, str):
            said["class_text"] = label
        elif label >= 0:
            said["label"] = label
    if taken.vector:
        said["labels"] = tuple(columns.decoded("ndarray:float32", values[taken.vector]))
    if taken.objects:
        known = {name: columns.decoded(_OBJECTS[name], values[name]) for name in taken.objects}
        said["boxes"] = tuple(map(tuple, known[_BOXES]))
        said |= {_FIELDS[name]: tuple(value) for name, value in known.items() if name in _FIELDS}
    return said


def _is_simple(encoding: str) -> bool:
    return encoding in {"int", "str_int", _WORD} or _SIZED.fullmatch(encoding) is not None


def _value(encoding: str, data: memoryview) -> int | str:
    if encoding == _WORD:
        return bytes(data).decode()
    if encoding == "str_int":
        return int(bytes(data))
    match = _SIZED.fullmatch(encoding)
    code = _CODES[match["bits"]] if match else "q"
    (number,) = struct.unpack(f"<{code.upper() if match and match['sign'] else code}", data)
    return int(number)


def _head(file: Ranges) -> tuple[_Columns, list[int]]:
    """Return what the samples have, where they begin, and where the last one ends."""
    size = file.info.size
    raw = bytes(file.read(0, _NUMBER.size))
    count = _NUMBER.unpack(raw)[0] if len(raw) == _NUMBER.size else 0
    table_end = _NUMBER.size * (count + 2)
    if not 0 < table_end <= size:
        raise _damaged(file.path, "the table of offsets", f"{count} samples in {size} bytes")
    table = bytes(file.read(_NUMBER.size, table_end - _NUMBER.size))
    offsets = list(struct.unpack(f"<{len(table) // _NUMBER.size}I", table))
    falls = any(after < before for before, after in itertools.pairwise(offsets))
    if falls or offsets[0] < table_end or offsets[-1] != size:
        raise _damaged(file.path, "the table of offsets", "offsets that do not ascend to the end")
    try:
        config = bytes(file.read(table_end, offsets[0] - table_end)).lstrip(b"\0")
        said = decoded(config, _Head, Path(str(file.path)))
        encodings = dict(zip(said.column_names, said.column_encodings, strict=True))
        if len(said.column_sizes) != len(encodings):
            raise ValueError("sizes of other columns")
    except (OutputDamaged, ValueError) as error:
        found = error.found if isinstance(error, OutputDamaged) else str(error)
        raise _damaged(file.path, f"the columns, byte {table_end}", str(found)) from error
    return _Columns(encodings, said.column_sizes), offsets


def _damaged(path: Location, place: str, found: str) -> OutputDamaged:
    what = "the shard is cut short or damaged, or no MDS shard"
    return OutputDamaged(what, file=str(path), place=place, found=found[:200])


def _compressed(path: Location) -> InputRefused:
    plain, _, end = path.name.rpartition(".")
    tool = {"zstd": "zstd -dc", "gz": "gzip -dc", "bz2": "bzip2 -dc", "br": "brotli -dc"}.get(end)
    unpack = f"unpack each, such as by `{tool} {path.name} > {plain}`" if tool else "unpack each"
    return InputRefused(
        "a compressed MDS shard, in which no image stands as it is",
        file=str(path),
        expected=f"{plain}, whose images are read where they stand",
        remedy=f"{unpack}, and move the compressed ones elsewhere",
    )
