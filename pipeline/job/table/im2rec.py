"""The options of ``shardmill im2rec``: MXNet's, by its names, and those of this program.

An option that means what one of another command means is made of that one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipeline.job.table.common import EXTENSIONS, FOLDER_CLASSES, RECURSIVE, WORKERS
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.images import IMAGE_OPTIONS
from pipeline.job.table.option import NO_DIGEST, PACK, Option, Value

_IMAGES: Final = {option.flag: option for option in IMAGE_OPTIONS}


def _same(option: Option, text: str = "", *, default: Value = None, flag: str = "") -> Option:
    """Return an option of im2rec that means what another command's does.

    Args:
        option: of the other command.
        text: the help of this one, if it is another.
        default: its default, if it is another.
        flag: its flag, if it is another.
    """
    return replace(
        option,
        flag=flag or option.flag,
        help=text or option.help,
        commands=(PACK,),
        field="",
        default=option.default if default is None else default,
        digests=NO_DIGEST,
    )


def _own(
    flag: str,
    kind: Kind,
    group: Group,
    text: str,
    *,
    default: Value,
    least: int | None = None,
) -> Option:
    metavar = "N" if kind is Kind.NUMBER else "X" if kind is Kind.FRACTION else ""
    return Option(
        flag=flag,
        kind=kind,
        group=group,
        help=text,
        commands=(PACK,),
        default=default,
        least=least,
        metavar=metavar,
    )


PACK_OPTIONS: Final = (
    _own(
        "--list",
        Kind.SWITCH,
        Group.INPUT,
        "Make lists of the images in ROOT, and pack nothing.",
        default=False,
    ),
    _same(
        EXTENSIONS,
        "File extensions that --list takes, with spaces between them as for im2rec.py; default:"
        " .jpeg,.jpg,.png.",
    ),
    _own(
        "--chunks",
        Kind.NUMBER,
        Group.INPUT,
        "How many lists --list makes.",
        default=1,
        least=1,
    ),
    _own(
        "--train-ratio",
        Kind.FRACTION,
        Group.INPUT,
        "Part of the images that --list puts into the training list.",
        default=1.0,
    ),
    _own(
        "--test-ratio",
        Kind.FRACTION,
        Group.INPUT,
        "Part of the images that --list puts into the test list; the rest: validation. Default 0.",
        default=0.0,
    ),
    _same(
        RECURSIVE,
        "Take each folder below ROOT as a class; default: only the images in ROOT itself, with"
        " label 0.",
    ),
    _same(FOLDER_CLASSES),
    _own(
        "--no-shuffle",
        Kind.SWITCH,
        Group.INPUT,
        "Keep --list in the order of the names.",
        default=False,
    ),
    _own(
        "--pass-through",
        Kind.SWITCH,
        Group.IMAGES,
        "Pack the bytes of images as they are.",
        default=False,
    ),
    replace(
        _same(
            _IMAGES["--resize"],
            "Scale each image so that its shorter edge has N pixels; default: images keep their"
            " size.",
        ),
        least=0,
    ),
    _same(_IMAGES["--center-crop"]),
    _same(_IMAGES["--filter"]),
    _same(
        _IMAGES["--quality"],
        "JPEG quality, 0-100. With --encoding .png the compression level, at most 9.",
        default=95,
    ),
    _same(
        _IMAGES["--color"],
        "Channels to store: 1 makes RGB, 0 gray, -1 keeps those of the image.",
        default=1,
    ),
    _same(_IMAGES["--encoding"], "Encode every image anew, as this.", default=".jpg"),
    _same(_IMAGES["--engine"]),
    _same(
        _IMAGES["--orientation"],
        "What to do with images that EXIF says are turned: turn their pixels (bake), store them"
        " as they lie (keep), or refuse them. Default: bake; with --pass-through keep; with"
        " --color -1 as they lie and without the tag, as im2rec does.",
    ),
    _same(
        _IMAGES["--transcode"],
        "With --pass-through, take GIF, WebP, BMP, TIFF and PNM images as well, and make JPEGs of"
        " them.",
    ),
    _same(_IMAGES["--max-pixels"]),
    _own(
        "--pack-label",
        Kind.SWITCH,
        Group.SHARDS,
        "Store all labels of an image, not only the first.",
        default=False,
    ),
    _same(WORKERS, flag="--num-thread"),
    _own(
        "--error-limit",
        Kind.NUMBER,
        Group.RUN,
        "How many bad images may be left out before the command fails; default 0.",
        default=0,
        least=0,
    ),
)
"""The options of im2rec, in the order of ``--help``."""
