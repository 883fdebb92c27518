"""Which columns of a Parquet file of images are read: Hugging Face's layout, or of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pipeline import storage
from pipeline.archives.parquet_rows import PATH_NAMES, ParquetRows, path_column
from pipeline.documents.decoding import decoded
from pipeline.errors import InputRefused, OutputDamaged, abbreviate
from pipeline.sources.shardset import parquet_objects as objects
from pipeline.storage import Location

VECTOR: Final = "labels"
"""The column of all labels of an image, where its values are lists of numbers."""
OBJECTS: Final = (objects.COLUMN, objects.CLASS)
"""The column of objects, and the field of it that has their classes."""
_LABELS: Final = ("label", "labels", "cls", "class")
_MOST_NESTED: Final = 4  # lists of features in each other
_NAMES: Final = (*PATH_NAMES, "key", "__key__")


@dataclass(frozen=True)
class Columns:
    """Which columns of a file are read, "" where there is none of a kind.

    Attributes:
        label: of the classes.
        name: of the names, or of the paths where no column has images.
        inner: of the paths beside the bytes in a struct.
        vector: of all labels of an image.
        boxes: of objects.
        words: the names of the classes, by number.
        kinds: the names of the classes of objects, by number.
        passed_over: those that are not read.
    """

    label: str
    name: str
    inner: str
    vector: str
    boxes: list[str]
    words: tuple[str, ...]
    kinds: tuple[str, ...]
    passed_over: list[str]

    @staticmethod
    def of(rows: ParquetRows, path: Location, label: str) -> Columns:
        """Return those of a file.

        Args:
            rows: of the file.
            path: of it, for errors.
            label: the column of the labels; "": the first that is called as one.

        Raises:
            InputRefused: there is no such column, or its values are no labels.
        """
        schema, names = rows.file.schema_arrow, (label,) if label else _LABELS
        _check_labels(schema, names, path, is_asked=bool(label))
        boxes = objects.columns(schema)
        found = Columns(
            label=_first(schema, names),
            name=_first(schema, _NAMES) if rows.column else path_column(schema),
            inner=_path_of_image(schema, rows.column),
            vector=VECTOR if _is_vector(schema) else "",
            boxes=boxes,
            words=_class_names(schema, path, _first(schema, names)),
            kinds=_class_names(schema, path, *OBJECTS) if boxes else (),
            passed_over=[],
        )
        taken = {each.partition(".")[0] for each in (rows.column, *found.others, *objects.SIZE)}
        return replace(found, passed_over=sorted({*schema.names} - taken))

    @property
    def others(self) -> list[str]:
        """Those that are read beside the images."""
        every = (self.label, self.name, self.inner, self.vector, *self.boxes)
        return [each for each in every if each]


def class_names(root: Location, file: str, label: str = "", *fields: str) -> tuple[str, ...]:
    """Return the names of all classes by their numbers; none where the file does not say them.

    Arguments and errors as of `parquet_images.images`.

    Args:
        root: see there.
        file: see there.
        label: see there.
        fields: of the column of the labels, if it is nested.
    """
    path = storage.below(root, file)
    rows = ParquetRows(path)
    try:
        schema = rows.file.schema_arrow
        column = label if fields else _first(schema, (label,) if label else _LABELS)
        return _class_names(schema, path, column, *fields)
    finally:
        rows.close()


def _is_vector(schema: pa.Schema) -> bool:
    """Whether there is a list of all labels of an image."""
    kind = schema.field(VECTOR).type if VECTOR in schema.names else pa.null()
    return bool(pa.types.is_list(kind) and pa.types.is_floating(kind.value_type))


def _first(schema: pa.Schema, names: tuple[str, ...]) -> str:
    """Return the first column of some names whose values are texts or whole numbers, or ""."""
    kinds = {field.name: field.type for field in schema}
    return next((name for name in names if name in kinds and _is_simple(kinds[name])), "")


def _is_simple(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):  # as pandas writes categories
        return _is_simple(kind.value_type)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return bool(is_text or pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _check_labels(
    schema: pa.Schema, names: tuple[str, ...], path: Location, *, is_asked: bool
) -> None:
    """Check that a column of labels is of a type that is taken, and is there if it was named.

    Raises:
        InputRefused: it is not.
    """
    if _first(schema, names) or (not is_asked and _is_vector(schema)):
        return
    for name in names:
        if name in schema.names:
            raise InputRefused(
                "labels of a type that is not taken",
                file=str(path),
                place=f"column {name}",
                expected="texts, whole numbers or booleans",
                found=str(schema.field(name).type),
                remedy="write the column as whole numbers, or give it a name other than"
                f" {', '.join(names)}",
            )
    if is_asked:
        raise InputRefused(
            "the file has no column of the name of that of the labels",
            file=str(path),
            expected=f"a column {names[0]}",
            found=f"the columns {abbreviate(schema.names)}",
            remedy="name one of these with --label-column",
        )


def _path_of_image(schema: pa.Schema, column: str) -> str:
    """Return the column of the paths beside the bytes in a struct, or ""."""
    outer, dot, _ = column.partition(".")
    if not dot or schema.field(outer).type.get_field_index("path") < 0:
        return ""
    return f"{outer}.path"


def _class_names(schema: pa.Schema, path: Location, *columns: str) -> tuple[str, ...]:
    """Return the names of the classes, as the features of Hugging Face's datasets have them.

    Args:
        schema: of the file.
        path: of the file.
        columns: the column of the classes, and the field of it, if it is nested.
    """
    said = (schema.metadata or {}).get(b"huggingface")
    if said is None or not all(columns):
        return ()
    try:
        document = decoded(said, dict[str, Any], Path(str(path)))
    except OutputDamaged:
        return ()
    feature: Any = document
    for key in ("info", "features", *columns):
        feature = _inner(feature).get(key)
    names = _inner(feature).get("names")
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _inner(feature: object) -> Mapping[str, Any]:
    """Return the feature of the elements of a list, which stand in it; of all else, it itself."""
    for _ in range(_MOST_NESTED):
        if isinstance(feature, list) and len(feature) == 1:
            feature = feature[0]
        elif isinstance(feature, Mapping) and isinstance(feature.get("_type"), str):
            if "feature" not in feature:
                break
            feature = feature["feature"]
    return feature if isinstance(feature, Mapping) else {}
