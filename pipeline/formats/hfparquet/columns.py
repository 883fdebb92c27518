"""The columns of a shard: their place in Parquet's schema, and what an image has in each.

::

    image    struct<bytes: binary, path: string>   the image, and its key
    label    int64                                 class index and label offset; -1: unlabelled
    labels   list<float>                           only where a list may say several; else empty
    objects  struct of lists, an element an object, only where there are boxes
      bbox       list<float>   x, y, width, height in pixels, as COCO has them
      category   int64         its own class, else that of its image
      area       float         width x height of the box, in square pixels
      class_id   string        of its own class, empty where it has none   where objects are
      occluded, truncated, group_of, depiction, inside, difficult: int8     described
      mask       struct<bytes, path>   a PNG of the size of the image; path is null
    width, height   int32      of the image, in pixels

Every field may be null and none of them but the path of a mask is, as `datasets` writes them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.catalog.objects import Box
from pipeline.formats.base import RecordOptions
from pipeline.formats.columns import check_columns, described
from pipeline.formats.hfparquet import features, pages, thrift
from pipeline.formats.record import ImageRecord, object_labels, stored_label

INT32, INT64, FLOAT, BYTES = 1, 2, 4, 6
"""Physical types of Parquet."""
_OPTIONAL, _REPEATED = 1, 2
_PACKED: Final = {INT32: "i", INT64: "q", FLOAT: "f"}
_DTYPES: Final = {"int8": INT32, "int32": INT32, "int64": INT64, "float32": FLOAT, "string": BYTES}
_UTF8, _LIST, _INT_8 = 0, 3, 15
_AS_TEXT, _AS_LIST, _AS_INT = 1, 3, 10  # logical types
_FLOAT4: Final = struct.Struct("<4f")
_FLOAT1: Final = struct.Struct("<f")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column with values.

    Attributes:
        path: its name in the schema, from the outermost group.
        kind: its physical type.
        lists: the definition level of each list in its path when that is empty.
        most: its definition level where there is a value.
        is_null: whether its values are null; `most` is one less then.
    """

    path: tuple[str, ...]
    kind: int
    lists: tuple[int, ...] = ()
    most: int = 1
    is_null: bool = False

    def of(self, row: Any) -> Any:
        """Return what a row has in this column: a value, or a list of them for each list."""
        for name in self.path:
            if name not in {"list", "element"}:  # which the schema calls what is in lists
                listed = isinstance(row, list)
                row = [each[name] for each in row] if listed else row[name]
        return row

    def page(self, rows: Sequence[Any]) -> tuple[int, bytes]:
        """Return how many entries the values of some rows are, and their page."""
        entries = list(self._entries([self.of(row) for row in rows]))
        depths = b"" if not self.lists else pages.levels(depth for depth, _, _ in entries)
        defined = pages.levels(level for _, level, _ in entries)
        leaves = [value for _, level, value in entries if level == self.most]
        body = b"" if self.is_null else self._packed(leaves)
        return len(entries), pages.page(len(entries), depths + defined + body)

    def _packed(self, values: list[Any]) -> bytes:
        if self.kind == BYTES:
            encoded = (value.encode() if isinstance(value, str) else value for value in values)
            return pages.texts(list(encoded))
        return struct.pack(f"<{len(values)}{_PACKED[self.kind]}", *values)

    def _entries(self, values: Sequence[Any]) -> Iterator[tuple[int, int, Any]]:
        """Yield repetition level, definition level and value of each entry."""
        if not self.lists:
            yield from ((0, self.most, value) for value in values)
            return
        for row in values:
            if not row:
                yield 0, self.lists[0], None
            for place, element in enumerate(row):
                if len(self.lists) == 1:
                    yield min(place, 1), self.most, element
                    continue
                for inner, value in enumerate(element):
                    yield 2 if inner else min(place, 1), self.most, value


@dataclass(frozen=True, slots=True)
class Columns:
    """All columns of a shard.

    Attributes:
        schema: the elements of Parquet's schema, encoded, the root first.
        leaves: the columns with values, in the order of the schema; the images are the first.
    """

    schema: tuple[bytes, ...]
    leaves: tuple[Leaf, ...]


def columns(named: Mapping[str, features.Feature]) -> Columns:
    """Return the columns of some features, see `features.features`."""
    schema, leaves = list[bytes](), list[Leaf]()
    for name, feature in named.items():
        _add(schema, leaves, Leaf((name,), 0, (), 0), feature)
    root = thrift.struct([(4, thrift.BINARY, thrift.text("schema")), _children(len(named))])
    return Columns((root, *schema), tuple(leaves))


def _add(schema: list[bytes], leaves: list[Leaf], at: Leaf, feature: features.Feature) -> None:
    """Add a feature, which may be null, and all that is in it.

    Args:
        schema: what it is added to.
        leaves: likewise.
        at: its path, the lists around it, and the definition level of what it is in.
        feature: as `features.features` gives it.
    """
    kind, level = feature.get("_type"), at.most + 1
    if kind == features.LIST:
        schema.append(_element(at.path[-1], _OPTIONAL, _LIST, _AS_LIST, 1))
        schema.append(_element("list", _REPEATED, children=1))
        path = (*at.path, "list", "element")
        inner = Leaf(path, 0, (*at.lists, level), level + 1)
        _add(schema, leaves, inner, feature["feature"])
    elif kind == "Image":
        schema.append(_element(at.path[-1], _OPTIONAL, children=2))
        schema.append(_element("bytes", _OPTIONAL, kind=BYTES))
        schema.append(_element("path", _OPTIONAL, _UTF8, _AS_TEXT, kind=BYTES))
        leaves.append(Leaf((*at.path, "bytes"), BYTES, at.lists, level + 1))
        null = bool(at.lists)
        leaves.append(Leaf((*at.path, "path"), BYTES, at.lists, level + (not null), null))
    elif kind is None:
        schema.append(_element(at.path[-1], _OPTIONAL, children=len(feature)))
        for name, inside in feature.items():
            _add(schema, leaves, Leaf((*at.path, name), 0, at.lists, level), inside)
    else:
        dtype = feature.get("dtype", "int64")
        converted = {"string": (_UTF8, _AS_TEXT), "int8": (_INT_8, _AS_INT)}.get(dtype, ())
        schema.append(_element(at.path[-1], _OPTIONAL, *converted, kind=_DTYPES[dtype]))
        leaves.append(Leaf(at.path, _DTYPES[dtype], at.lists, level))


def _element(
    name: str,
    repetition: int,
    converted: int | None = None,
    logical: int = 0,
    children: int = 0,
    *,
    kind: int | None = None,
) -> bytes:
    fields = [] if kind is None else [(1, thrift.I32, thrift.integer(kind))]
    fields += [(3, thrift.I32, thrift.integer(repetition)), (4, thrift.BINARY, thrift.text(name))]
    fields += [_children(children)] if children else []
    if converted is not None:
        fields.append((6, thrift.I32, thrift.integer(converted)))
        # Of a signed integer of eight bits; the others say nothing of themselves.
        inside = b"\x13\x08\x11\x00" if logical == _AS_INT else b"\x00"
        fields.append((10, thrift.STRUCT, thrift.struct([(logical, thrift.STRUCT, inside)])))
    return thrift.struct(fields)


def _children(count: int) -> thrift.Field:
    return 5, thrift.I32, thrift.integer(count)


def row(record: ImageRecord, options: RecordOptions) -> dict[str, Any]:
    """Return what stands in all columns but the bytes of the image, as a reader gives it.

    Raises:
        BadAnnotation: there is no column for what is said of the image.
    """
    check_columns(record, options)
    said: dict[str, Any] = {
        "image": {"path": record.key},
        "label": stored_label(record.class_index, options.label_offset),
        "width": record.width,
        "height": record.height,
    }
    if options.vectors:
        said["labels"] = list(record.labels)
    if options.boxes:
        said["objects"] = _objects(record, options)
    return said


def _objects(record: ImageRecord, options: RecordOptions) -> dict[str, Any]:
    boxes = [_in_pixels(box, record.width, record.height) for box in record.boxes]
    said: dict[str, Any] = {
        "bbox": boxes,
        "category": object_labels(record, options.label_offset),
        "area": [_FLOAT1.unpack(_FLOAT1.pack(box[2] * box[3]))[0] for box in boxes],
    }
    if described(options):
        flags = record.flags or (0,) * len(boxes)
        said["class_id"] = list(record.box_ids or ("",) * len(boxes))
        said |= {
            name: [each >> bit & 1 for each in flags] for bit, name in enumerate(features.FLAGS)
        }
        said["mask"] = [{"bytes": mask, "path": None} for mask in record.masks]
    return said


def _in_pixels(box: Box, width: int, height: int) -> list[float]:
    xmin, ymin, xmax, ymax = box
    sides = (xmin * width, ymin * height, (xmax - xmin) * width, (ymax - ymin) * height)
    return list(_FLOAT4.unpack(_FLOAT4.pack(*sides)))
