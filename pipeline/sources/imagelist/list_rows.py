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
    for table in _tables(source, listed):
        names = table["path"].to_pylist()
        sizes = np.array(storage.file_sizes(listed.root, names), np.int64)
        update_content(content, table, names, sizes)
        yield _as_rows(table, names, sizes, listed.prefix, repeated)
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
) -> pa.Table:
    classes, labels = listtables.single_labels(table["labels"].combine_chunks())
    count = table.num_rows
    columns = {
        "key": pa.array(imagekeys.keys(names, table["id"], repeated), pa.string()),
        "filename": catalog.file_names(pa.array(names, pa.string())),
        "source": pa.array([f"{prefix}{name}" for name in names]) if prefix else table["path"],
        "offset": pa.array(np.zeros(count, np.int64)),
        "length": pa.array(sizes),
        "class_index": classes,
        "class_id": pc.dictionary_encode(pa.repeat(pa.scalar("", pa.string()), count)),
        "class_text": pc.dictionary_encode(table["text"]),
        "labels": labels,
        "id": table["id"],
        "line": table["line"],
        "objects": objects.none(count),
    }
    return pa.table(columns).cast(catalog.SCHEMA)


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
