"""Hugging Face's `ParquetWriter`, as `datasets` prepares Parquet; see `peer_processes.main`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import datasets
from datasets.arrow_writer import ParquetWriter

from benchmarks import peer_processes

_FEATURES = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})


def write(images: Sequence[peer_processes.Image], path: Path) -> None:
    """Write the images as they are, and their labels."""
    with ParquetWriter(features=_FEATURES, path=f"{path}.parquet") as writer:
        for file, label in images:
            image = {"bytes": file.read_bytes(), "path": file.name}
            writer.write({"image": image, "label": label})
        writer.finalize()


if __name__ == "__main__":
    peer_processes.main(write)
