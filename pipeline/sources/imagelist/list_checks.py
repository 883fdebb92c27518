"""What a list or folder, and the options for it, must be before and after it was read."""

from __future__ import annotations

from pipeline import storage
from pipeline.errors import InputRefused, UsageError
from pipeline.job.options import Job
from pipeline.quantities import counted
from pipeline.sources.imagelist import table_forms as tableforms
from pipeline.sources.imagelist.columns import PATH_AND_LABEL
from pipeline.sources.imagelist.image_listing import ImageListing
from pipeline.storage.local.input_file import check_root, check_shareable


def check_there(job: Job, *, is_annotated: bool) -> None:
    """Check that the list or folder is there, and the folder of its paths."""
    path, root = storage.parse(job.images), storage.parse(job.root)
    check_shareable(path, "an image list")
    if storage.stat(path) is None and not storage.is_folder(path):
        raise UsageError(
            "there is no such list or folder of images",
            file=job.images,
            expected="an image list, or a folder of images",
            remedy="name one that is there",
        )
    check_root(root, "name it with --root")
    if job.classes or _asks_for_columns(job):  # else nothing is asked of a store for it
        is_list = not storage.is_folder(path)
        if is_annotated and not _asks_for_columns(job):
            return
        if not (is_list and tableforms.has_named_columns(path)):
            _check_no_columns(job, is_list=is_list)


def _asks_for_columns(job: Job) -> bool:
    """Whether a column is named that is not read by default."""
    return bool(job.split_column) or (job.path_column, job.label_column) != PATH_AND_LABEL.names


def _check_no_columns(job: Job, *, is_list: bool) -> None:
    """Check that nothing is asked of a folder or list that only named columns give."""
    expected = f"a list whose name ends in {', '.join(tableforms.FORMS)}, with a header or keys"
    if _asks_for_columns(job):
        raise UsageError(
            "--path-column, --label-column and --split-column are of lists whose columns have"
            " names",
            file=job.images,
            expected=expected,
            remedy="leave them out, or rename the list if it is one",
        )
    if is_list and job.classes:
        raise UsageError(
            "--classes is a table of class folders, or of labels that are texts",
            file=job.images,
            expected=f"a folder and --recursive, or {expected}",
            remedy="leave it out: the labels of this list are numbers",
        )


def check_not_empty(job: Job, split: str, listed: ImageListing, images: int) -> None:
    """Check that a split has an image.

    Args:
        job: the job.
        split: name of the split.
        listed: what was found of it.
        images: how many all splits have.
    """
    if listed.images:
        return
    share = dict(job.shares).get(split, 0.0)
    raise InputRefused(
        f"no image falls to the split {split}",
        file=job.images,
        expected="one or more in each split",
        found=f"0 of {counted(images, 'image')} for its share of {share}",
        remedy="give it a larger share, or leave it out: which image falls to which split follows"
        " from the paths alone",
    )


def check_backslashes(job: Job, listed: ImageListing) -> None:
    """Raise if images are missing because their paths are written as on Windows."""
    path = listed.backslashed
    if not path:
        return
    (there,) = storage.file_sizes(listed.root, [path.replace("\\", "/")])
    if there >= 0 or listed.missing == listed.images:
        absolute = path.startswith("\\") or path[1:2] == ":"
        kind = "a drive or a server" if absolute else "backslashes"
        raise InputRefused(
            f"the list has paths with {kind}, as Windows writes them",
            file=job.images,
            expected=f"paths with slashes, relative to {listed.root}",
            found=path,
            remedy="write them with slashes, and take away all that precedes the folders in"
            f" {listed.root}"
            if absolute
            else rf"write them with slashes: tr '\\' / < LIST > NEW{listed.path.suffix or '.lst'}",
        )
