"""The steps that sort archives by shard, a segment at a time, where a disk seeks slowly."""

from __future__ import annotations

from typing import Any, Final, Self

import luigi

from pipeline import manifest
from pipeline.documents.segments import SegmentMark, SegmentRowsMark
from pipeline.job.artifacts import SEGMENT_ROWS, SEGMENTS, Artifact
from pipeline.job.resolve import ResolvedJob
from pipeline.segments import of_split, places
from pipeline.segments.make import make_rows, make_segment, planned_rows
from pipeline.segments.rows import bounds
from pipeline.storage import Location
from tasks.base import Volume
from tasks.splits import SplitTask

_ONE_READER: Final = "archives in their order"


class FindSegmentRows(SplitTask):
    """The rows of a plan by segment, for all segments; `digest` is the segments'."""

    makes = SEGMENT_ROWS
    document_kind = SegmentRowsMark
    resources = {_ONE_READER: 1}  # noqa: RUF012 - Luigi's own

    def make(self) -> Volume:
        """Read the plan once, and write its rows by segment."""
        with self.counter(self.split_job.expected.images, "images") as progress:
            written = make_rows(self.resolved, self.split_job, progress)
        return Volume(images=written.images)


class SortSegment(SplitTask):
    """The images of one segment of archives, in the order of shards; `digest` is the segments'."""

    number: luigi.IntParameter = luigi.IntParameter(description="0-based number of the segment")
    makes = SEGMENTS
    document_kind = SegmentMark
    resources = {_ONE_READER: 1}  # noqa: RUF012 - Luigi's own
    """One at a time: two would make the disk go to and fro, and each holds a whole segment."""

    @classmethod
    def of(cls, resolved: ResolvedJob, artifact: Artifact) -> list[Self]:
        """Return a task for each segment."""
        layout = of_split.layout_of(resolved, resolved.splits[artifact.split])
        named = {**cls.named(artifact), "out": resolved.job.out, "job": resolved.job}
        return [cls(number=number, **named) for number in range(layout.segments)]

    @classmethod
    def named(cls, artifact: Artifact) -> dict[str, Any]:
        """Return the parameters that name the segments of a split."""
        return {"split": artifact.split, "digest": artifact.digest}

    @property
    def counter_name(self) -> str:
        """What its progress is noted under."""
        return f"{self.split} {self.number}"

    @property
    def priority(self) -> float:  # type: ignore[override] # Luigi asks each task for it
        """What Luigi begins with: the segments in their order, before other tasks."""
        return 1 / (1 + int(self.number))

    def mark(self) -> Location:
        """Return the path of the mark of this segment."""
        return places.mark(self.folder, str(self.digest), self.number)

    def document(self) -> SegmentMark | None:
        """Return that mark, if the sorted segment is there."""
        return manifest.read_complete(self.mark(), self.folder, SegmentMark)

    def make(self) -> Volume:
        """Read the segment, and write its images by shard."""
        (source,) = self.needed(SEGMENT_ROWS)
        with self.invalidating(source):
            rows = planned_rows(self.resolved, self.split_job, self.number)
        start, stop = bounds(rows)
        with self.counter(stop - start, "bytes") as progress:
            make_segment(self.resolved, self.split_job, self.number, rows, progress)
        return Volume(images=len(rows), size=stop - start)
