"""``shardmill reshard``: what lies in shards of whatever program, to other shards."""

from __future__ import annotations

from typing import Any, Final

import click

from pipeline.job.table.option import RESHARD
from pipeline.job.table.options import options_of
from tasks.cli.luigi_import import importing_luigi
from tasks.cli.options import parameters
from tasks.cli.reporting import PreparingCommand

EXAMPLES: Final = (
    "shardmill reshard SHARDS --out OUT --format webdataset",
    "shardmill reshard EARLIER --from tfrecord --out OUT --format recordio --resize 256",
    "shardmill reshard 'SHARDS/train-*' --name train --out OUT --shards 4",
)


@click.command(cls=PreparingCommand, params=parameters(options_of(RESHARD)), examples=EXAMPLES)
def reshard(**given: Any) -> int:
    """Prepare the images that lie in shards of any program, or in the output of another command.

    Shards are TFRecord files of tf.train.Examples, RecordIO files of MXNet, MDS shards, Parquet
    files of images, and tars: samples of WebDataset, or class folders. They are read where they
    lie; unpacked are only packed tars (.tar.gz, .tar.xz), once beside them, until the shards are
    there, and row groups of Parquet, below the folder of --scratch. Splits are found by names such
    as train-00000-of-00064, val-000123.tar or train/00123.tar; --name makes one of all. Labels that
    are numbers are stored as they stand there; where there are words alone, these are classes,
    numbered in their order, and likewise the folders of a tar. Boxes come through. Of the output of
    another command, keys, labels, classes, boxes and order are those that it was made by.

    The same command goes on where an interrupted one was.
    """
    with importing_luigi():
        from tasks.cli import first_pass, part  # noqa: PLC0415 - Luigi: not for --help and completion

    return part.prepare(RESHARD, given, first_pass.prepare_listed)
