"""What a folder of annotations holds: its digest is of the files' content, which is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import digests, storage
from pipeline.annotations import source
from pipeline.documents import fingerprint_tables
from pipeline.errors import NoPermission, OutputDamaged
from pipeline.storage import Location
from pipeline.storage.local import fingerprints

_BATCH = 1 << 16  # rows


@dataclass(frozen=True, eq=False)
class AnnotationContents:
    """What the annotations in a folder are.

    Attributes:
        folder: the folder, with links resolved.
        digest: 12 hex digits of names, sizes and contents; no times.
        fingerprints: of each annotation, by its name in the report of the boxes.
        read: how many files had to be read because nothing was kept that fits them.
    """

    folder: str
    digest: str
    fingerprints: pa.Table
    read: int


def scan(
    folder: Path, out: Location, kept: Location, note: Callable[[Path], None] | None = None
) -> AnnotationContents:
    """List the annotations of a folder, and read those whose stamp is not the kept one.

    Args:
        folder: folder of annotations, in a form that `bboxes.collect` takes.
        out: the output folder.
        kept: where `keep` puts the fingerprints; they may be absent.
        note: called with each folder before it is listed.

    Raises:
        TreeRefused: a name is not UTF-8.
        NoPermission: an annotation may not be read.
    """
    names: list[str] = []
    places: list[tuple[Path, str]] = []
    stamps: list[int] = []
    sizes: list[int] = []
    for place, entry, member in source.listed(folder, note=note):
        if source.is_annotation(member):
            names.append(member.name)
            places.append((place, entry.name))
            stamps.append(entry.stamp)
            sizes.append(entry.size)
    real = str(storage.real_folder(folder) or folder)
    files = fingerprints.table(names, np.array(stamps, np.uint64), [None] * len(names))
    contents, known = _known(files, real, out, kept)
    # What is too large to be an annotation is refused by its size: its content does not matter.
    unread = [row for row in np.flatnonzero(~known).tolist() if sizes[row] <= source.MAX_ANNOTATION]
    values, hashes = files["stamp"].to_numpy().copy(), contents
    if unread:
        paths = [str((places[row][0] / places[row][1]).absolute()) for row in unread]
        values[unread], hashes = _read(folder, paths, unread, contents)
    columns = {"stamp": pa.array(values, pa.uint64()), "content": hashes}
    for name, column in columns.items():
        files = files.set_column(files.schema.get_field_index(name), name, column)
    return AnnotationContents(real, _digest(files, sizes), files, len(unread))


def _read(
    folder: Path, paths: list[str], rows: list[int], contents: pa.Array
) -> tuple[list[int], pa.Array]:
    """Read annotations; return their stamps, and the contents with theirs in these rows."""
    hashes = contents.to_pylist()
    read = fingerprints.read_files(folder, paths)
    for row, path, (_, content) in zip(rows, paths, read, strict=True):
        if content is None:
            raise NoPermission("an annotation may not be read", file=path)
        hashes[row] = content
    return [stamp for stamp, _ in read], pa.array(hashes, pa.binary(16))


def keep(contents: AnnotationContents, out: Location, kept: Location) -> None:
    """Keep the fingerprints, unless what is kept already was enough."""
    if contents.read:
        fingerprint_tables.publish(kept, contents.fingerprints, out, folder=contents.folder)


def _known(
    found: pa.Table, folder: str, out: Location, kept: Location
) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Return the kept contents, null where there are none, and which rows need not be read."""
    count = found.num_rows
    nothing = pa.nulls(count, pa.binary(16)), np.zeros(count, bool)
    try:
        loaded = fingerprint_tables.load(kept, out)
    except OutputDamaged:
        return nothing
    if loaded is None or loaded[0].folder != folder or not loaded[1].num_rows:
        return nothing
    table = loaded[1].combine_chunks()
    rows = pc.index_in(found["path64"], table["path64"].combine_chunks()).combine_chunks()
    there = rows.is_valid().to_numpy(zero_copy_only=False)
    places = rows.fill_null(0).to_numpy()
    same = table["stamp"].to_numpy()[places] == found["stamp"].to_numpy()
    contents = table["content"].combine_chunks().take(pa.array(places))
    known = there & same & contents.is_valid().to_numpy(zero_copy_only=False)
    return pc.if_else(pa.array(known), contents, pa.nulls(count, pa.binary(16))), known


def _digest(found: pa.Table, sizes: list[int]) -> str:
    content = hashlib.sha256()
    for batch in found.select(["path", "content"]).to_batches(_BATCH):
        content.update("".join(f"{name}\n" for name in batch["path"].to_pylist()).encode())
        content.update(b"".join(each or bytes(16) for each in batch["content"].to_pylist()))
    content.update(np.array(sizes, "<i8").tobytes())
    return digests.digest({"annotations": content.hexdigest()})
