"""webdataset's `ShardWriter`; see `peer_processes.main`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import webdataset

from benchmarks import peer_processes


def write(images: Sequence[peer_processes.Image], path: Path) -> None:
    """Write images and labels in the order given, as one shard."""
    pattern = f"{path}-%05d.tar"
    with webdataset.ShardWriter(pattern, maxcount=len(images), verbose=0) as writer:
        for file, label in images:
            writer.write({"__key__": file.stem, "jpg": file.read_bytes(), "cls": label})


if __name__ == "__main__":
    peer_processes.main(write)
