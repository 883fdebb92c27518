"""The step that has a metadata file in the raw folder, and knows what it is."""

from __future__ import annotations

import luigi

from pipeline.sources.openimages import metadata
from pipeline.sources.openimages.file_table import PublishedFile
from tasks.base import Volume, logger
from tasks.openimages.base import CollectTask
from tasks.run.processes import notice


class FetchMetadata(CollectTask):
    """One metadata file is there, with the size and MD5 that are pinned."""

    raw: luigi.Parameter[str] = luigi.Parameter(description="folder of the metadata files")
    file: luigi.Parameter[str] = luigi.Parameter(description="name of the file")
    step = "metadata"

    @property
    def counter_name(self) -> str:
        """The name of the file."""
        return str(self.file)

    @property
    def published(self) -> PublishedFile:
        """The file as it is published."""
        return self.collection.config.files[str(self.file)]

    def complete(self) -> bool:
        """Whether the file is there and looks as it did when it was verified."""
        what = self.collection
        return metadata.known(self.published, what.out, what.raw) is not None

    def make(self) -> Volume:
        """Look for it, fetch it if it is not there, and verify it."""
        what, file = self.collection, self.published
        with self.counter(file.bytes or 0, "bytes") as progress:
            there = metadata.ensure(
                file,
                what.out,
                what.raw,
                offline=what.options.offline,
                # The MD5 of a file that is not pinned is part of digests, so people should see it.
                say=notice if file.md5 is None else logger.info,
                tell=lambda done, _total: progress(done),
            )
        return Volume(size=there.info.size)
