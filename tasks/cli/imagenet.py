"""``shardmill imagenet``: ILSVRC2012, or a set of its shape, from archives to shards."""

from __future__ import annotations

from typing import Any

import click

from pipeline.job.options import EXPORTS, PRODUCTS, TRANSFERS, Job
from tasks import arguments
from tasks.cli import preparing
from tasks.cli.paramtypes import LOCAL_PATH

_PATHS = ("raw", "tree", "config", "classes", "data_dir")
_ORDERS = ("hash", "name", "inception", "im2rec")


@click.command()
@click.option(
    "--raw", type=LOCAL_PATH, default="", help="Folder of the archives; may be read-only."
)
@click.option(
    "--tree",
    type=LOCAL_PATH,
    default="",
    metavar="DIR",
    help="An unpacked set, read instead of archives.",
)
@click.option("--out", type=LOCAL_PATH, required=True, help="Folder of the output.")
@click.option(
    "--config",
    type=LOCAL_PATH,
    default="",
    help="Dataset configuration; default: ILSVRC2012's.",
)
@click.option("--split", "splits", multiple=True, help="Split to prepare; default: all.")
@preparing.options(*preparing.SHARD_OPTIONS, preparing.LABEL_OPTION)
@click.option("--shards", multiple=True, metavar="SPLIT=N", help="Number of shards of a split.")
@click.option("--order", type=click.Choice(_ORDERS), default="hash", show_default=True)
@click.option("--seed", type=int, default=None, help="Of the hash order; default: 0.")
@click.option("--inception-threads", type=click.IntRange(1), default=None, help="Default: 8.")
@click.option("--label-offset", type=int, default=None, help="Of label 0; TFRecord: 1, else 0.")
@click.option(
    "--classes",
    type=LOCAL_PATH,
    default="",
    metavar="FILE",
    help="Only these WNIDs, one per line.",
)
@click.option("--skip-blacklisted", is_flag=True, help="Leave out what the blacklist names.")
@click.option("--with", "extras", multiple=True, metavar="NAME", help="Optional archive to use.")
@click.option("--boxes/--no-boxes", default=True, show_default=True, help="Bounding boxes.")
@click.option("--box-class-filter", is_flag=True, help="Drop boxes of other classes: TensorFlow's.")
@click.option("--extract", is_flag=True, help="Make class folders of pictures too.")
@click.option(
    "--transfer",
    type=click.Choice(TRANSFERS),
    default="copy",
    show_default=True,
    help="How the files of --tree get into what --extract makes.",
)
@click.option(
    "--until", type=click.Choice(PRODUCTS), default="shards", help="Stop after this step."
)
@click.option(
    "--export",
    "exports",
    multiple=True,
    type=click.Choice(EXPORTS),
    help="Made of the whole set; raw256 is a tree of smaller pictures, too.",
)
@click.option(
    "--data-dir",
    type=LOCAL_PATH,
    default="",
    metavar="DIR",
    help="Where dbcollection is told that the images lie; default: in OUT, as with --extract.",
)
@click.option(
    "--dbcollection-strict", is_flag=True, help="Its files as it makes them itself, too: .strict.h5"
)
@click.option(
    "--replace", is_flag=True, help="Replace another job's boxes, lists, trees and exports."
)
@preparing.options(*preparing.PICTURE_OPTIONS, *preparing.RUN_OPTIONS)
def imagenet(
    workers: int | None, scheduler_host: str, no_overlap: bool, dry_run: bool, **options: Any
) -> int:
    """Prepare ILSVRC2012, or a set of its shape, from its archives or an unpacked tree.

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
    until, extract = options.pop("until"), options.pop("extract")
    picture = preparing.take_picture_options(options)
    given = {name: arguments.absolute(options[name]) for name in _PATHS if options[name]}
    given["out"] = arguments.absolute(options["out"])
    products = arguments.products_until(until, boxes=options["boxes"], extract=extract)
    shards = arguments.shard_counts(options["shards"])
    default = {"config": arguments.default_config()} if not options["config"] else {}
    formats = arguments.shard_formats(options["formats"])
    made = {"products": products, "formats": formats, "shards": shards, "picture": picture}
    return Job(**(options | given | default | made))
