"""The rows of the catalog of a split that a list or a folder names."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import digests, storage
from pipeline.catalog import objects
from pipeline.catalog import table as catalog
from pipeline.errors import TransientError
from pipeline.sources.imagelist import keys as imagekeys
from pipeline.sources.imagelist import list_tables as listtables
from pipeline.sources.imagelist.image_listing import ImageListing, update_content
from pipeline.sources.imagelist.list_tables import Listed


def catalog_rows(listed: ImageListing) -> Iterator[pa.Table]:
    """Yield the catalog of what a list or a folder names, in its order.

    The key of an image is its path; of one that is named more than once it is ``<path>#<id>``, and
    beside such a one also that of an image whose path ends in ``#`` and digits.

    Raises:
        TransientError: something has changed since it was looked at.
    """
    content = hashlib.sha256()
    kinds, pinned = listed.extensions, listed.pinned
    source = listtables.opened(
        listed.path, kinds, listed.columns, recursive=listed.recursive, table=pinned
    )
    repeated = _repeated_paths(_tables(source, listed)) if listed.repeats else imagekeys.NO_PATHS
    classes = listtables.classes_of(source)
    class_names = classes.table.names if classes else ()
    for table in _tables(source, listed):
        names = table["path"].to_pylist()
        sizes = np.array(storage.file_sizes(listed.root, names), np.int64)
        update_content(content, table, names, sizes)
        yield _as_rows(table, names, sizes, listed.prefix, repeated, class_names)
    if digests.digest({"files": content.hexdigest()}) != listed.digest:
        raise TransientError(
            "the list, or a file that it names, was changed meanwhile",
            file=str(listed.path),
            remedy="leave them alone while a command is at work: the list is read again",
        )


def _as_rows(
    table: pa.Table,
    names: Sequence[str],
    sizes: NDArray[np.int64],
    prefix: str,
    repeated: NDArray[np.uint64],
    class_names: Sequence[str],
) -> pa.Table:
    described = "boxes" in table.column_names
    listed = table["labels"].combine_chunks()
    classes, labels = (_first_labels if described else listtables.single_labels)(listed)
    count = table.num_rows
    ids = table["text"] if described else pa.repeat(pa.scalar("", pa.string()), count)
    columns = {
        "key": pa.array(imagekeys.keys(names, table["id"], repeated), pa.string()),
        "filename": catalog.file_names(pa.array(names, pa.string())),
        "source": pa.array([f"{prefix}{name}" for name in names]) if prefix else table["path"],
        "offset": pa.array(np.zeros(count, np.int64)),
        "length": pa.array(sizes),
        "class_index": classes,
        "class_id": pc.dictionary_encode(ids),
        "class_text": pc.dictionary_encode(table["text"]),
        "labels": labels,
        "id": table["id"],
        "line": table["line"],
        "objects": _objects(table, class_names) if described else objects.none(count),
    }
    if described:
        columns |= {name: table[name] for name in catalog.SIZES.names}
    return pa.table(columns).cast(catalog.schema_like(columns))


def annotated_tables(listed: ImageListing) -> Iterator[pa.Table]:
    """Yield the images of annotations that are of a split, columns as of `images.TABLE`."""
    source = listtables.opened(
        listed.path,
        listed.extensions,
        listed.columns,
        recursive=listed.recursive,
        table=listed.pinned,
    )
    return _tables(source, listed)


def _first_labels(labels: pa.ListArray) -> tuple[pa.Array, pa.Array]:
    """Return the first class of each image, -1 of none, and all of those that have several."""
    counts = pc.list_value_length(labels).to_numpy()
    values = labels.flatten().to_numpy()
    classes = np.full(len(counts), -1, np.int32)
    classes[counts > 0] = values[(np.cumsum(counts) - counts)[counts > 0]]
    is_several = counts > 1
    offsets = np.concatenate([[0], np.cumsum(np.where(is_several, counts, 0))]).astype(np.int32)
    several = values[np.repeat(is_several, counts)]
    return pa.array(classes), pa.ListArray.from_arrays(pa.array(offsets), pa.array(several))


def _objects(table: pa.Table, class_names: Sequence[str]) -> pa.ListArray:
    """Return the objects of images, columns as of `images.TABLE`, as a catalog has them."""
    boxes = table["boxes"].combine_chunks()
    every = boxes.flatten()
    columns = [
        *(every.field(side).cast(pa.float32(), safe=False) for side in objects.CORNERS),
        every.field("class_index"),
        pa.array(class_names, pa.string()).take(every.field("class_index")),
        every.field("flags"),
        pa.nulls(len(every), pa.string()),
    ]
    structs = pa.StructArray.from_arrays(columns, fields=list(objects.OBJECT))
    offsets = boxes.offsets.to_numpy() - boxes.offsets[0].as_py()
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs, type=objects.TYPE)


def _tables(source: Listed, listed: ImageListing) -> Iterator[pa.Table]:
    """Yield the images of the split that a listing is of."""
    for table in listtables.tables(source):
        part = listed.division.part(table, listed.split)
        if part.num_rows:
            yield part


def _repeated_paths(images: Iterator[pa.Table]) -> NDArray[np.uint64]:
    """Return (n,) uint64, sorted: the xxh3-64 of the paths that are named more than once."""
    hashes = array("Q")
    for table in images:
        hashes.extend(imagekeys.hashes(table["path"].to_pylist()))
    return imagekeys.repeats_among(np.frombuffer(hashes, np.uint64))
