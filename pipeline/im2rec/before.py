"""Whether the output that lies where a job writes is an earlier one of the same job."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pipeline import manifest, storage
from pipeline.documents.packed import PackedList, PackManifest
from pipeline.errors import OutputConflict, OutputDamaged, ShardmillError, Vanished
from pipeline.im2rec.batches import Survey
from pipeline.im2rec.job import PackJob
from pipeline.sources.imagelist import lst


def check_before(job: PackJob, content: Survey, listing: str) -> None:
    """Check that an output, if there is one, may be replaced by that of a job.

    Args:
        job: what is about to be packed.
        content: what its list holds.
        listing: the xxh3-128 of its list.

    Raises:
        OutputConflict: its index and manifest are those of another RecordIO file; its images lie
            below another root; or it has its name of the list, and is of a list of another name,
            or of one that has no image of this one.
    """
    targets = job.targets
    with contextlib.suppress(Vanished, OutputDamaged):
        before = manifest.read(targets.manifest, PackManifest)
        records = before.files[0].file
        if records != targets.records.name:
            raise _conflict(
                "this is the manifest of another output, and is not replaced",
                targets.manifest,
                f"that of {targets.records.name}",
                f"that of {records}",
            )
        if storage.stat(targets.records) is None:
            return  # it was removed, so nothing is lost
        packed = before.inputs[0]
        other = _other_root(job, packed) if content.rooted else None
        if other is not None:
            raise _conflict(
                "an output of images below another root has this name, and is not replaced",
                targets.manifest,
                f"images below {job.root.absolute()}",
                f"images below {other}",
            )
        if not job.named_by_list:
            return
        if job.listing.name != packed.list:
            expected, found = f"one of {job.listing.name}", f"one of {packed.list}"
        elif _has_other_images(job, listing, packed):
            expected, found = "one that has an image of this list", "a list without any of them"
        else:
            return
        what = "an output of another list has this name, and is not replaced"
        raise _conflict(what, targets.manifest, expected, found)


def _other_root(job: PackJob, before: PackedList) -> str | None:
    """Return the root of the images that were packed; None: it is that of the job, or unknown.

    It is compared as a path first: a folder that went by this name and was replaced is the same
    source to the user, and one that has two names through a link is the same folder.
    """
    if before.root is None or before.root == job.root_from_output:
        return None
    folder = job.targets.manifest.parent
    root = storage.full_path(str((storage.real_folder(folder) or folder) / before.root))
    return None if storage.same_folder(Path(root), job.root) else root


def _has_other_images(job: PackJob, listing: str, before: PackedList) -> bool:
    """Whether the list that was packed has no image of this one: two folders have a list each.

    A list that was corrected keeps some; the first table of what was packed is looked at.
    """
    packed = job.targets.listing
    if packed is None or listing == before.xxh3_128:
        return False
    if storage.stat(packed) is None:
        return False
    with contextlib.suppress(ShardmillError):  # it is changed by hand, and was not to be replaced
        earlier = set(next(lst.read(packed, unique=False))["path"].to_pylist())
        tables = lst.read(job.listing, unique=False)
        return all(earlier.isdisjoint(table["path"].to_pylist()) for table in tables)
    return False


def _conflict(what: str, file: Path, expected: str, found: str) -> OutputConflict:
    return OutputConflict(
        what,
        file=str(file),
        expected=expected,
        found=found,
        remedy="give another output folder or name, or move the other output away",
    )
