"""The steps of ``shardmill report``: images are chosen, sheets drawn, pages written."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import luigi
from luigi.parameter import ParameterVisibility

from pipeline import manifest
from pipeline.documents.report import (
    ReportImagesMark,
    ReportSheetsMark,
)
from pipeline.finished import arrow_tables
from pipeline.report import chosen, gathered, images, places, renewal, sheets, tables
from pipeline.report.page_files import first_page, pages_of_classes
from pipeline.report.renewal import NO_DUPLICATES
from pipeline.storage import Location, StagedFile
from tasks.base import JobParameter, Volume
from tasks.duplicates import WriteDuplicates
from tasks.report_step import ReportTask

_PAGES_AT_ONCE: Final = 64
"""Pages that are published together: each is an open file until then."""


class ReadReportImages(ReportTask):
    """Facts and plan of a split are read: what the page says of all images, and which it shows."""

    split: luigi.Parameter[str] = luigi.Parameter(description="name of the split")

    step = "report: choose images"

    def mark(self) -> Location:
        """Return the path of its mark."""
        return places.images_mark(self.folder, str(self.digest), str(self.split))

    def complete(self) -> bool:
        """Whether the tables are there."""
        return self.marked(ReportImagesMark) is not None

    def make(self) -> Volume:
        """Write the tables."""
        split = str(self.split)
        output = self.survey.splits[split]
        total = output.document.counts.records if output.document else 0
        with self.counter(total, "images", split) as progress:
            read = images.read(output, progress)
        contents = {"chosen": read.chosen, "classes": read.classes, "figures": read.figures}
        with contextlib.ExitStack() as stack:
            staged = []
            for name in tables.ALL:
                path = places.table(self.folder, str(self.digest), split, name)
                staged.append(stack.enter_context(StagedFile(path)))
                arrow_tables.write(staged[-1], contents[name])
            written = self.publish(
                staged,
                split=split,
                images=read.images,
                sheets=read.sheets,
                whole=read.whole,
                damaged=[f"{each.place}: {each.what}" for each in read.damage],
            )
        return Volume(read.images, written)


class DrawSheets(ReportTask):
    """A group of contact sheets of a split is drawn."""

    split: luigi.Parameter[str] = luigi.Parameter(description="name of the split")
    group: luigi.IntParameter = luigi.IntParameter(description="0-based number of the group")

    step = "report: draw sheets"

    def mark(self) -> Location:
        """Return the path of its mark."""
        return places.sheets_mark(self.folder, str(self.digest), str(self.split), int(self.group))

    def complete(self) -> bool:
        """Whether the sheets are there."""
        return self.marked(ReportSheetsMark) is not None

    def make(self) -> Volume:
        """Draw the sheets."""
        split, group = str(self.split), int(self.group)
        place = places.images_mark(self.folder, str(self.digest), split)
        whole = manifest.read(place, ReportImagesMark).whole
        work = sheets.SheetWork(self.survey.splits[split], str(self.digest), group, whole)
        with contextlib.ExitStack() as stack:
            with self.counter(len(work.rows()), "images", f"{split} {group}") as progress:
                staged, drawn = sheets.draw(work, stack, progress)
            written = self.publish(
                staged, split=split, group=group, images=[each.to_json() for each in drawn]
            )
        return Volume(len(drawn), written)


class WriteReport(ReportTask):
    """The pages, which lead to everything else.

    They lead to the page of duplicates if there is one, whether it was asked for now or earlier.
    How many sheets there are is known when the images are chosen, so they are dynamic dependencies.
    """

    distance: luigi.IntParameter = luigi.IntParameter(
        default=NO_DUPLICATES, description="bits that duplicates differ in; -1: not asked for"
    )

    step = "report: write pages"

    def requires(self) -> list[ReportTask]:
        """Return what chooses the images of each split, and what finds duplicates."""
        tasks = list[ReportTask]()
        survey, distance = self.survey, int(self.distance)
        for name, digest in survey.sheets.items():
            tasks.append(ReadReportImages(split=name, digest=digest, **self.shared))
        if distance != NO_DUPLICATES:
            digest = survey.duplicates_digest(distance)
            tasks.append(WriteDuplicates(distance=distance, digest=digest, **self.shared))
        return tasks

    def mark(self) -> Location:
        """Return the path of its mark."""
        return places.mark(self.folder, str(self.digest))

    def complete(self) -> bool:
        """Whether the pages are there, and the first one is of this report."""
        return renewal.is_complete(self.survey, int(self.distance))

    def run(self) -> Iterator[list[luigi.Task]]:  # type: ignore[override]
        """Have the sheets drawn that are not there, then write the pages."""
        with self.carrying_out():
            pending = [task for task in self.sheets() if not task.complete()]
        if pending:
            yield pending
        super().run()

    def sheets(self) -> list[luigi.Task]:
        """Return the tasks that draw the sheets."""
        tasks = list[luigi.Task]()
        for name, digest in self.survey.sheets.items():
            place = places.images_mark(self.folder, digest, name)
            groups = chosen.groups(manifest.read(place, ReportImagesMark).sheets)
            tasks += [
                DrawSheets(split=name, group=each, digest=digest, **self.shared)
                for each in range(groups)
            ]
        return tasks

    def make(self) -> Volume:
        """Write the pages, the first one last."""
        out, digest = self.folder, str(self.digest)
        survey = self.survey
        whole = gathered.gather(survey)
        pages, written = pages_of_classes(whole), 0
        for part in itertools.count():
            some = list(itertools.islice(pages, _PAGES_AT_ONCE))
            if not some:
                break
            mark = places.pages_mark(out, digest, part)
            written += self._publish(some, mark, {"digest": digest})
        renewal.forget_others(out, digest)  # the first page is theirs no more
        renewal.remove_duplicates(survey)
        document = {
            "digest": digest,
            "findings": len(whole.damage),
            "left_out": sum(each.left_out for each in survey.splits.values()),
            "parts": part,
            "duplicates": renewal.duplicates_distance(survey),
            "uses": renewal.needed(survey),
        }
        written += self._publish(first_page(whole), self.mark(), document)
        return Volume(0, written)

    def _publish(
        self,
        files: Iterable[tuple[Location, bytes]],
        mark: Location,
        document: Mapping[str, object],
    ) -> int:
        """Publish files and their mark; return their bytes."""
        with contextlib.ExitStack() as stack:
            staged = []
            for path, content in files:
                staged.append(stack.enter_context(StagedFile(path)))
                staged[-1].write(content)
            manifest.publish(staged, mark, self.folder, document)
            return sum(file.size for file in staged)


class Report(luigi.WrapperTask):
    """The report of an output: `digest` is of everything that it shows."""

    out: luigi.Parameter[str] = luigi.Parameter(description="output folder")
    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the page")
    distance: luigi.IntParameter = luigi.IntParameter(
        default=NO_DUPLICATES, description="bits that duplicates differ in; -1: not asked for"
    )
    job: JobParameter = JobParameter(
        significant=False, visibility=ParameterVisibility.HIDDEN, description="the whole job"
    )

    def requires(self) -> WriteReport:
        """Return what writes its pages."""
        return WriteReport(out=self.out, digest=self.digest, distance=self.distance, job=self.job)
