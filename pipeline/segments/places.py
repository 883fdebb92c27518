"""Where sorted segments of archives lie in an output folder, until the shards are there."""

from __future__ import annotations

from pipeline import paths
from pipeline.storage import Where, below, with_suffix


def every(out: Where) -> Where:
    """The folder of the sorted segments of all splits."""
    return below(paths.state(out), "segments")


def folder(out: Where, digest: str) -> Where:
    """The folder of the sorted segments of a split."""
    return below(every(out), digest)


def segment(out: Where, digest: str, number: int) -> Where:
    """The images of one segment, in the order of shards."""
    return below(folder(out, digest), f"{number:05d}.images")


def mark(out: Where, digest: str, number: int) -> Where:
    """The mark of a sorted segment."""
    return with_suffix(segment(out, digest, number), ".json")


def rows(out: Where, digest: str) -> Where:
    """The rows of the plan by segment."""
    return below(folder(out, digest), "rows.bin")


def rows_mark(out: Where, digest: str) -> Where:
    """The mark of these rows."""
    return with_suffix(rows(out, digest), ".json")
