"""What exports call the images of a catalog."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from pipeline.catalog import class_folders


def stem_of(name: str) -> str:
    """Return the name of an image without its suffix; it may begin with folders."""
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{file.rpartition('.')[0] or file}"


def possible_names(rows: pa.Table) -> Iterator[str]:
    """Yield what images of a catalog may be called, whether or not its source says more of them."""
    for column in (rows["filename"], class_folders.paths(rows)):
        yield from column.drop_null().to_pylist()
