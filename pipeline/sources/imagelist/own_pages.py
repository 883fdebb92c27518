"""The page of an output that lies in a folder which is read: its images are none of a data set."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from pipeline import paths, storage
from pipeline.report import places
from pipeline.storage import Location

_STATE: Final = paths.state(Path()).name
_INDEX: Final = places.index(Path()).name


def is_page(parent: Location, name: str, beside: Collection[str]) -> bool:
    """Whether a folder is the one that ``shardmill report`` makes in an output.

    Another that is called so, such as a class of images where OUT is the folder of these, has
    neither the page nor folders that are named by digests.

    Args:
        parent: the folder that it lies in.
        name: of the folder.
        beside: the names of all that lies in `parent`, its own too.
    """
    if name != places.FOLDER or _STATE not in beside:
        return False
    inner = storage.kinds(storage.below(parent, name))
    return any(each.name == _INDEX or paths.is_digest(each.name) for each in inner)
