"""MosaicML's `MDSWriter`; see `peer_processes.main`.

The images are bytes: of a column of JPEGs it takes decoded ones, and encodes them again.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import MagicMock

from benchmarks import peer_processes

# Data sets of its own, and batches of models: none is written here, and what they import is large.
for name in (
    *("streaming.text", "streaming.vision", "transformers"),
    *("transformers.feature_extraction_utils", "transformers.tokenization_utils_base"),
):
    sys.modules[name] = MagicMock()
streaming = importlib.import_module("streaming")

_COLUMNS = {"image": "bytes", "key": "str", "label": "int"}
_WHOLE = 1 << 31  # bytes: all images of a part are one shard


def write(images: Sequence[peer_processes.Image], path: Path) -> None:
    """Write the images as they are, their names and their labels."""
    with streaming.MDSWriter(out=str(path), columns=_COLUMNS, size_limit=_WHOLE) as writer:
        for file, label in images:
            writer.write({"image": file.read_bytes(), "key": file.name, "label": label})


if __name__ == "__main__":
    peer_processes.main(write)
