"""Removes damaged files, so that the command that made them makes exactly these again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline import storage
from pipeline.errors import ShardmillError
from pipeline.job import exports as exportjob
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state.ownership import Catalogued, is_owned
from pipeline.storage import Location, Plan
from pipeline.verification.findings import Finding


@dataclass(frozen=True)
class Removal:
    """What became of damaged files.

    Attributes:
        removed: those that are gone now.
        kept: those that are somebody else's, that cannot be made again, that the program replaces
            where they stand, that lie behind a link, or that have changed since they were read.
    """

    removed: tuple[Location, ...]
    kept: tuple[Location, ...]


class Damaged:
    """The damaged files of an output folder, as they were when they were found.

    Args:
        out: the output folder; what a link below it leads to is somebody else's.
    """

    def __init__(self, out: Location) -> None:
        self._out = out
        self._plans: dict[Location, Plan] = {}
        self._kept: set[Location] = set()

    def note(self, finding: Finding) -> None:
        """Plan to remove the file of a finding; every finding of the file must allow it."""
        path = finding.path
        if not finding.removable:
            self._kept.add(path)
        if path not in self._plans:
            self._plans[path] = storage.plan_files(self._out, [path])

    def remove(self) -> Removal:
        """Remove those that have a name of this program's and are what they were.

        Raises:
            NoPermission: one may not be removed.
        """
        items = [item for plan in self._plans.values() for item in plan.items]
        owned = self._owned([item.path for item in items]) - self._kept
        plan = Plan(self._out, tuple(item for item in items if item.path in owned))
        removed = tuple(item.path for item in storage.carry_out(plan).removed)
        gone = frozenset(removed)
        left = (path for path in self._plans if path not in gone)
        return Removal(removed, tuple(path for path in left if self._is_there(path)))

    def _is_there(self, path: Location) -> bool:
        plan = self._plans[path]
        return bool(plan.items or plan.strangers) and storage.stat(path) is not None

    def _owned(self, files: Iterable[Location]) -> set[Location]:
        """Return those files that this program writes, by their names."""
        named = {path: is_owned(self._out, path) for path in files}
        images = Catalogued(self._out, (path.parent.name for path, own in named.items() if not own))
        return {path for path, own in named.items() if own or self._is_image(path, images)}

    def _is_image(self, path: Location, images: Catalogued) -> bool:
        """Whether a file is an image in a class folder of a tree, which a catalog names."""
        tree = path.parent.parent
        reserved = tree.name in exportjob.taken_names()
        in_tree = tree.parent == self._out and not reserved
        return in_tree and (path.parent.name, path.name) in images


def remove_damaged(out: Location, findings: Iterable[Finding]) -> Removal:
    """Remove the files of findings; see `Damaged`."""
    damaged = Damaged(out)
    for finding in findings:
        damaged.note(finding)
    return damaged.remove()


def makers(jobs: Iterable[Job], removed: Iterable[Location]) -> list[Job]:
    """Return the jobs that make one of these files; all of them where none is known to."""
    files = list(removed)
    latest = list({job.to_json(): job for job in jobs}.values())
    return [job for job in latest if any(_makes(job, file) for file in files)] or latest


def _makes(job: Job, file: Location) -> bool:
    try:
        resolved = resolve(job)
    except ShardmillError:
        return True  # what it would make is not known any more
    versioned = {artifact.digest for artifact in resolved.graph if artifact.versioned}
    return bool(versioned & set(_words(file))) or any(
        file in (product_file, product.mark) or storage.is_below(file, product_file)
        for product in resolved.products
        for product_file in product.files
    )


def _words(file: Location) -> list[str]:
    return [*str(file).split("/"), file.stem.rpartition("-")[2]]
