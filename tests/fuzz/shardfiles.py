"""Shards of MXNet and webdataset, and their indexes: valid ones, and readers of damaged ones."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import documents

from pipeline import storage
from pipeline.formats.recordio.framing import MAGIC_BYTES
from pipeline.formats.recordio.header import IndexedRecord, encode_header, parse_header
from pipeline.formats.recordio.shard import (
    RecordIOWriter,
    frame,
    index_lines,
    read_index,
    read_records,
)
from pipeline.formats.webdataset.shard import WebDatasetWriter, read_samples

_LABELS = ((3.0,), (0.5, -1.0, 2.0**24))
_IMAGE = b"\xff\xd8\xff" + bytes(9)


def indexed() -> list[IndexedRecord]:
    """Return records whose images are whole, cut once and cut twice in a row."""
    images = (*documents.jpegs()[:2], _IMAGE + MAGIC_BYTES + b"-", _IMAGE + MAGIC_BYTES * 2)
    return [
        IndexedRecord(7 * number, _LABELS[number % 2], image, f"n01/{number}.jpg")
        for number, image in enumerate(images)
    ]


@cache
def recordio_files() -> tuple[bytes, bytes]:
    """Return a shard and its index."""
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "a.rec"), Path(folder, "a.idx")
        with storage.StagedFile(paths[0]) as shard, storage.StagedFile(paths[1]) as index:
            writer = RecordIOWriter(shard, index)
            for record in indexed():
                writer.write(record)
            writer.finish()
            storage.publish(shard, index)
        return paths[0].read_bytes(), paths[1].read_bytes()


def recordio_shards() -> tuple[bytes, ...]:
    """Return a shard, and one of small records."""
    return (recordio_files()[0], b"".join(b"".join(frame(b"abcd", MAGIC_BYTES)) for _ in range(3)))


def recordio_indexes() -> tuple[bytes, ...]:
    """Return indexes, one of the greatest id."""
    return (recordio_files()[1], b"18446744073709551615\t0\n0\t9223372036854775807\n")


def image_headers() -> tuple[bytes, ...]:
    """Return the payloads of records."""
    return tuple(encode_header(record) + bytes(record.encoded) for record in indexed())


@cache
def webdataset_shards() -> tuple[bytes, ...]:
    """Return a shard of two samples."""
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "a.tar"), Path(folder, "a.idx")
        with storage.StagedFile(paths[0]) as shard, storage.StagedFile(paths[1]) as index:
            writer = WebDatasetWriter(shard, index)
            for record in documents.records():
                writer.write(record)
            writer.finish()
            storage.publish(shard, index)
        return (paths[0].read_bytes(),)


def try_recordio(data: bytes, folder: Path) -> None:
    """The records fill the file; framed again they are what stands there."""
    path, end = folder / "a.rec", 0
    path.write_bytes(data)
    for record in read_records(path):
        assert record.offset == end
        end += record.length
        assert b"".join(frame(b"", bytes(record.data))) == data[record.offset : end]
    assert end == len(data)


def try_image_header(data: bytes, _: Path) -> None:
    """Header, labels and image fill the payload, and every label is there."""
    found = parse_header(data)
    assert len(found.labels) == max(1, found.flag)
    assert 24 + 4 * found.flag + len(found.encoded) == len(data)
    assert data.endswith(bytes(found.encoded))


def try_recordio_index(data: bytes, folder: Path) -> None:
    """It is written again as it stands."""
    path = folder / "a.idx"
    path.write_bytes(data)
    ids, offsets = read_index(path)
    assert list(offsets) == sorted(set(offsets))
    assert index_lines(ids, offsets) == data


def try_webdataset(data: bytes, folder: Path) -> None:
    """The samples fill the file up to its end of two blocks of zeros."""
    path, end = folder / "a.tar", 0
    path.write_bytes(data)
    for sample in read_samples(path):
        assert sample.offset == end
        end += sample.length
        image, *_ = sample.members
        assert bytes(sample.content.encoded) == data[image.offset :][: image.size]
        assert [member.name.rpartition(".")[0] for member in sample.members] == [sample.name] * 3
        assert min(sample.content.width, sample.content.height) >= 1
    assert data[end:] == bytes(1024)
