"""What cannot be made where OUT is an address, and what to do instead."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import storage
from pipeline.errors import UsageError
from pipeline.exports import registry
from pipeline.job.options import Job


def check(job: Job) -> None:
    """Check that what a job makes can lie where its output goes.

    Raises:
        UsageError: it cannot, or nothing can be written there.
    """
    out = storage.check_takes_files(job.folder, "--out")
    if storage.takes_folders(out):
        return
    for refusal in _refusals(job):
        raise refusal


def _refusals(job: Job) -> Iterator[UsageError]:
    if "extract" in job.steps:
        yield _refused(
            job,
            "--extract makes a folder of every class, with a file for each image",
            "leave --extract out, and read the images from shards; or give a local folder as --out",
        )
    for export in registry.asked(job.exports):
        if export.on_a_disk:
            yield _refused(
                job,
                f"--export {export.name}: {export.on_a_disk}",
                f"give a local folder as --out for --export {export.name}, and copy it from there;"
                " the shards and all other exports can be made in the store",
            )


def _refused(job: Job, what: str, remedy: str) -> UsageError:
    return UsageError(
        f"{what}, which cannot be made in a store of objects",
        file=job.out,
        expected="an output that consists of shards, lists and single files",
        remedy=remedy,
    )
