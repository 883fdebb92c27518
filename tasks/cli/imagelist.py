"""``shardmill imagelist``: what an image list or a folder names, to shards."""

from __future__ import annotations

from typing import Any

import click

from pipeline.job.options import Job
from tasks import arguments
from tasks.cli import preparing
from tasks.cli.paramtypes import LOCAL_PATH

_ORDERS = ("hash", "name", "list", "im2rec")


@click.command()
@click.argument("images", metavar="LIST_OR_FOLDER", type=LOCAL_PATH)
@click.option(
    "--root",
    type=LOCAL_PATH,
    default="",
    metavar="DIR",
    help="What the list's paths are relative to; default: its folder.",
)
@click.option("--out", type=LOCAL_PATH, required=True, help="Folder of the output.")
@click.option("--name", default="", help="Of the shards; default: the list's or folder's.")
@click.option("--recursive", is_flag=True, help="Folders in the folder are classes.")
@click.option(
    "--exts", "extensions", multiple=True, help="Of a folder's pictures; default: .jpeg .jpg .png."
)
@click.option(
    "--classes",
    default="",
    metavar="FILE",
    help="Labels of the class folders: their names, one a line, or the table of another run.",
)
@click.option("--replace", is_flag=True, help="The name may go over from another list or folder.")
@preparing.options(*preparing.SHARD_OPTIONS)
@click.option("--shards", type=click.IntRange(1), metavar="N", help="Default: one for each 256 MB.")
@click.option("--order", type=click.Choice(_ORDERS), default="hash", show_default=True)
@click.option("--seed", type=int, default=None, help="Of the hash order; default: 0.")
@preparing.options(*preparing.PICTURE_OPTIONS, *preparing.RUN_OPTIONS)
def imagelist(
    workers: int | None, scheduler_host: str, no_overlap: bool, dry_run: bool, **options: Any
) -> int:
    """Prepare what an image list, or a folder of pictures, names.

    A line of a list is an id, a label or more, and a path: the form of im2rec. Labels are stored
    as they stand there. Of a folder, the labels are those of im2rec.py --list, and stand in
    OUT/lists/NAME.classes.tsv; --classes gives another folder the same. Pictures are stored as
    they are, unless an option says otherwise; TFRecord shards hold RGB or gray JPEGs.

    The same command goes on where an interrupted one was.
    """
    return preparing.prepare(
        _job(options),
        workers=workers,
        scheduler_host=scheduler_host,
        no_overlap=no_overlap,
        dry_run=dry_run,
    )


def _job(options: dict[str, Any]) -> Job:
    """Return the job of the options, which have the names of its fields but for some."""
    where = [options.pop(name) for name in ("images", "root", "out", "shards")]
    picture = preparing.take_picture_options(options)
    options["classes"] = arguments.absolute(options["classes"]) if options["classes"] else ""
    options["formats"] = arguments.shard_formats(options["formats"])
    return arguments.list_job(*where, picture=picture, **options)
