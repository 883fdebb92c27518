"""The images in a Parquet file: Hugging Face's, with its names of classes, or img2dataset's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline import storage
from pipeline.archives import packed_sources
from pipeline.archives.parquet_rows import ParquetRows, view
from pipeline.errors import InputRefused, NameTooLong, abbreviate
from pipeline.shards.foreign import FoundImage, Note
from pipeline.sources.shardset import parquet_objects as objects
from pipeline.sources.shardset.parquet_columns import VECTOR, Columns
from pipeline.storage import Buffer, Location, Sources


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
        columns = Columns.of(rows, path, label)
        if passed := columns.passed_over:
            note("columns that are not taken", f"{path}: {abbreviate(passed)}")
        for group in range(rows.file.num_row_groups):
            others = columns.others
            said = rows.file.read_row_group(group, others, use_threads=False) if others else None
            found = _Group(file, path, rows, columns, rows.groups.starts[group], said, files)
            yield from found.images(rows.images(group), note)
    finally:
        rows.close()
        files.close()


@dataclass(frozen=True, eq=False)
class _Group:
    """A row group.

    Attributes:
        file: the name of the file that it is of, relative to the root.
        path: of the file.
        rows: of the file.
        columns: which are read.
        start: the number of its first row, from 0.
        said: the columns beside the images; None: none are read.
        files: read the images that rows have the paths of.
    """

    file: str
    path: Location
    rows: ParquetRows
    columns: Columns
    start: int
    said: pa.Table | None
    files: Sources

    def images(self, values: pa.Array, note: Note) -> Iterator[FoundImage]:
        """Yield its images, of the values of their column; `note` is told of rows without one."""
        columns, said = self.columns, self.said
        listed = (
            said.select([columns.vector]).column(0) if said is not None and columns.vector else None
        )
        objects_of = _rows(said, columns.boxes)
        for place in range(len(values)):
            number = self.start + place + 1
            called = _name(said, columns.inner, columns.name, place)
            own = self._own(values[place], called, number)
            if own is None:
                note("a row without an image", f"{self.path}, row {number}")
                continue
            where = (columns.kinds, self.path, number, note)
            yield FoundImage(
                name=called,
                source=own[0],
                offset=own[1],
                encoded=own[2],
                labels=_labels(listed, place, self.path, number),
                **_label(said, columns.label, columns.words, place),
                **(objects.said(objects_of[place], *where) if columns.boxes else {}),
            )

    def _own(self, value: pa.Scalar, called: str, number: int) -> tuple[str, int, Buffer] | None:
        """Return source, offset and bytes of a row's image: its own, or a file's; None: none."""
        if value.is_valid and len(value.as_buffer()):
            return "", number, view(value)
        if called and (self.columns.inner or not self.rows.column):
            source = _source(self.file, called, self.path, number)
            return source, 0, _of_file(self.files, source, f"{self.path}, row {number}")
        return None


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
            place=f"row {number}, column {VECTOR}",
            expected="a number for each label",
            found=", ".join("null" if each is None else f"{each:g}" for each in values)[:200],
            remedy=f"correct what has written the file, or give {VECTOR} another name: then it is"
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
