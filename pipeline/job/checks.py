"""What the options of a job may be, alone and together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline import storage
from pipeline.catalog import order as sharding
from pipeline.errors import UsageError
from pipeline.exports import registry as exports
from pipeline.exports.base import TRANSFERS
from pipeline.formats import registry as shardformats
from pipeline.formats.base import DETECTION, JOINED, LABELS
from pipeline.formats.registry import ALL, FORMATS
from pipeline.images import prepare as images
from pipeline.images.prepare import PLAIN
from pipeline.job import exports as exportjob
from pipeline.job.options import EXPORTS, ON_BAD_IMAGE, STEPS, Job
from pipeline.job.split import SplitJob
from pipeline.job.table.shards import NO_SHARDS
from pipeline.job.table.values import check_words
from pipeline.sources.data_set import BOXES, DataSet

_LABEL_OFFSET_LIMIT = 1 << 30


def check_choices(job: Job, dataset: DataSet, names: tuple[str, ...]) -> None:
    """Check each option by itself: known words, and numbers within their limits.

    Raises:
        UsageError: an option has a value that means nothing.
    """
    for option, given, known in (
        ("--split", names, tuple(dataset.splits)),
        ("--shards", [split for split, _ in job.shards], names),
        ("--format", job.formats, tuple(ALL)),
        ("--with", job.extras, tuple(dataset.optional)),
        ("--order", (job.order,), _orders(dataset)),
        ("--labels", (job.labels,), LABELS),
        ("--engine", (job.image.engine,), images.ENGINES),
        ("--transfer", (job.transfer,), TRANSFERS),
        ("--export", job.exports, EXPORTS),
        ("--on-bad-image", (job.on_bad_image,), ON_BAD_IMAGE),
        ("steps", job.steps, STEPS),
    ):
        check_words(option, given, known)
    if not 0 <= (job.seed or 0) < sharding.SEED_LIMIT:
        raise UsageError(f"--seed {job.seed}", expected="0 to 2**64 - 1", found=str(job.seed))
    if job.label_offset is not None and not 0 <= job.label_offset < _LABEL_OFFSET_LIMIT:
        raise UsageError(
            f"--label-offset {job.label_offset}: labels are not negative, and fit 32 bits",
            expected=f"0 to {_LABEL_OFFSET_LIMIT - 1}",
            found=str(job.label_offset),
        )
    if not job.formats:
        raise UsageError(
            "no format is asked for",
            expected=f"{', '.join(FORMATS)}; {NO_SHARDS} makes no shards",
            found="an empty list",
            remedy="name one with --format, or leave --format out",
        )


def _orders(dataset: DataSet) -> tuple[str, ...]:
    """Return the orders that have a meaning: a list has no classes, a set no order of its own."""
    of_some = {"inception", "list"}
    return tuple(o for o in sharding.ORDERS if o not in of_some or o in dataset.own_orders)


def check_combinations(job: Job, dataset: DataSet, names: tuple[str, ...]) -> None:
    """Check that the options mean something together.

    Raises:
        UsageError: two of them contradict each other, or one has no effect.
    """
    inception = job.order == "inception"
    formats = [ALL[name] for name in job.formats]
    no_shards = not all(each.holds_images for each in formats)
    boxes = job.boxes and BOXES in dataset.offers
    refusals = {
        "--raw or --tree must be given": not (job.raw or job.tree or job.images),
        **dict.fromkeys(shardformats.without_meaning(job.formats, _of_formats(job)), True),
        "--labels detection makes labels of bounding boxes: do not leave them out": (
            job.labels != LABELS[0] and not boxes
        ),
        "boxes are fractions of images as they lie, and --orientation bake would make them"
        " wrong: leave it out, or say --no-boxes": (boxes and job.image.orientation == "bake"),
        "boxes are fractions of whole images, and --center-crop would make them wrong: leave it"
        " out, or say --no-boxes": (boxes and job.image.center_crop),
        **{
            f"{each.title} shards hold JPEGs: leave --encoding .png or --format {each.name} out": (
                each.jpeg_only and job.image.encoding == ".png"
            )
            for each in formats
        },
        "--format none is no shards: leave it or the other formats out": (
            no_shards and len(formats) > 1
        ),
        "--format none stores no images: leave out what they should become": (
            no_shards and replace(job.image, max_pixels=PLAIN.max_pixels) != PLAIN
        ),
        "--seed has no meaning with --order inception, whose shuffle is fixed": (
            inception and job.seed is not None
        ),
        "--recursive and --exts have a meaning with a folder only": (
            bool(job.images and (job.recursive or job.extensions))
            and storage.stat(Path(job.images)) is not None  # else that is said instead
            and storage.real_folder(Path(job.images)) is None
        ),
        "--classes is a table of class folders here: it goes with a folder and --recursive": (
            bool(job.images and job.classes) and not job.recursive
        ),
        "--inception-threads has a meaning with --order inception only": (
            not inception and job.inception_threads is not None
        ),
        "--transfer has a meaning with --tree and --extract only": (
            job.transfer != "copy" and not job.images and not (job.tree and job.wants("extract"))
        ),
        "--transfer has a meaning with --extract only": (
            job.transfer != "copy" and bool(job.images) and not job.wants("extract")
        ),
        "--transfer move would leave nothing where the list or folder says: choose another": (
            job.transfer == "move" and bool(job.images)
        ),
        "--transfer move would take away what the shards are made from: say --until extract": (
            job.transfer == "move" and job.wants("shards")
        ),
        "--skip-blacklisted: none of the splits has a blacklist": (
            job.skip_blacklisted and not any(dataset.splits[name].has_blacklist for name in names)
        ),
        _skip_in_trees(job): job.on_bad_image == "skip" and _makes_trees(job),
        "a split without labels has no classes to extract into: leave --extract or it out": (
            "extract" in job.steps and any(not dataset.splits[name].has_classes for name in names)
        ),
        "the devkit is an archive: name the folder that holds it with --raw": (
            "devkit" in job.extras and not job.raw
        ),
    }
    for what, refused in refusals.items():
        if refused:
            raise UsageError(what)
    exportjob.check(job, dataset, names)


def _makes_trees(job: Job) -> bool:
    """Whether class folders of images are made, as they are or changed."""
    changed = any(export.changes_images for export in exports.asked(job.exports))
    return changed or job.wants("extract")


def _skip_in_trees(job: Job) -> str:
    """Return why bad images cannot be skipped where class folders are made."""
    if "extract" in job.steps:
        return (
            "--on-bad-image skip is of shards: a tree of class folders would hold the bad images,"
            " too; leave it out, or make the tree by a command of its own with --until extract"
        )
    needing = [
        export.name
        for export in exports.asked(job.exports)
        if export.changes_images or export.in_class_folders(job.data_dir)
    ]
    return (
        f"--on-bad-image skip is of shards: --export {','.join(needing)} needs the class folders of"
        " all images, which would hold the bad ones, too; leave it or the export out"
    )


def _of_formats(job: Job) -> list[str]:
    """Return the options that are asked for and that only some formats take."""
    given = {DETECTION: job.labels != LABELS[0], JOINED: job.joined}
    return [option for option, is_given in given.items() if is_given]


def check_detection(job: Job, splits: Mapping[str, SplitJob]) -> None:
    """Check that splits whose labels are to be made of bounding boxes have some.

    Raises:
        UsageError: one has none.
    """
    without = [name for name, split in splits.items() if split.boxes is None]
    if job.labels != LABELS[0] and job.wants("shards") and without:
        raise UsageError(
            f"--labels detection: no bounding boxes are read for the split {', '.join(without)}",
            expected="boxes in every split",
            remedy="name their archive with --with, or choose other splits with --split",
        )


def check_label_widths(job: Job, splits: Mapping[str, SplitJob]) -> None:
    """Check that the formats can hold as many labels as the images have.

    Raises:
        BadAnnotation: one cannot.
    """
    for split in splits.values():
        widths = split.source.label_widths
        if widths is not None and any(ALL[name].one_label_width for name in job.formats):
            others = shardformats.of_any_label_width()
            widths.check(job.images, f"say --format {others}, which hold any number of labels")
