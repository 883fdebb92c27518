"""The options that say how images are stored: as they are, or what they become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pipeline.errors import UsageError
from pipeline.images import prepare as images
from pipeline.images.prepare import PLAIN
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import (
    COMMANDS,
    NO_DIGEST,
    OUTPUT,
    Option,
    Refusals,
    Value,
    refuses_nothing,
)

if TYPE_CHECKING:
    from pipeline.job.options import Job
    from pipeline.sources.data_set import DataSet


def _orientation(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del names
    if dataset.reads_boxes and job.image.orientation == "bake":
        yield UsageError(
            "boxes are fractions of images as they lie, and --orientation bake would make them"
            " wrong: leave it out, or say --no-boxes"
        )


def _center_crop(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del names
    if dataset.reads_boxes and job.image.center_crop:
        yield UsageError(
            "boxes are fractions of whole images, and --center-crop would make them wrong: leave it"
            " out, or say --no-boxes"
        )


def _option(
    flag: str,
    kind: Kind,
    text: str,
    *,
    choices: tuple[str, ...] = (),
    least: int | None = None,
    most: int | None = None,
    digests: frozenset[str] = OUTPUT,
    refusals: Refusals = refuses_nothing,
) -> Option:
    name = flag.removeprefix("--").replace("-", "_")
    default: Value = getattr(PLAIN, name)
    return Option(
        flag=flag,
        kind=kind,
        group=Group.IMAGES,
        help=text,
        commands=COMMANDS,
        field=name,
        default=default,
        choices=choices,
        least=least,
        most=most,
        metavar="N" if kind is Kind.NUMBER else "",
        digests=digests,
        refusals=refusals,
    )


IMAGE_OPTIONS: Final = (
    _option(
        "--resize",
        Kind.NUMBER,
        "Scale each image so that an edge has N pixels; default: images keep their size.",
        least=1,
    ),
    _option(
        "--resize-mode",
        Kind.CHOICE,
        "Which edge the N of --resize applies to; exact makes squares of N x N pixels.",
        choices=images.MODES,
    ),
    _option(
        "--never-enlarge",
        Kind.SWITCH,
        "Leave images as they are that are smaller than --resize would make them.",
    ),
    _option(
        "--center-crop",
        Kind.SWITCH,
        "Cut the largest square out of the middle, before resizing.",
        refusals=_center_crop,
    ),
    _option(
        "--filter",
        Kind.CHOICE,
        "Filter that --resize uses; default: lanczos, with --engine opencv bilinear.",
        choices=images.FILTERS,
    ),
    _option(
        "--quality",
        Kind.NUMBER,
        "JPEG quality, 0-100; default 95. With --encoding .png the compression level; default 6.",
        least=0,
        most=100,
    ),
    _option(
        "--subsampling",
        Kind.CHOICE,
        "Chroma subsampling of JPEGs that are encoded anew; keep is that of the source.",
        choices=images.SUBSAMPLINGS,
    ),
    _option(
        "--color",
        Kind.NUMBER,
        "Channels to store: 1 makes RGB, 0 gray, -1 keeps those of the image. Default: images"
        " that are not encoded anew keep theirs, others become RGB.",
        least=-1,
        most=1,
    ),
    _option(
        "--encoding",
        Kind.CHOICE,
        "Encode every image anew, as this; default: .jpg, where another option encodes.",
        choices=images.ENCODINGS,
    ),
    _option(
        "--engine",
        Kind.CHOICE,
        "Library that decodes, resizes and encodes; opencv gives the bytes of MXNet's im2rec,"
        " which does not antialias.",
        choices=images.ENGINES,
    ),
    _option(
        "--orientation",
        Kind.CHOICE,
        "What to do with images that EXIF says are turned: turn their pixels (bake), store them"
        " as they lie (keep), or refuse them. Default: keep, or bake what is encoded anew.",
        choices=images.ORIENTATIONS,
        refusals=_orientation,
    ),
    _option(
        "--transcode",
        Kind.SWITCH,
        "Take GIF, WebP, BMP, TIFF and PNM images as well, and make JPEGs of them.",
    ),
    _option(
        "--max-pixels",
        Kind.NUMBER,
        "Refuse an image with more pixels than this where it is decoded or enlarged.",
        least=1,
        digests=NO_DIGEST,
    ),
)
"""The options of images, in the order of ``--help``."""
