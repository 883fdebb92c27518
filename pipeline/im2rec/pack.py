"""Packs the images of an image list into one RecordIO file, with its index and its manifest."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self

from pipeline import manifest, storage
from pipeline.errors import (
    BadImage,
    InputRefused,
    ShardmillError,
    UsageError,
)
from pipeline.formats.recordio.header import IndexedRecord
from pipeline.formats.recordio.shard import index_lines, list_line
from pipeline.im2rec import pool
from pipeline.im2rec.batches import Batch, Survey, batches, survey
from pipeline.im2rec.before import check_before
from pipeline.im2rec.encode import Chunk
from pipeline.im2rec.job import PackJob, Targets, check_root
from pipeline.im2rec.result import LeftOut, Packed, document
from pipeline.plaintext import Lines
from pipeline.quantities import counted
from pipeline.storage import StagedFile
from pipeline.storage.local.input_file import check_rereadable

Tell = Callable[[int, int], None]
"""Is told, now and then, how many lines are done, of how many."""

_ROWS, _ROWS_ENCODED = 128, 16  # that a worker is handed at once: some hundredths of a second


def pack(
    job: PackJob,
    tell: Tell = lambda _done, _all: None,
) -> Packed:
    """Do a job: all its files appear at the end, together, or none does.

    While another command makes one of the same files it waits, see `storage.target_lock`.

    Memory does not grow with the list, but for 8 bytes an image; a process has some 32 MiB of
    records at most, and the image it is at.

    Raises:
        InputRefused: no image is left; the list was changed meanwhile.
        BadAnnotation: see `lst.read`; an id or a label that RecordIO's readers stumble over.
        BadImage: more images than `PackJob.error_limit` cannot be packed.
        UsageError: the engine is not there, or a transform returned no image; an output would
            take the place of a folder, a device or a pipe; see `check_before`; the list is a pipe.
        ShardmillError: a process has died; the files cannot be written.
    """
    job.codec()  # loads it, for all processes at once
    check_rereadable(job.listing, "an image list")
    if storage.stat(job.listing) is None:
        raise UsageError(
            "there is no such image list", file=str(job.listing), remedy="name one that is there"
        )
    check_root(job.root)
    places = job.targets.places()
    with contextlib.ExitStack() as stack:
        workers = stack.enter_context(pool.open_pool(job))
        before, (survey, digest) = storage.stat(job.listing), _survey(job)
        for path in sorted(set(places.all)):  # in one order, so that no two wait for each other
            stack.enter_context(storage.target_lock(path))
        if storage.stat(job.listing) != before:  # it was written anew while this command waited
            before, (survey, digest) = storage.stat(job.listing), _survey(job)
        check_before(job, survey, digest)
        _sweep(places)
        output = stack.enter_context(_Output(job, places))
        rows = _ROWS if job.pass_through else _ROWS_ENCODED
        for batch, chunk in workers.chunks(output.records, batches(job, rows)):
            workers.place(output.size)
            output.take(batch, chunk)
            output.records.follow(workers.written)  # hashed while it is in memory
            tell(output.lines, survey.lines)
        output.records.follow(workers.written)
        if storage.stat(job.listing) != before:
            raise InputRefused(
                "the list was changed while it was read",
                file=str(job.listing),
                remedy="leave it alone, then run the same command again",
            )
        return output.publish(survey, digest)


def _survey(job: PackJob) -> tuple[Survey, str]:
    """Return what the list holds, and its hash."""
    return survey(job), manifest.hash_file(job.listing)


class _Output:
    """The output files of a job, under temporary names until `publish` gives them their own."""

    def __init__(self, job: PackJob, places: Targets) -> None:
        self._job = job
        self._targets = job.targets
        self._places = places
        self._stack = contextlib.ExitStack()
        self._left_out: list[LeftOut] = []
        self._notes: Counter[str] = Counter()
        self.size = self.lines = 0

    def __enter__(self) -> Self:
        with self._stack:
            self.records = self._staged(self._places.records, self._targets.records)
            self._index = self._staged(self._places.index, self._targets.index)
            place, listing = self._places.listing, self._targets.listing
            self._listing = self._staged(place, listing) if place and listing else None
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, batch: Batch, chunk: Chunk) -> None:
        """Note what became of some rows; their records lie where the last ones end."""
        ids, offsets, lines = [], [], []
        for row, length in enumerate(chunk.lengths, chunk.first):
            if row in chunk.left_out:
                self._leave_out(batch, row, chunk.left_out[row])
                continue
            ids.append(batch.ids[row])
            offsets.append(self.size)
            self.size += length
            if self._listing:
                lines.append(list_line(_listed(batch, row)))
        self._index.write(index_lines(ids, offsets))
        if self._listing:
            self._listing.write(b"".join(lines))
        self._notes.update(chunk.notes)
        self.lines += len(chunk.lengths)
        if chunk.failure is not None:
            raise chunk.failure

    def publish(self, survey: Survey, listing: str) -> Packed:
        """Give the files their names, the manifest's last."""
        if not self.size:
            raise InputRefused(
                "no image is left, and no reader opens an empty file",
                file=str(self._job.listing),
                expected="1 image or more",
                found=f"{counted(survey.lines, 'line')}, all left out",
            )
        records = survey.lines - len(self._left_out)
        unstored = 0 if self._job.labels else survey.multiple
        packed = Packed(
            self._targets,
            survey.lines,
            records,
            self.size,
            unstored,
            (survey.widths.least, survey.widths.most),
            dict(sorted(self._notes.items())),
            tuple(self._left_out),
        )
        content = document(self._job, packed, listing, rooted=survey.rooted)
        files = [self.records, self._index, *([self._listing] if self._listing else [])]
        base = self._targets.records.parent
        manifest.publish(files, self._places.manifest, base, content, superseding=True)
        return packed

    def _staged(self, place: Path, known_as: Path) -> StagedFile:
        return self._stack.enter_context(StagedFile(place, known_as))

    def _leave_out(self, batch: Batch, row: int, error: ShardmillError) -> None:
        limit = self._job.error_limit
        if not limit:
            raise error
        if len(self._left_out) == limit:
            raise BadImage(
                "more images cannot be packed than may be left out",
                file=str(self._job.listing),
                place=f"line {batch.lines[row]}",
                expected=f"{limit} at most",
                found=Lines.of(str(error).split("\n")),
                remedy="get intact copies, or raise --error-limit",
            )
        place = (batch.lines[row], batch.ids[row], batch.paths[row])
        self._left_out.append(LeftOut(*place, error.brief))


def _listed(batch: Batch, row: int) -> IndexedRecord:
    return IndexedRecord(batch.ids[row], batch.labels[row], b"", batch.paths[row])


def _sweep(targets: Targets) -> None:
    """Remove what commands have left behind that were killed while they made the same files."""
    for folder in {path.parent for path in targets.all}:
        for temp in storage.temp_files(folder):
            if temp.owner_gone and any(temp.becomes(path) for path in targets.all):
                storage.remove_temp(temp, storage.plan_files(folder, [temp.path], links=True))
