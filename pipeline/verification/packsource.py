"""Records of im2rec compared with the images that they were made of, by packing those again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import storage
from pipeline.errors import ShardmillError
from pipeline.im2rec.batches import Batch, batches
from pipeline.im2rec.encode import Chunk, RecordEncoder
from pipeline.im2rec.job import PackJob, check_root
from pipeline.im2rec.recorded import recorded_job
from pipeline.verification.findings import Finding, Layer, damage, of_error, truncated
from pipeline.verification.packcheck import PackCheck, PackedSet, ScannedRecords

_ROWS = 64  # that are packed at once


@dataclass(frozen=True)
class SourceComparison:
    """Compares outputs with the images in a folder.

    Attributes:
        root: the folder.
    """

    root: Path

    def __call__(self, found: PackedSet, scanned: ScannedRecords) -> PackCheck:
        """Make every record once more and compare it, byte for byte.

        Raises:
            UsageError: the folder is not there; see `recorded_job`.
        """
        check_root(self.root)
        job = recorded_job(found.document, found.manifest, self.root)
        left_out = {each.line for each in found.document.left_out}
        comparison = _Comparison(found.records, scanned, left_out)
        findings = list(truncated(comparison.findings(job)))
        return PackCheck(findings, 0, 0, comparison.compared)


class _Comparison:
    def __init__(self, path: Path, scanned: ScannedRecords, left_out: set[int]) -> None:
        self._path = path
        self._scanned = scanned
        self._left_out = left_out
        self.compared = 0

    def findings(self, job: PackJob) -> Iterator[Finding]:
        """Yield which records are not what their sources give."""
        with RecordEncoder(job) as encoder, storage.open_ranges(self._path) as stored:
            for batch in batches(job, _ROWS):
                for chunk, buffer in encoder.chunks(batch):
                    yield from self._chunk(batch, chunk, buffer.content, stored)
                    encoder.release(buffer)
                    if chunk.failure is not None:
                        yield of_error(Layer.SOURCE, self._path, chunk.failure)
                        return

    def _chunk(
        self, batch: Batch, chunk: Chunk, content: memoryview, stored: storage.Ranges
    ) -> Iterator[Finding]:
        start = 0
        for row, length in enumerate(chunk.lengths, chunk.first):
            encoded, start = content[start : start + length], start + length
            if batch.lines[row] in self._left_out:
                continue
            number, self.compared = self.compared, self.compared + 1
            place = f"record {number + 1}, line {batch.lines[row]} of the list, {batch.paths[row]}"
            if row in chunk.left_out:
                yield self._differs("its source cannot be packed", place, chunk.left_out[row])
                continue
            size = self._scanned.lengths[number]
            if encoded != stored.read(self._scanned.offsets[number], size):
                yield self._differs("the record is not its source", place)

    def _differs(self, what: str, place: str, error: ShardmillError | None = None) -> Finding:
        found = None if error is None else error.what
        return damage(Layer.SOURCE, self._path, what, place, None, found, removable=False)
