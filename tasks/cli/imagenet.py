"""``shardmill imagenet``: ILSVRC2012, or a set of its shape, from archives to shards."""

from __future__ import annotations

from typing import Any, Final

import click

from pipeline.job.table.option import SET
from pipeline.job.table.options import options_of
from tasks.cli.luigi_import import importing_luigi
from tasks.cli.options import parameters
from tasks.cli.reporting import PreparingCommand

EXAMPLES: Final = (
    "shardmill imagenet --raw RAW --out OUT --workers 4",
    "shardmill imagenet --raw RAW --out OUT --format recordio,webdataset --quiet --log-file LOG",
    "shardmill imagenet --raw s3://BUCKET/PREFIX --out OUT --stage STAGE",
)


@click.command(cls=PreparingCommand, params=parameters(options_of(SET)), examples=EXAMPLES)
def imagenet(**given: Any) -> int:
    """Prepare ILSVRC2012, or a set of its shape, from its archives or an unpacked tree.

    The same command goes on where an interrupted one was.
    """
    with importing_luigi():
        from tasks.cli import first_pass, part  # noqa: PLC0415 - Luigi: not for --help and completion

    return part.prepare(SET, given, first_pass.prepare)
