"""``shardmill imagelist``: what an image list or a folder names, to shards."""

from __future__ import annotations

from typing import Any, Final

import click

from pipeline.job.table.option import LIST
from pipeline.job.table.options import options_of
from tasks.cli.luigi_import import importing_luigi
from tasks.cli.options import parameters
from tasks.cli.reporting import PreparingCommand

EXAMPLES: Final = (
    "shardmill imagelist photos.csv --root DIR --out OUT --format recordio,tfrecord",
    "shardmill imagelist FOLDER --recursive --out OUT --resize 256 --append",
    "shardmill imagelist s3://BUCKET/images.lst --root s3://BUCKET/images --out OUT",
)


@click.command(cls=PreparingCommand, params=parameters(options_of(LIST)), examples=EXAMPLES)
def imagelist(**given: Any) -> int:
    """Prepare the images that an image list, or a folder, names.

    A list is CSV, TSV or JSONL (.csv, .tsv, .jsonl, .ndjson) with the columns path and label, or of
    the form of im2rec: an id, a label or more, and a path. Labels that are numbers are stored as
    they stand there; those that are texts are classes, numbered in the order of their names. Of a
    folder, the labels are those of im2rec.py --list. Annotations of COCO (.json), or a folder of
    those of PASCAL VOC, give boxes and their classes. Classes stand in OUT/lists/NAME.classes.tsv;
    --classes gives another list or folder the same. Images are stored as they are, unless an
    option says otherwise; TFRecord shards hold RGB or gray JPEGs.

    The same command goes on where an interrupted one was.
    """
    with importing_luigi():
        from tasks.cli import first_pass, part  # noqa: PLC0415 - Luigi: not for --help and completion

    return part.prepare(LIST, given, first_pass.prepare_listed)
