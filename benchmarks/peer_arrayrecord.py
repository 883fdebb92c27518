"""ArrayRecord's own writer, given images alone: no Example is made; see `peer_processes.main`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from array_record.python.array_record_module import ArrayRecordWriter

from benchmarks import peer_processes


def write(images: Sequence[peer_processes.Image], path: Path) -> None:
    """Write the images as they are."""
    writer = ArrayRecordWriter(f"{path}.array_record", "group_size:1,uncompressed")
    for file, _ in images:
        writer.write(file.read_bytes())
    writer.close()


if __name__ == "__main__":
    peer_processes.main(write)
