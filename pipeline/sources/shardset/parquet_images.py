"""The images in a Parquet file: Hugging Face's, with its names of classes, or img2dataset's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pipeline import storage
from pipeline.archives import packed_sources
from pipeline.archives.parquet_rows import PATH_NAMES, ParquetRows, path_column, view
from pipeline.documents.decoding import decoded
from pipeline.errors import InputRefused, NameTooLong, OutputDamaged, abbreviate
from pipeline.shards.foreign import FoundImage, Note
from pipeline.sources.shardset import parquet_objects as objects
from pipeline.storage import Buffer, Location, Sources

_LABELS: Final = ("label", "labels", "cls", "class")
_VECTOR: Final = "labels"
_MOST_NESTED: Final = 4  # lists of features in each other
_NAMES: Final = (*PATH_NAMES, "key", "__key__")


def images(root: Location, file: str, note: Note, label: str = "") -> Iterator[FoundImage]:
    """Yield the images of a file in the order of its rows; `offset` is the row, from 1.

    An image of which a row has a path alone is read from that file, relative to the folder of the
    Parquet file.

    Args:
        root: folder that the name is relative to.
        file: its name.
        note: is told of rows without an image, and of columns that are not taken.
        label: the column of the labels; "": the first that is called as one.

    Raises:
        ArchiveRefused: see `ParquetRows`.
        InputRefused: there is no such column; labels are neither texts nor whole numbers, objects
            are malformed, or a path leads to no file, or to one that is not taken.
    """
    path = storage.below(root, file)
    rows, files = ParquetRows(path), storage.open_sources(root)
    try:
        schema = rows.file.schema_arrow
        names = (label,) if label else _LABELS
        _check_labels(schema, names, path, is_asked=bool(label))
        label = _first(schema, names)
        name = _first(schema, _NAMES) if rows.column else path_column(schema)
        inner = _path_of_image(schema, rows.column)
        words = _class_names(schema, path, label)
        vector = _VECTOR if _is_vector(schema) else ""
        boxes = objects.columns(schema)
        kinds = _class_names(schema, path, objects.COLUMN, objects.CLASS) if boxes else ()
        others = [each for each in (label, name, inner, vector, *boxes) if each]
        taken = {each.partition(".")[0] for each in (rows.column, *others, *objects.SIZE)}
        if passed := sorted({*schema.names} - taken):
            note("columns that are not taken", f"{path}: {abbreviate(passed)}")
        for group in range(rows.file.num_row_groups):
            said = rows.file.read_row_group(group, others, use_threads=False) if others else None
            found = rows.images(group)
            listed = said.select([vector]).column(0) if said is not None and vector else None
            objects_of = _rows(said, boxes)
            for place in range(len(found)):
                number = rows.groups.starts[group] + place + 1
                value = found[place]
                called = _name(said, inner, name, place)
                own: tuple[str, int, Buffer] = ("", number, b"")
                if value.is_valid and len(value.as_buffer()):
                    own = ("", number, view(value))
                elif called and (inner or not rows.column):
                    source = _source(file, called, path, number)
                    own = (source, 0, _of_file(files, source, f"{path}, row {number}"))
                else:
                    note("a row without an image", f"{path}, row {number}")
                    continue
                yield FoundImage(
                    name=called,
                    source=own[0],
                    offset=own[1],
                    encoded=own[2],
                    labels=_labels(listed, place, path, number),
                    **_label(said, label, words, place),
                    **(objects.said(objects_of[place], kinds, path, number, note) if boxes else {}),
                )
    finally:
        rows.close()
        files.close()


def class_names(root: Location, file: str, label: str = "") -> tuple[str, ...]:
    """Return the names of all classes by their numbers; none where the file does not say them.

    Arguments and errors as of `images`.
    """
    path = storage.below(root, file)
    rows = ParquetRows(path)
    try:
        schema = rows.file.schema_arrow
        return _class_names(schema, path, _first(schema, (label,) if label else _LABELS))
    finally:
        rows.close()


def _source(file: str, called: str, path: Location, number: int) -> str:
    """Return the file that a row has the path of, relative to the root.

    Raises:
        InputRefused: it leads out of the folder that was named, or to an archive; or none has it.
    """
    source = f"{file.rpartition('/')[0]}/{called}".lstrip("/")
    leads_out = called.startswith("/") or _leads_out(source)
    if leads_out or "\0" in called:
        raise InputRefused(
            "the path of an image leads out of the folder" if leads_out else "no path of an image",
            file=str(path),
            place=f"row {number}",
            expected="a path below the folder of the Parquet file, relative to it",
            found=repr(called[:200]),
            remedy="write paths that begin in that folder, and put the Parquet file, the images or"
            " a link to their folder there",
        )
    if packed_sources.is_packed(source):
        raise InputRefused(
            "the path of an image has the name of an archive",
            file=str(path),
            place=f"row {number}",
            expected="an image in a file of its own",
            found=repr(called[:200]),
            remedy="rename the file if it is an image; an archive of images is read by a command"
            " of its own",
        )
    return source


def _leads_out(source: str) -> bool:
    """Whether a relative path leaves the folder that it begins in."""
    depth = 0
    for part in source.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


def _labels(
    listed: pa.ChunkedArray | None, place: int, path: Location, number: int
) -> tuple[float, ...]:
    """Return all labels of an image.

    Raises:
        InputRefused: one of them is null.
    """
    values = tuple(listed[place].as_py() or ()) if listed is not None else ()
    if None in values:
        raise InputRefused(
            "a label that is null",
            file=str(path),
            place=f"row {number}, column {_VECTOR}",
            expected="a number for each label",
            found=", ".join("null" if each is None else f"{each:g}" for each in values)[:200],
            remedy=f"correct what has written the file, or give {_VECTOR} another name: then it is"
            " not read",
        )
    return values


def _of_file(files: Sources, source: str, place: str) -> Buffer:
    """Return the image of a file; it is valid until the next one is read.

    Raises:
        InputRefused: there is no such file, or nothing is in it.
    """
    try:
        info = files.look(source)
    except NameTooLong:
        info = None
    if info is None or not info.size:
        raise InputRefused(
            "an image that a row has the path of is not there",
            file=str(files.path(source)),
            place=place,
            expected="the image: paths are relative to the folder of the Parquet file",
            found="an empty file" if info else "no file",
            remedy="put it there, or the Parquet file into the folder that its paths begin in",
        )
    return files.read(source, 0, info.size)


def _rows(said: pa.Table | None, columns: list[str]) -> list[dict[str, Any]]:
    """Return of each row what some columns have."""
    if said is None or not columns:
        return []
    names = dict.fromkeys(each.partition(".")[0] for each in columns)
    return list(said.select([*names]).to_pylist())


def _is_vector(schema: pa.Schema) -> bool:
    """Whether there is a list of all labels of an image."""
    kind = schema.field(_VECTOR).type if _VECTOR in schema.names else pa.null()
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


def _name(said: pa.Table | None, inner: str, name: str, place: int) -> str:
    if said is None:
        return ""
    own = said.column(inner.partition(".")[0])[place].as_py() if inner else None
    path = (own or {}).get("path") or (said.column(name)[place].as_py() if name else "")
    return "" if path is None else str(path)


def _label(said: pa.Table | None, label: str, words: tuple[str, ...], place: int) -> dict[str, Any]:
    value = said.column(label)[place].as_py() if said is not None and label else None
    if isinstance(value, str):
        return {"class_text": value}
    if value is None or value < 0:
        return {}
    return {"label": int(value), "class_text": words[value] if value < len(words) else ""}


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
