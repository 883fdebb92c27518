"""The files of a source that are read one by one before anything else of a job can be planned."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline import storage
from pipeline.archives.passage import Progress
from pipeline.job import exports
from pipeline.job.options import Job
from pipeline.sources import registry
from pipeline.sources.data_set import DataSet

_MOST_GROUPS = 256


@dataclass(frozen=True, eq=False)
class Listing:
    """The files to read.

    Attributes:
        dataset: whose they are.
        files: their names, relative to its root, in order; one at least.
    """

    dataset: DataSet
    files: tuple[str, ...]

    def is_done(self, file: str) -> bool:
        """Whether a file was read, and looks as it did then."""
        return self.dataset.is_listed(file)

    def read(self, file: str, progress: Progress) -> None:
        """Read a file; see `DataSet.list_file`."""
        self.dataset.list_file(file, progress)

    def size(self, file: str) -> int:
        """Return how many bytes a file has."""
        info = storage.stat(storage.below(self.dataset.root, file))
        return info.size if info else 0

    def groups(self) -> list[tuple[int, int]]:
        """Return (first, stop) of the files that are one task together."""
        count = len(self.files)
        at_once = -(-count // _MOST_GROUPS)
        return [(at, min(at + at_once, count)) for at in range(0, count, at_once)]


def listing(job: Job) -> Listing | None:
    """Return the files of a job that are to be read first; None: there are none, or all are read.

    Raises:
        UsageError: the options cannot be met.
    """
    storage.use(job.remote)
    if not registry.lists_files(job):
        return None
    dataset = registry.data_set(job, exports.taken_names())
    files = dataset.unlisted(job.splits or dataset.default_splits)
    return Listing(dataset, files) if files else None
