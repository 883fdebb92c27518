"""The options of ``shardmill im2rec``: those of im2rec.py, and this program's own."""

from __future__ import annotations

from functools import partial

import click

from pipeline.images import prepare as images
from pipeline.images.bounds import MAX_PIXELS
from pipeline.job.table.group import Group
from tasks.cli.grouping import GroupedOption, ListOf
from tasks.cli.paramtypes import LOCAL_PATH

_input = partial(GroupedOption, group=Group.INPUT)
_image = partial(GroupedOption, group=Group.IMAGES)
_shard = partial(GroupedOption, group=Group.SHARDS)
_run = partial(GroupedOption, group=Group.RUN)
_words = click.Argument(
    ["words"],
    nargs=-1,
    type=LOCAL_PATH,
    metavar="PREFIX ROOT | LIST ROOT OUT [KEY=VALUE]...",
)


def parameters(extensions: tuple[str, ...]) -> list[click.Parameter]:
    """Return the argument and the options of the command.

    Args:
        extensions: the file extensions that ``--list`` takes by default.
    """
    return [
        _words,
        _input(
            ["--list", "make"],
            is_flag=True,
            help="Make lists of the images in ROOT, and pack nothing.",
        ),
        _input(
            ["--exts"],
            type=ListOf(click.STRING),
            multiple=True,
            default=extensions,
            metavar=".EXT ...",
            show_default=True,
            help="File extensions that --list takes. Takes a list: repeat it, use commas, or"
            " spaces as im2rec.py does.",
        ),
        _input(
            ["--chunks"],
            type=int,
            default=1,
            show_default=True,
            help="How many lists --list makes.",
        ),
        _input(
            ["--train-ratio"],
            type=float,
            default=1.0,
            show_default=True,
            help="Part of the images that --list puts into the training list.",
        ),
        _input(
            ["--test-ratio"],
            type=float,
            default=0.0,
            show_default=True,
            help="Part of the images that --list puts into the test list; the rest: validation.",
        ),
        _input(
            ["--recursive"], is_flag=True, help="Give --list a label for each folder below ROOT."
        ),
        _input(
            ["--classes"],
            type=LOCAL_PATH,
            default="",
            metavar="FILE",
            help="File that gives the folders their labels: their names, one a line, or the"
            " PREFIX.classes.tsv of another --list.",
        ),
        _input(["--no-shuffle"], is_flag=True, help="Keep --list in the order of the names."),
        _image(["--pass-through"], is_flag=True, help="Pack the bytes of images as they are."),
        _image(
            ["--resize"],
            type=int,
            default=0,
            metavar="N",
            help="Scale each image so that its shorter edge has N pixels; default: keep its size.",
        ),
        _image(
            ["--center-crop"], is_flag=True, help="Cut the largest square out of the middle first."
        ),
        _image(
            ["--quality"],
            type=int,
            default=95,
            show_default=True,
            help="JPEG quality, 0-100; of PNGs the compression level, 0-9.",
        ),
        _image(
            ["--color"],
            type=click.Choice(["-1", "0", "1"]),
            default="1",
            show_default=True,
            help="Channels to store: 1 makes RGB, 0 gray, -1 keeps those of the image.",
        ),
        _image(
            ["--encoding"],
            type=click.Choice(images.ENCODINGS),
            default=".jpg",
            show_default=True,
            help="Format that images are encoded in.",
        ),
        _image(
            ["--engine"],
            type=click.Choice(images.ENGINES),
            default="pillow",
            show_default=True,
            help="Library that decodes, resizes and encodes; opencv gives the bytes of im2rec,"
            " which does not antialias.",
        ),
        _image(
            ["--filter"],
            type=click.Choice(images.FILTERS),
            default=None,
            help="Filter that --resize uses; default: lanczos, with --engine opencv bilinear.",
        ),
        _image(
            ["--orientation"],
            type=click.Choice(images.ORIENTATIONS),
            default=None,
            help="What to do with images that EXIF says are turned: turn their pixels, store them"
            " as they lie, or refuse them; default: as im2rec.",
        ),
        _image(
            ["--transcode"],
            is_flag=True,
            help="With --pass-through, make JPEGs of GIF, WebP, BMP, TIFF and PNM images.",
        ),
        _image(
            ["--max-pixels"],
            type=click.IntRange(1),
            default=MAX_PIXELS,
            show_default=True,
            metavar="N",
            help="Refuse an image with more pixels than this where it is decoded or enlarged.",
        ),
        _shard(
            ["--pack-label"], is_flag=True, help="Store all labels of an image, not only the first."
        ),
        _run(
            ["--num-thread"],
            type=click.IntRange(1),
            default=None,
            metavar="N",
            help="How many processes encode; default: as many as there are CPUs.",
        ),
        _run(
            ["--error-limit"],
            type=int,
            default=0,
            metavar="N",
            help="How many bad images may be left out before the command fails; default 0.",
        ),
    ]
