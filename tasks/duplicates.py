"""The steps of ``shardmill report --duplicates``: images are hashed, and their hashes compared."""

from __future__ import annotations

import contextlib

import luigi
from msgspec import structs

from pipeline.documents.duplicates import DuplicatesMark, HashesMark
from pipeline.duplicates import finding, hashing
from pipeline.duplicates.hash_tables import HashTables
from pipeline.duplicates.perceptual_hash import VERSION
from pipeline.report import places, renewal, tables
from pipeline.report.duplicates_page import page_files
from pipeline.storage import Location, StagedFile
from tasks.base import Volume
from tasks.report_step import ReportTask


class HashImages(ReportTask):
    """The images of a group of shards are decoded and hashed by what they look like."""

    split: luigi.Parameter[str] = luigi.Parameter(description="name of the split")
    group: luigi.IntParameter = luigi.IntParameter(description="0-based number of the group")

    step = "duplicates: hash images"

    def mark(self) -> Location:
        """Return the path of its mark."""
        return places.hashes_mark(self.folder, str(self.digest), str(self.split), int(self.group))

    def complete(self) -> bool:
        """Whether the hashes are there."""
        mark = self.marked(HashesMark)
        return mark is not None and mark.version == VERSION

    def make(self) -> Volume:
        """Hash the images."""
        split, group = str(self.split), int(self.group)
        output = self.survey.splits[split]
        total = hashing.images_of(output, group)
        with self.counter(total, "images", f"hash {split} {group}") as progress:
            hashed = hashing.hash_group(output, group, progress)
        with StagedFile(places.hashes(self.folder, str(self.digest), split, group)) as staged:
            tables.write(staged, hashed.table)
            written = self.publish(
                [staged],
                split=split,
                group=group,
                version=VERSION,
                images=hashed.table.num_rows,
                damaged=hashed.damaged,
            )
        return Volume(hashed.table.num_rows, written)


class WriteDuplicates(ReportTask):
    """The hashes of all splits are compared, and page and table written of what is alike."""

    distance: luigi.IntParameter = luigi.IntParameter(description="bits that duplicates differ in")

    step = "duplicates: compare"

    def requires(self) -> list[HashImages]:
        """Return what hashes the images of each split."""
        return [
            HashImages(split=name, group=group, **self.shared)
            for name, output in self.survey.splits.items()
            for group in range(hashing.groups(output))
        ]

    def mark(self) -> Location:
        """Return the path of its mark."""
        return places.duplicates_mark(self.folder, str(self.digest))

    def complete(self) -> bool:
        """Whether page and table are there, and of this distance."""
        known = renewal.duplicates_distance(self.folder, str(self.digest))
        return known == int(self.distance)

    def make(self) -> Volume:
        """Compare the hashes and write page and table."""
        survey, distance = self.survey, int(self.distance)
        hashes = HashTables(survey)
        found = finding.find(survey, distance, hashes.of_shard)
        counts = DuplicatesMark(
            str(self.digest),
            VERSION,
            distance,
            exact=found.exact,
            near=found.near,
            between_splits=found.between_splits,
            undecodable=found.without_hash - hashes.damaged,
            damaged=hashes.damaged,
            files=(),
        )
        renewal.forget_duplicates(self.folder)  # page and table are theirs no more
        with contextlib.ExitStack() as stack:
            staged = []
            for path, content in page_files(survey, found, counts):
                staged.append(stack.enter_context(StagedFile(path)))
                staged[-1].write(content)
            document = structs.asdict(counts)
            del document["digest"], document["files"]
            written = self.publish(staged, **document)
        return Volume(found.images, written)
