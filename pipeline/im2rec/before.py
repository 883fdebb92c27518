"""Whether the output that lies where a job writes is an earlier one of the same job."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pipeline import manifest, storage
from pipeline.errors import OutputConflict, OutputDamaged, ShardmillError, Vanished
from pipeline.im2rec.batches import Survey
from pipeline.im2rec.job import PackJob
from pipeline.manifest import Document
from pipeline.sources import lst


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
        before = manifest.load(targets.manifest)
        records = [entry.file for entry in manifest.files_of(before)][:1]
        if records and records != [targets.records.name]:
            raise _conflict(
                "this is the manifest of another output, and is not replaced",
                targets.manifest,
                f"that of {targets.records.name}",
                f"that of {records[0]}",
            )
        if storage.stat(targets.records) is None:
            return  # it was removed, so nothing is lost
        other = _other_root(job, before) if content.rooted else None
        if other is not None:
            raise _conflict(
                "an output of images below another root has this name, and is not replaced",
                targets.manifest,
                f"images below {job.root.absolute()}",
                f"images below {other}",
            )
        lists = [each.get("list") for each in before.get("inputs", [])]
        if not job.named_by_list or not lists:
            return
        if job.listing.name not in lists:
            expected, found = f"one of {job.listing.name}", f"one of {lists[0]}"
        elif _has_other_images(job, listing, before):
            expected, found = "one that has an image of this list", "a list without any of them"
        else:
            return
        what = "an output of another list has this name, and is not replaced"
        raise _conflict(what, targets.manifest, expected, found)


def _other_root(job: PackJob, before: Document) -> str | None:
    """Return the root of the images that were packed; None: it is that of the job, or unknown.

    It is compared as a path first: a folder that went by this name and was replaced is the same
    source to the user, and one that has two names through a link is the same folder.
    """
    folder = job.targets.manifest.parent
    for source in before.get("inputs", []):
        recorded = source.get("root")
        if recorded is None or recorded == job.root_from_output:
            continue
        root: str = os.path.normpath(folder / recorded)
        if not storage.same_folder(Path(root), job.root):
            return root
    return None


def _has_other_images(job: PackJob, listing: str, before: Document) -> bool:
    """Whether the list that was packed has no image of this one: two folders have a list each.

    A list that was corrected keeps some; the first table of what was packed is looked at.
    """
    packed = job.targets.listing
    if packed is None or listing in {each.get("xxh3_128") for each in before["inputs"]}:
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
