"""The steps of ``shardmill report --duplicates``: images are hashed, and their hashes compared."""

from __future__ import annotations

import contextlib

import luigi
from msgspec import structs

from pipeline.documents.duplicates import DuplicatesMark, HashesMark
from pipeline.duplicates import finding, hash_groups, hashing
from pipeline.duplicates.hash_tables import HashTables
from pipeline.duplicates.perceptual_hash import VERSION
from pipeline.finished import arrow_tables
from pipeline.report import places, renewal
from pipeline.report.duplicates_page import page_files
from pipeline.storage import Location, StagedFile
from tasks.base import Volume
from tasks.report_step import ReportTask


class HashImages(ReportTask):
    """The images of a group of shards are decoded and hashed by what they look like.

    `digest` is of the shards, and no page's: see `hash_groups`.
    """

    split: luigi.Parameter[str] = luigi.Parameter(description="name of the split")
    group: luigi.IntParameter = luigi.IntParameter(description="0-based number of the group")

    step = "duplicates: hash images"

    def mark(self) -> Location:
        """Return the path of its mark."""
        return hash_groups.mark(self.folder, str(self.split), str(self.digest))

    def complete(self) -> bool:
        """Whether the hashes are there."""
        return self.marked(HashesMark) is not None

    def make(self) -> Volume:
        """Hash the images."""
        split, number = str(self.split), int(self.group)
        output = self.survey.splits[split]
        group = hash_groups.hash_groups(output.document)[number]
        with self.counter(group.images, "images", f"{split} {number}") as progress:
            hashed = hashing.hash_group(output, group, progress)
        with StagedFile(hash_groups.table(self.folder, split, str(self.digest))) as staged:
            arrow_tables.write(staged, hashed.table)
            written = self.publish(
                [staged],
                split=split,
                group=number,
                images=hashed.table.num_rows,
                damaged=hashed.damaged,
                missing=hashed.missing,
            )
        return Volume(hashed.table.num_rows, written)


class WriteDuplicates(ReportTask):
    """The hashes of all splits are compared, and page and table written of what is alike."""

    distance: luigi.IntParameter = luigi.IntParameter(description="bits that duplicates differ in")

    step = "duplicates: compare"

    def requires(self) -> list[HashImages]:
        """Return what hashes the images of each split."""
        return [
            HashImages(
                split=name,
                group=each.number,
                digest=each.digest,
                **self.shared,
            )
            for name, output in self.survey.splits.items()
            for each in hash_groups.hash_groups(output.document)
        ]

    def mark(self) -> Location:
        """Return the path of its mark."""
        return places.duplicates_mark(self.folder, str(self.digest))

    def complete(self) -> bool:
        """Whether page and table are there."""
        return self.marked(DuplicatesMark) is not None

    def make(self) -> Volume:
        """Compare the hashes and write page and table."""
        survey, distance = self.survey, int(self.distance)
        hashes = HashTables(self.folder, survey.splits)
        found = finding.find(survey.splits, distance, hashes.of_shard)
        documents = [each.document for each in survey.splits.values() if each.document]
        records = sum(each.counts.records for each in documents)
        counts = DuplicatesMark(
            str(self.digest),
            VERSION,
            distance,
            exact=found.exact,
            near=found.near,
            between_splits=found.between_splits,
            undecodable=max(0, found.without_hash - hashes.damaged),
            damaged=hashes.damaged,
            files=(),
            missing=records - found.images,  # hashes outlive the facts that they are found by
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
