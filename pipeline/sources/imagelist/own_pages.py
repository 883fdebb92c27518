"""The page of an output that lies in a folder which is read: its images are none of a data set."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from pipeline import paths
from pipeline.report import places

_STATE: Final = paths.state(Path()).name


def is_page(name: str, beside: Collection[str]) -> bool:
    """Whether a folder is the one that ``shardmill report`` makes in an output.

    Args:
        name: of the folder.
        beside: the names of all that lies in the folder that it lies in, its own too.
    """
    return name == places.FOLDER and _STATE in beside
