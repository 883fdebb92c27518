"""How many shards are made of images that are files of their own."""

from __future__ import annotations

from typing import Final

from pipeline.errors import UsageError
from pipeline.job.options import Job

_SHARD_BYTES: Final = 1 << 28  # about, of a shard whose number is not given
_IMAGES_OF_A_SHARD: Final = 8  # at least, of such a shard


def shard_count(job: Job, split: str, images: int, missing: int, size: int) -> int:
    """Return how many shards are made of a split: as many as are asked for, or by its bytes.

    Args:
        job: the job.
        split: name of the split.
        images: how many are named.
        missing: of how many of these no file is there.
        size: bytes of all files.

    Raises:
        UsageError: a shard would be empty.
    """
    given = dict(job.shards).get(split)
    shards = count_by_bytes(images - missing, size) if given is None else given
    if not 1 <= shards <= images:
        raise UsageError(
            f"--shards {shards}: a shard of {split} would be empty, and none may be",
            expected=f"1 to {images}, the number of images",
            found=str(shards),
            remedy="say --shards N with N in that range",
        )
    return shards


def count_by_bytes(images: int, size: int) -> int:
    """Return how many shards are made of images of so many bytes where nobody says a number."""
    # Bad images that are left out shall not leave a shard empty whose number nobody asked for.
    fullest = max(1, images // _IMAGES_OF_A_SHARD)
    return min(max(1, round(size / _SHARD_BYTES)), fullest)
