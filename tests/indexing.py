"""The index of an archive, made and published where a test wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline import storage
from pipeline.archives import index
from pipeline.archives.index import VerifiedArchive


def verify_and_index(archive: storage.Location, path: Path, **options: Any) -> VerifiedArchive:
    """Publish the index of an archive that is the right one, and beside it its member hashes.

    See `index.verify_and_index`.
    """
    with (
        storage.StagedFile(path) as staged,
        storage.StagedFile(path.with_suffix(".members")) as hashes,
    ):
        found = index.verify_and_index(archive, staged, hashes, **options)
        storage.publish(hashes, staged)
    return found
