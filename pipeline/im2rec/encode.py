"""Encodes batches of rows of a list into RecordIO bytes in memory, a chunk at a time."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pipeline import storage
from pipeline.errors import BadAnnotation, BadImage, EnvironmentRefused, ShardmillError
from pipeline.formats.recordio.header import IndexedRecord, LabelForm
from pipeline.formats.recordio.shard import encode_record
from pipeline.im2rec.batches import Batch
from pipeline.im2rec.image_files import ImageFiles, check_bytes
from pipeline.im2rec.job import PackJob
from pipeline.images.spec import without_passthrough
from pipeline.storage import Buffer, FileInfo
from pipeline.storage.closing import Closing

CHUNK_BYTES: Final = 4 << 20
"""Bytes of records after which a chunk ends."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What became of some rows of a batch, whose records lie in a `RecordBuffer`.

    Attributes:
        first: the first of the rows, counted in the batch from 0.
        lengths: bytes of the record of each row; 0 where there is none.
        left_out: the rows without a record, counted in the batch, and why.
        notes: what happened to images, and how often.
        failure: what ended the work in the row after these.
    """

    first: int
    lengths: array[int]
    left_out: dict[int, ShardmillError] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    failure: ShardmillError | None = None

    @property
    def end(self) -> int:
        """One past the last row."""
        return self.first + len(self.lengths)

    @property
    def bytes(self) -> int:
        """The length of all its records together, in bytes."""
        return sum(self.lengths)


class RecordBuffer:
    """Records, one after another in one stretch of memory that is used again and again."""

    def __init__(self) -> None:
        self._memory = memoryview(bytearray(CHUNK_BYTES + (CHUNK_BYTES >> 2)))
        self._size = 0

    def append(self, buffers: Sequence[Buffer]) -> int:
        """Copy the buffers to the end; return how many bytes that were."""
        start, end = self._size, self._size + sum(map(len, buffers))
        if end > len(self._memory):
            larger = memoryview(bytearray(end + (end >> 2)))
            larger[:start] = self._memory[:start]
            self._memory = larger
        for buffer in buffers:
            stop = start + len(buffer)
            self._memory[start:stop] = buffer
            start = stop
        added, self._size = end - self._size, end
        return added

    @property
    def content(self) -> memoryview:
        """The bytes of all records that it holds."""
        return self._memory[: self._size]

    def clear(self) -> None:
        """Empty it; what was needed for one huge image is given back."""
        self._size = 0
        if len(self._memory) > 2 * CHUNK_BYTES:
            self._memory = memoryview(bytearray(CHUNK_BYTES + (CHUNK_BYTES >> 2)))


class RecordEncoder(Closing):
    """Makes the records of a job's rows.

    Args:
        job: what is packed, and how.
    """

    def __init__(self, job: PackJob) -> None:
        self._job = job
        self._encoder = job.encoder()
        self._form = job.labels or LabelForm.PYTHON
        self._files = ImageFiles(job)
        self._spare: list[RecordBuffer] = []

    def chunks(self, batch: Batch) -> Iterator[tuple[Chunk, RecordBuffer]]:
        """Yield the records of a batch in chunks of about `CHUNK_BYTES`, one at least.

        A buffer is the caller's until it is given back to `release`. A chunk with a failure is
        the last one.
        """
        sources = [self._job.source(path) for path in batch.paths]
        infos = [self._files.announce(source) for source in sources]
        chunk, buffer = Chunk(0, array("Q")), self._buffer()
        try:
            for row, (source, info) in enumerate(zip(sources, infos, strict=True)):
                pieces = self._record(batch, row, source, info, chunk)
                chunk.lengths.append(buffer.append(pieces))
                if buffer.content.nbytes >= CHUNK_BYTES and chunk.end < len(batch):
                    yield chunk, buffer
                    chunk, buffer = Chunk(chunk.end, array("Q")), self._buffer()
        except ShardmillError as error:
            chunk = replace(chunk, failure=error)
        yield chunk, buffer

    def release(self, buffer: RecordBuffer) -> None:
        """Take a buffer back."""
        buffer.clear()
        self._spare.append(buffer)

    def close(self) -> None:
        """Close every file."""
        self._files.close()

    def _buffer(self) -> RecordBuffer:
        return self._spare.pop() if self._spare else RecordBuffer()

    def _record(
        self, batch: Batch, row: int, source: str, info: FileInfo | None, chunk: Chunk
    ) -> Sequence[Buffer]:
        """Return the record of a row, and note in its chunk what happened to its image.

        There is none, but a note, of an image that cannot be packed.
        """
        labels = batch.labels[row] if self._job.labels else batch.labels[row][:1]
        line = batch.lines[row]
        try:
            image = self._encoder.encode(self._files.read(source, info))
            check_bytes(len(image.encoded))
            record = IndexedRecord(batch.ids[row], labels, image.encoded, source)
            pieces = encode_record(record, self._form)
        except BadImage as error:
            chunk.left_out[row] = self._refused(error, source, line)
            return ()
        except BadAnnotation as error:  # of the list
            raise error.altered(file=str(self._job.listing), place=f"line {line}") from error
        except (ShardmillError, MemoryError, OSError) as error:
            raise self._failure(error, source, line) from error
        chunk.notes.update(without_passthrough(image.notes))
        return pieces

    def _failure(
        self, error: ShardmillError | MemoryError | OSError, source: str, line: int
    ) -> ShardmillError:
        """Return why the command cannot go on, naming the image that it was at."""
        file, place = self._files.path(source), self._place(line)
        if isinstance(error, MemoryError):
            return EnvironmentRefused(
                "there is not enough memory for this image",
                file=str(file),
                place=place,
                remedy="run the same command again with more memory or a smaller --num-thread",
            )
        known = storage.translated(error, file) if isinstance(error, OSError) else error
        place = ", ".join(text for text in (place, known.place) if text)
        return known.altered(file=known.file or str(file), place=place)

    def _refused(self, error: BadImage, source: str, line: int) -> ShardmillError:
        """Return why an image cannot be packed, naming it and what may be done about it."""
        # The engines name the option that other commands have.
        remedy = (error.remedy or "").replace("--on-bad-image skip", "--error-limit")
        return error.altered(
            file=str(self._files.path(source)),
            place=self._place(line),
            remedy=remedy or "get an intact copy of it, or leave it out with --error-limit",
        )

    def _place(self, line: int) -> str:
        return f"line {line} of {self._job.listing}"
