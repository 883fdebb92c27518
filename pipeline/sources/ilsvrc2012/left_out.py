"""What a configuration leaves out of a job: which archives are to be read before it is planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.catalog.classes import LabelTable
from pipeline.errors import ConfigError, NotCollected
from pipeline.job.options import Job
from pipeline.sources.ilsvrc2012 import first_pass
from pipeline.sources.ilsvrc2012.dataset import DatasetConfig, SplitConfig
from pipeline.sources.inputs import NO_MD5, Archive


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What the configuration of a job does not say.

    Attributes:
        job: the job.
        config: the configuration.
        archives: all of them by name, with the MD5s that were recorded.
        table: the label table.
    """

    job: Job
    config: DatasetConfig
    archives: Mapping[str, Archive]
    table: LabelTable

    def unread(
        self, splits: Sequence[SplitConfig], others: Iterable[Archive | None]
    ) -> tuple[Archive, ...]:
        """Return the archives that are to be read first.

        Args:
            splits: those that are prepared.
            others: archives that are needed besides those of their images.
        """
        images = [] if self.job.tree else [self._archive(split.archive) for split in splits]
        needed = [*images, *(archive for archive in others if archive is not None)]
        found = [
            archive
            for archive in needed
            if archive.md5 == NO_MD5 or (archive in images and self._uncounted(archive))
        ]
        return tuple({archive.file: archive for archive in found}.values())

    def record(self, archive: Archive, md5: str) -> None:
        """Record the MD5 of an archive, and count the images of the splits that lie in it.

        Raises:
            ArchiveRefused: a member is not what a split of it promises.
        """
        splits = self._uncounted(replace(archive, md5=md5))
        first_pass.record(self.job.folder, archive.file, md5, splits, self.table)

    def complete(self, split: SplitConfig) -> SplitConfig:
        """Return a split of which it is known how many images it has.

        Raises:
            ConfigError: it is read from a tree, of which nothing is recorded.
            NotCollected: its archive is to be read first.
        """
        if split.is_counted:
            return split
        if self.job.tree:
            raise ConfigError(
                f"split {split.name}: a tree is read only where it is said how many images it has",
                file=str(self.config.path),
                expected="counts, or images",
                remedy="`shardmill describe TREE` counts them",
            )
        archive = pinned(self._archive(split.archive))
        found = first_pass.with_counts(self.job.folder, split, archive, self.table)
        if found is None:
            raise _not_read(archive)
        return found

    def _archive(self, file: str) -> Archive:
        return next(archive for archive in self.archives.values() if archive.file == file)

    def _uncounted(self, archive: Archive) -> list[SplitConfig]:
        """Return the splits of an archive of which it is not known how many images they have."""
        return [
            split
            for split in self.config.splits.values()
            if split.archive == archive.file
            and first_pass.with_counts(self.job.folder, split, archive, self.table) is None
        ]


def pinned(archive: Archive) -> Archive:
    """Return an archive whose MD5 is known.

    Raises:
        NotCollected: it is to be read first.
    """
    if archive.md5 == NO_MD5:
        raise _not_read(archive)
    return archive


def _not_read(archive: Archive) -> NotCollected:
    return NotCollected(
        "the configuration leaves out what an archive holds, and it was not read yet",
        file=archive.file,
        expected="its MD5, and how many images it has",
        remedy="run the command that prepares it: that reads the archive and records both",
    )
