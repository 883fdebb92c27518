"""``shardmill openimages``: classes of Open Images, from their names to shards."""

from __future__ import annotations

from typing import Any, Final

import click

from pipeline.job.table.option import OPEN
from pipeline.job.table.options import options_of
from tasks.cli.luigi_import import importing_luigi
from tasks.cli.options import parameters
from tasks.cli.reporting import PreparingCommand

EXAMPLES: Final = (
    "shardmill openimages --out OUT --class Handgun --class /m/0k4j --masks",
    "shardmill openimages --out OUT --class Bear --limit 500 --format none --export parquet",
    "shardmill openimages --out OUT --classes FILE --split validation --until select",
)


@click.command(cls=PreparingCommand, params=parameters(options_of(OPEN)), examples=EXAMPLES)
def openimages(**given: Any) -> int:
    """Prepare classes of Open Images V6 or V7: boxes, masks, images, and shards of them.

    What is needed of the metadata is fetched first, then the images and masks of the classes: into
    OUT/images/SPLIT and OUT/masks/SPLIT, as the bucket and the archives have them. Only what is not
    there yet is fetched. Images that are absent are left out, counted and named.

    The same command goes on where an interrupted one was.
    """
    with importing_luigi():
        from tasks.cli import collecting, part  # noqa: PLC0415 - Luigi: not for --help and completion

    return part.prepare(OPEN, given, lambda _, plain: collecting.prepare(plain))
