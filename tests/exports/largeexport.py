"""A Parquet export of many rows, and the memory that its process takes: imported by that one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pipeline import storage
from pipeline.catalog import table as catalog
from pipeline.exports import parquet, row_groups
from pipeline.exports.exported_split import ExportedSplit
from pipeline.exports.parquet import read_facts
from pipeline.resources import shipped
from pipeline.sources.ilsvrc2012 import label_files as labels

ROWS = 4096  # of a row group: far fewer than there are rows


def peak() -> int:
    """Return the most memory that this process had, in bytes; its parent's do not count."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) << 10


def peaks_of_exports(folder: Path, images: Sequence[int]) -> list[int]:
    """Export splits of so many images, one after another; return `peak` after each."""
    parquet.ROWS = row_groups.ROWS = ROWS  # type: ignore[attr-defined, misc]
    table = labels.load_table(shipped("config/ilsvrc2012/synsets.tsv"))
    found = []
    for number in images:
        facts = folder / f"{number}.parquet"
        split = ExportedSplit(
            "train",
            partial(catalog.read, folder / f"{number}.catalog.parquet"),
            {each: read_facts(facts) for each in ("tfrecord", "recordio")},
            "train",
        )
        with storage.StagedFile(folder / "images.parquet") as staged:
            assert parquet.write(staged, [split], table) == number
        found.append(peak())
    return found
