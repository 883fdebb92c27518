"""The options that say what is read, where to, and which of it is taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pipeline.errors import UsageError
from pipeline.exports import registry as exports
from pipeline.job.options import ON_BAD_IMAGE, Job
from pipeline.job.table.common import EXTENSIONS, FOLDER_CLASSES, RECURSIVE
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import CATALOG, LIST, OPEN, RESHARD, SET, Option
from pipeline.job.table.values import check_words
from pipeline.storage.location import is_address

if TYPE_CHECKING:
    from pipeline.sources.data_set import DataSet


def _nothing_to_read(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del dataset, names
    if not job.source and not job.openimages.is_given:
        yield UsageError("--raw or --tree must be given")


def _extras(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del names
    check_words("--with", job.extras, tuple(dataset.optional))
    texts = dataset.class_texts
    if texts is not None and not job.raw:
        what = f"the {texts.name} is an archive: name the folder that holds it with --raw"
        yield UsageError(what)


def _splits(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del job
    check_words("--split", names, tuple(dataset.splits))
    yield from ()


def _blacklist(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    if job.skip_blacklisted and not any(dataset.splits[name].has_blacklist for name in names):
        yield UsageError("--skip-blacklisted: none of the splits has a blacklist")


def _bad_images(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    """Refuse to skip bad images where class folders are made, which would hold them."""
    del dataset, names
    if job.on_bad_image != "skip":
        return
    asked = exports.asked(job.exports)
    if "extract" in job.steps:
        yield UsageError(
            "--on-bad-image skip is of shards: a tree of class folders would hold the bad images,"
            " too; leave it out, or make the tree by a command of its own with --until extract"
        )
    elif job.wants("extract") or any(export.changes_images for export in asked):
        needing = [
            export.name
            for export in asked
            if export.changes_images or export.in_class_folders(job.data_dir)
        ]
        yield UsageError(
            f"--on-bad-image skip is of shards: --export {','.join(needing)} needs the class"
            " folders of all images, which would hold the bad ones, too; leave it or the export out"
        )


def _root_elsewhere(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    """Refuse trees of images that lie at an address: their files are copied or linked."""
    del dataset, names
    makes_tree = job.wants("extract") or any(
        export.changes_images for export in exports.asked(job.exports)
    )
    if job.is_listed and is_address(job.root) and makes_tree:
        yield UsageError(
            "a tree of class folders is made of files of this machine, and the images lie at an"
            " address",
            expected="shards, or exports that are files",
            found=job.root,
            remedy="copy the images to this machine first",
        )


INPUT_OPTIONS: Final = (
    Option(
        flag="--images",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Image list (.csv, .tsv, .jsonl or .ndjson with the columns path and label, .parquet"
        " with these where --root is given, or the form of im2rec), annotations with boxes (.json"
        " of COCO, or a folder of XML of VOC), a folder of images, or a .tar, .zip or .parquet of"
        " them; or its s3:// address, and of a list also one of a web server.",
        commands=(LIST,),
        field="images",
        metavar="LIST_OR_FOLDER",
        required=True,
        positional=True,
        anywhere=True,
        digests=CATALOG,
    ),
    Option(
        flag="--raw",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder that holds the archives, or its s3://, http:// or https:// address; it may be"
        " read-only.",
        commands=(SET,),
        field="raw",
        default="",
        metavar="DIR",
        refusals=_nothing_to_read,
        anywhere=True,
    ),
    Option(
        flag="--tree",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder of an unpacked set, which is read instead of the archives of images.",
        commands=(SET,),
        field="tree",
        default=Job.tree,
        metavar="DIR",
        digests=CATALOG,
    ),
    Option(
        flag="--config",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="TOML file that describes the archives, splits and labels; default: ILSVRC2012's.",
        commands=(SET,),
        field="config",
        default="",
        metavar="FILE",
        digests=CATALOG,
    ),
    Option(
        flag="--with",
        kind=Kind.TEXT,
        group=Group.INPUT,
        help="Optional archive to use as well; of ILSVRC2012 validation-boxes, test or devkit.",
        commands=(SET,),
        field="extras",
        default=Job.extras,
        metavar="NAME",
        repeats=True,
        digests=CATALOG,
        refusals=_extras,
    ),
    Option(
        flag="--root",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder that the paths of the list are relative to, or its s3://, http:// or https://"
        " address, or a zip or tar that has the images; default: the list's own folder.",
        commands=(LIST,),
        field="root",
        default=Job.root,
        metavar="DIR",
        anywhere=True,
        refusals=_root_elsewhere,
    ),
    Option(
        flag="--path-column",
        kind=Kind.TEXT,
        group=Group.INPUT,
        help="Column of a CSV, TSV or JSONL list that holds the paths; default: path.",
        commands=(LIST,),
        field="path_column",
        default=Job.path_column,
        metavar="NAME",
        digests=CATALOG,
    ),
    Option(
        flag="--label-column",
        kind=Kind.TEXT,
        group=Group.INPUT,
        help="Column of a CSV, TSV or JSONL list, or of Parquet, that holds the labels, numbers or"
        " texts; default: label.",
        commands=(LIST, RESHARD),
        field="label_column",
        default=Job.label_column,
        metavar="NAME",
        digests=CATALOG,
    ),
    Option(
        flag="--split-column",
        kind=Kind.TEXT,
        group=Group.INPUT,
        help="Column of a CSV, TSV or JSONL list that names the split of each image; default: the"
        " column split, where there is one.",
        commands=(LIST,),
        field="split_column",
        default=Job.split_column,
        metavar="NAME",
        digests=CATALOG,
    ),
    RECURSIVE,
    EXTENSIONS,
    FOLDER_CLASSES,
    Option(
        flag="--out",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder to write to, or its s3:// address; it is made if it does not exist.",
        commands=(SET, LIST, RESHARD),
        field="out",
        metavar="DIR",
        required=True,
        anywhere=True,
    ),
)

SELECTION_OPTIONS: Final = (
    Option(
        flag="--split",
        kind=Kind.TEXT,
        group=Group.SELECTION,
        help="Split to prepare, such as train; default: all.",
        commands=(SET, RESHARD, OPEN),
        field="splits",
        default=Job.splits,
        metavar="NAME",
        repeats=True,
        refusals=_splits,
    ),
    Option(
        flag="--split",
        kind=Kind.SHARES,
        group=Group.SELECTION,
        help="Split to make and what part of the images it gets, such as train=0.9; which images"
        " follows from their paths alone. Default: one split, or those that a column of the list or"
        " the folders name.",
        commands=(LIST,),
        field="shares",
        default=(),
        metavar="NAME=SHARE",
        repeats=True,
        digests=CATALOG,
    ),
    Option(
        flag="--classes",
        kind=Kind.PATH,
        group=Group.SELECTION,
        help="File of the only classes to take, a WNID a line; default: all.",
        commands=(SET,),
        field="classes",
        default=Job.classes,
        metavar="FILE",
        digests=CATALOG,
    ),
    Option(
        flag="--skip-blacklisted",
        kind=Kind.SWITCH,
        group=Group.SELECTION,
        help="Leave out the images of the localisation blacklist.",
        commands=(SET,),
        field="skip_blacklisted",
        default=Job.skip_blacklisted,
        digests=CATALOG,
        refusals=_blacklist,
    ),
    Option(
        flag="--boxes",
        kind=Kind.SWITCH,
        group=Group.SELECTION,
        help="Whether to read bounding boxes; --no-boxes needs no archive of them.",
        commands=(SET,),
        field="boxes",
        default=Job.boxes,
        off="--no-boxes",
        digests=CATALOG,
    ),
    Option(
        flag="--box-class-filter",
        kind=Kind.SWITCH,
        group=Group.SELECTION,
        help="Drop boxes whose class is not that of their image, as TensorFlow's script does.",
        commands=(SET,),
        field="box_class_filter",
        default=Job.box_class_filter,
        digests=CATALOG,
    ),
    Option(
        flag="--on-bad-image",
        kind=Kind.CHOICE,
        group=Group.SELECTION,
        help="What an image that cannot be stored does: fail the command, or be skipped, counted"
        " and named (exit status 4).",
        commands=(SET, LIST, RESHARD),
        field="on_bad_image",
        default=Job.on_bad_image,
        choices=ON_BAD_IMAGE,
        refusals=_bad_images,
    ),
)
