"""How many shards are made of a split of a configured set."""

from __future__ import annotations

from pipeline.errors import ConfigError, UsageError
from pipeline.job.options import Job
from pipeline.sources.ilsvrc2012.dataset import SplitConfig


def shard_number(job: Job, config: SplitConfig, images: int) -> int:
    """Return how many shards are made of a split: as many as are asked for, or as configured.

    Raises:
        ConfigError: no image is expected.
        UsageError: a shard would be empty.
    """
    given = dict(job.shards).get(config.name)
    shards = min(config.shards, max(1, images)) if given is None else given
    if images == 0:
        raise ConfigError(
            f"split {config.name}: no image is expected of the chosen classes",
            remedy="choose other classes with --classes, or leave the split out",
        )
    if not 1 <= shards <= images:
        raise UsageError(
            f"--shards {config.name}={shards}: a shard would be empty, and none may be",
            expected=f"1 to {images}, the number of images",
            found=str(shards),
            remedy=f"say --shards {config.name}=N with N in that range",
        )
    return shards
