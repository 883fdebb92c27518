"""Removes damaged files, so that the command that made them makes exactly those again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline import paths, storage
from pipeline.errors import ShardmillError
from pipeline.job import Job
from pipeline.resolved import ResolvedJob, resolve
from pipeline.verification.findings import Finding


@dataclass(frozen=True)
class Removal:
    """What became of damaged files.

    Attributes:
        removed: those that are gone now.
        kept: those that are somebody else's, that cannot be made again, or that the program
            replaces where they stand.
    """

    removed: tuple[Path, ...]
    kept: tuple[Path, ...]


def remove_damaged(out: Path, findings: Iterable[Finding]) -> Removal:
    """Remove the files of findings, of which each must allow it.

    What a link leads to outside of `out` is somebody else's, whatever findings say.

    Raises:
        NoPermission: one may not be removed.
    """
    removable: dict[Path, bool] = {}
    for finding in findings:
        path, before = finding.path, removable.get(finding.path, True)
        removable[path] = before and finding.removable and storage.is_within(path, out)
    there = [path for path in removable if storage.stat(path) is not None]
    removed = [path for path in there if removable[path]]
    for path in removed:
        storage.remove(path)
    return Removal(tuple(removed), tuple(path for path in there if not removable[path]))


def makers(jobs: Iterable[Job], removed: Iterable[Path]) -> list[Job]:
    """Return the jobs that make one of these files; all of them where none is known to."""
    files = list(removed)
    latest = list({job.to_json(): job for job in jobs}.values())
    return [job for job in latest if any(_makes(job, file) for file in files)] or latest


def _makes(job: Job, file: Path) -> bool:
    try:
        resolved = resolve(job)
    except ShardmillError:
        return True  # what it would make is not known any more
    return bool(_digests(resolved) & set(_words(file))) or any(
        file in (made, paths.product_mark(resolved.out, product.name)) or made in file.parents
        for product in resolved.products
        for made in product.files
    )


def _digests(resolved: ResolvedJob) -> set[str]:
    """Return the digests that the names of what a job makes carry."""
    found = {product.digest for product in resolved.products if product.tree}
    for split in resolved.splits.values():
        found |= {split.catalog_digest, split.plan_digest, *(made.digest for made in split.outputs)}
    return found


def _words(file: Path) -> list[str]:
    return [*file.parts, file.stem.rpartition("-")[2]]
