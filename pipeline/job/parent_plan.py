"""The plan of an output that is appended to: what is known of its images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from pipeline import paths
from pipeline.catalog import plan
from pipeline.catalog.generations import KnownImages
from pipeline.errors import OutputDamaged, Vanished
from pipeline.storage import Location

ANEW: Final = (
    "leave out --append: all images are divided among shards anew, and written, in another output"
    " beside it; the next --append goes on from that one"
)
"""What to do where what is appended to is not there as it was."""


def images(out: Location, split: str, digest: str) -> KnownImages:
    """Return what the plan of an output says of its images; it is read once, from front to back.

    Args:
        out: the output folder.
        split: name of the split.
        digest: of the plan.

    Raises:
        OutputDamaged: the plan is not there any more, or is damaged.
    """
    return KnownImages.of(_rows(out, split, digest))


def _rows(out: Location, split: str, digest: str) -> Iterator[pa.RecordBatch]:
    try:
        yield from plan.read(paths.plan(out, split, digest))
    except (OutputDamaged, Vanished) as error:
        raise OutputDamaged(
            "the plan of the shards that are appended to cannot be read",
            file=error.file,
            found=error.what,
            remedy=ANEW,
        ) from error
