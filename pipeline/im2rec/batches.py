"""The rows of an image list, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.catalog.label_widths import NO_IMAGES, LabelWidths
from pipeline.errors import InputRefused
from pipeline.im2rec.job import PackJob, Part
from pipeline.sources.imagelist import lst

_FIRST_ONLY = "store only the first label of each: leave --pack-label out, or pack_labels=False"
_STEP = 1 << 20  # bytes of a list that are looked at at once


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a list, in its order.

    Attributes:
        lines: where each stands in the list, from 1.
        ids: of the images.
        labels: of each, one or more.
        paths: as they stand in the list.
    """

    lines: list[int]
    ids: list[int]
    labels: list[list[float]]
    paths: list[str]

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, rows: slice) -> Batch:
        return Batch(self.lines[rows], self.ids[rows], self.labels[rows], self.paths[rows])


@dataclass(frozen=True, slots=True)
class Survey:
    """Counts over all lines of an image list.

    Attributes:
        lines: how many images.
        multiple: how many of them have more than one label.
        widths: how many labels they have.
        rooted: whether any path is relative to the root, so that another root means other images.
    """

    lines: int
    multiple: int
    widths: LabelWidths
    rooted: bool


def survey(job: PackJob) -> Survey:
    """Read a whole list, before hours of work are put into what is before a bad line.

    Raises:
        BadAnnotation: see `lst.read`; all labels are to be stored, and no reader takes their
            numbers, see `LabelWidths.check`.
        InputRefused: there is no image in this part of the list.
    """
    lines = multiple = 0
    widths = NO_IMAGES
    rooted = job.below_root
    for table in _tables(job, unique=True):
        if table.num_rows:
            lines += table.num_rows
            labels = table["labels"].combine_chunks()
            multiple += int(np.count_nonzero(np.diff(labels.offsets.to_numpy()) > 1))
            widths = LabelWidths.of(labels, table["line"].to_numpy()).merged_into(widths)
            rooted = rooted or not pc.all(pc.starts_with(table["path"], "/")).as_py()
    if not lines:
        raise InputRefused(
            "no image in this part of the list, and no reader opens an empty file",
            file=str(job.listing),
            expected="1 image or more",
            found=f"none in part {job.part.number} of {job.part.of}",
            remedy="divide the list into fewer parts",
        )
    if job.labels is not None:
        widths.check(str(job.listing), _FIRST_ONLY)
    return Survey(lines, multiple, widths, rooted)


def batches(job: PackJob, rows: int) -> Iterator[Batch]:
    """Yield the rows of a surveyed list, `rows` at a time, or `job.batch_size` if that is less."""
    step = min(rows, job.batch_size)
    for table in _tables(job, unique=False):
        whole = _batch(table)
        for first in range(0, len(whole), step):
            yield whole[first : first + step]


def part_lines(path: Path, part: Part) -> range:
    """Return the lines, from 1, of a part of a list.

    dmlc-core's InputSplit: n bytes make parts of ceil(n / parts); a line belongs to the part that
    the byte before it lies in.
    """
    with storage.RangeReader(path) as file:
        step = -(-file.info.size // part.of)
        edges = [min(step * number, file.info.size) for number in (part.number, part.number + 1)]
        first, last = (_first_line(file, edge) for edge in edges)
    return range(first, last)


def _first_line(file: storage.RangeReader, edge: int) -> int:
    """Return the first line that begins behind the byte at `edge`, or at 0."""
    newlines = offset = 0
    while view := file.read(offset, min(_STEP, edge - offset)):
        newlines += int(np.count_nonzero(np.frombuffer(view, np.uint8) == ord("\n")))
        offset += len(view)
    return newlines + 2 if edge else 1


def _tables(job: PackJob, *, unique: bool) -> Iterator[pa.Table]:
    tables = lst.read(job.listing, label_width=job.label_width, unique=unique)
    if job.part.of == 1:
        yield from tables
        return
    lines = part_lines(job.listing, job.part)
    for table in tables:
        line = table["line"].to_numpy()
        yield table.filter(pa.array((line >= lines.start) & (line < lines.stop)))


def _batch(table: pa.Table) -> Batch:
    column = table["labels"].combine_chunks()
    flat = column.flatten().to_numpy().tolist()
    ends = np.cumsum(column.value_lengths().to_numpy()).tolist()
    labels = [flat[first:last] for first, last in zip([0, *ends], ends, strict=False)]
    lines, ids = (table[name].to_numpy().tolist() for name in ("line", "id"))
    return Batch(lines, ids, labels, table["path"].to_pylist())
