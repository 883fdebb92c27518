"""Pictures on their way into records: read, refused or encoded, framed, gathered in memory."""

from __future__ import annotations

import contextlib
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Self

from pipeline import storage
from pipeline.errors import (
    BadAnnotation,
    BadImage,
    EnvironmentRefused,
    ShardmillError,
    Vanished,
    from_record,
)
from pipeline.formats.recordio.framing import MAGIC_BYTES, frame, magics
from pipeline.formats.recordio.header import IndexedRecord, LabelForm, encode_header
from pipeline.im2rec.batches import Batch
from pipeline.im2rec.job import PackJob, check_root
from pipeline.images.engine import engine
from pipeline.images.passthrough import pass_through
from pipeline.images.spec import told
from pipeline.storage import Buffer, FileInfo

PIECE: Final = 2 << 20
"""Bytes of records after which a piece ends."""

_LARGEST: Final = 1 << 28  # bytes of a picture: half of what a record holds


@dataclass(frozen=True, slots=True)
class Piece:
    """What became of some rows of a batch.

    Attributes:
        first: the first of them, counted in the batch from 0.
        lengths: bytes of the record of each row; 0 where there is none.
        left_out: the rows without a record, counted in the batch, and why.
        notes: what happened to pictures, and how often.
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
        """How long its records are."""
        return sum(self.lengths)


class Arena:
    """Records, one after another in one stretch of memory that is used again and again."""

    def __init__(self) -> None:
        self._memory = memoryview(bytearray(PIECE + (PIECE >> 2)))
        self._size = 0

    def append(self, buffers: list[Buffer]) -> int:
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
        """All of it."""
        return self._memory[: self._size]

    def clear(self) -> None:
        """Empty it; what was needed for one huge picture is given back."""
        self._size = 0
        if len(self._memory) > 2 * PIECE:
            self._memory = memoryview(bytearray(PIECE + (PIECE >> 2)))


class Packer:
    """Makes records of the rows of a list."""

    def __init__(self, job: PackJob) -> None:
        self._job = job
        self._engine = engine(job.engine)
        self._sources = storage.SourceReader(job.root)
        self._spare: list[Arena] = []

    def pieces(self, batch: Batch) -> Iterator[tuple[Piece, Arena]]:
        """Yield the records of a batch in pieces of about `PIECE` bytes, one at least.

        An arena is the caller's until it is given back to `release`. A piece with a failure is
        the last one.
        """
        paths = [self._job.source(path) for path in batch.paths]
        sizes = [self._announced(path) for path in paths]
        piece, arena = Piece(0, array("Q")), self._arena()
        try:
            for row, info in enumerate(sizes):
                piece.lengths.append(self._add(arena, batch, row, info, piece))
                if arena.content.nbytes >= PIECE and piece.end < len(batch):
                    yield piece, arena
                    piece, arena = Piece(piece.end, array("Q")), self._arena()
        except ShardmillError as error:
            piece = replace(piece, failure=error)
        yield piece, arena

    def release(self, arena: Arena) -> None:
        """Take an arena back."""
        arena.clear()
        self._spare.append(arena)

    def _arena(self) -> Arena:
        return self._spare.pop() if self._spare else Arena()

    def _announced(self, path: str) -> FileInfo | None:
        """Return size and time of an image; the disk is asked to have it ready soon."""
        # What fails here fails once more, and is then raised, when the image is read.
        with contextlib.suppress(ShardmillError):
            info = storage.stat(self._sources.path(path))
            if info is None:
                return None
            with contextlib.suppress(ShardmillError):
                if 0 < info.size <= _LARGEST:
                    self._sources.will_need(path, 0, info.size)
            return info
        return None

    def _add(
        self, arena: Arena, batch: Batch, row: int, info: FileInfo | None, piece: Piece
    ) -> int:
        labels = batch.labels[row] if self._job.labels else batch.labels[row][:1]
        record = IndexedRecord(batch.ids[row], labels, b"", self._job.source(batch.paths[row]))
        header = self._header(record, batch.lines[row])
        try:
            encoded, notes = self._encoded(self._read(record.path, info))
            _check_size(len(encoded))
        except BadImage as error:
            piece.left_out[row] = self._refused(error, record.path, batch.lines[row])
            return 0
        except (ShardmillError, MemoryError, OSError) as error:
            raise self._failure(error, record.path, batch.lines[row]) from error
        piece.notes.update(notes)
        return arena.append(frame(header, encoded))

    def _header(self, record: IndexedRecord, line: int) -> bytes:
        header = encode_header(record, self._job.labels or LabelForm.PYTHON)
        if MAGIC_BYTES not in header or not magics(header):
            return header
        raise BadAnnotation(
            "an id or a label with the bits of RecordIO's magic number, which DALI cannot read",
            file=str(self._job.listing),
            place=f"line {line}",
            expected="others than id 3470205706 and its like",
            found=f"id {record.id}",
            remedy="give the image another id or label",
        )

    def _read(self, path: str, info: FileInfo | None) -> memoryview:
        if info is None:
            info = self._stat(path)
        _check_size(info.size)
        try:
            data = self._sources.read(path, 0, info.size)
        except Vanished:
            info = self._stat(path)
            data = self._sources.read(path, 0, info.size)
        if len(data) < info.size:
            expected, found = f"{info.size:,} bytes", f"{len(data):,} bytes"
            raise BadImage("the picture has become shorter", expected=expected, found=found)
        return data

    def _stat(self, path: str) -> FileInfo:
        """Return size and time of an image; only here is one said to be absent."""
        place = self._sources.path(path)
        try:
            info = storage.stat(place)
        except Vanished as error:  # a name that is too long, a link to itself
            raise BadImage("no such file can be there", found=error.what) from error
        if info is not None:
            return info
        check_root(self._job.root)
        kind = storage.kind(place)
        if kind is not None:
            remedy = "name the file of an image in the list, or leave it out with --error-limit"
            raise BadImage("this is not the file of an image", found=f"a {kind}", remedy=remedy)
        remedy = "put it there, correct the list, or leave it out with --error-limit"
        if self._job.below_root:
            remedy += "; a name that begins with / lies below ROOT too: / as ROOT makes it absolute"
        raise BadImage("there is no such image", remedy=remedy)

    def _encoded(self, data: memoryview) -> tuple[Buffer, tuple[str, ...]]:
        spec = self._job.spec
        if self._job.pass_through:
            kept = pass_through(data, spec, self._engine)
            return kept.encoded, told(kept.notes)
        done = self._engine.process(data, spec)
        return done.encoded, told(done.notes)

    def _failure(
        self, error: ShardmillError | MemoryError | OSError, path: str, line: int
    ) -> ShardmillError:
        """Return why the command cannot go on, naming the image that it was at."""
        file, place = self._sources.path(path), f"line {line} of {self._job.listing}"
        if isinstance(error, MemoryError):
            return EnvironmentRefused(
                "there is not enough memory for this image",
                file=str(file),
                place=place,
                remedy="run the same command again with more memory or a smaller --num-thread",
            )
        known = storage.translated(error, file) if isinstance(error, OSError) else error
        record = known.to_record()
        place = ", ".join(text for text in (place, known.place) if text)
        return from_record({**record, "file": known.file or str(file), "place": place})

    def _refused(self, error: BadImage, path: str, line: int) -> BadImage:
        # The engines name the option that other commands have.
        remedy = (error.remedy or "").replace("--on-bad-image skip", "--error-limit")
        return BadImage(
            error.what,
            file=str(self._sources.path(path)),
            place=f"line {line} of {self._job.listing}",
            expected=error.expected,
            found=error.found,
            remedy=remedy or "get an intact copy of it, or leave it out with --error-limit",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sources.close()


def _check_size(size: int) -> None:
    if size > _LARGEST:
        expected, found = f"at most {_LARGEST:,} bytes", f"{size:,} bytes"
        raise BadImage("a picture too large to pack", expected=expected, found=found)
