"""Image records of RecordIO shards are found by number, whole, and refused where they are not."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
from drawnlists import SPLIT
from finishedoutputs import of_list_in_all_formats

from pipeline.documents.listed import ListedShard
from pipeline.errors import OutputDamaged
from pipeline.formats.recordio.framing import MAGIC_BYTES, frame
from pipeline.formats.recordio.header import IndexedRecord, encode_header
from pipeline.formats.recordio.index import index_lines
from pipeline.formats.registry import FORMATS
from pipeline.loaders import image_records
from pipeline.loaders.image_records import ImageRecords
from pipeline.loaders.shards import Shards, open_shards


def opened(out: Path) -> ImageRecords:
    return ImageRecords(open_shards(out, SPLIT, image_records.NAME))


def payloads(records: ImageRecords, count: int) -> list[bytes]:
    return [records.payload(number).tobytes() for number in range(count)]


def written(folder: Path, images: list[bytes]) -> ImageRecords:
    """One shard of some images, each with two labels."""
    content, offsets = b"", []
    for number, image in enumerate(images):
        offsets.append(len(content))
        header = encode_header(IndexedRecord(number, (number, 0.5), image, "unused"))
        content += b"".join(frame(header, image))
    (folder / "one.rec").write_bytes(content)
    (folder / "one.idx").write_bytes(index_lines(range(len(images)), offsets))
    listed = (ListedShard("one.rec", len(content), len(images)),)
    return ImageRecords(Shards(image_records.NAME, 0, folder, listed, {}, None))


def changed(folder: Path, at: int, new: bytes) -> None:
    content = bytearray((folder / "one.rec").read_bytes())
    content[at : at + len(new)] = new
    (folder / "one.rec").write_bytes(content)


def test_every_payload_is_found_by_its_number_also_in_another_process() -> None:
    out = of_list_in_all_formats()[1]
    folder = (out / image_records.NAME / SPLIT / "current").resolve()
    stored = [
        bytes(record.data)
        for path in sorted(folder.glob("*-of-*.rec"))  # and not those that are joined
        for record in FORMATS[image_records.NAME].read(path)
    ]
    assert len(stored) == 24
    records = opened(out)
    assert payloads(records, 24) == stored
    sent: ImageRecords = pickle.loads(pickle.dumps(records))  # noqa: S301 - our own
    assert payloads(sent, 24) == stored
    with pytest.raises(IndexError):
        records.payload(24)


def test_a_record_that_is_cut_at_the_magic_number_is_put_together(tmp_path: Path) -> None:
    images = [b"four", b"head" + MAGIC_BYTES + b"tail" + MAGIC_BYTES + b"s", b"five5"]
    records = written(tmp_path, images)
    assert [records.payload(number)[32:].tobytes() for number in (1, 0, 2, 1)] == [
        images[number] for number in (1, 0, 2, 1)
    ]


@pytest.mark.parametrize(
    ("at", "new", "said"),
    [
        (48, b"none", "record 2, byte 48"),  # the magic number of the second record
        (52, b"\x20", "record of 48 bytes"),  # its length, of one that ends within it
        (52, b"\x7f", "bytes, then the end"),  # and of one that has no end
        (56, b"\x7f", "127 labels"),
    ],
)
def test_a_record_that_was_changed_is_not_passed_on(
    tmp_path: Path, at: int, new: bytes, said: str
) -> None:
    records = written(tmp_path, [b"eight by", b"eight by"])
    changed(tmp_path, at, new)
    assert records.payload(0)[32:].tobytes() == b"eight by"
    with pytest.raises(OutputDamaged, match=said):
        records.payload(1)


def test_a_shard_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    records = written(tmp_path, [b"eight by", b"eight by"])
    content = (tmp_path / "one.rec").read_bytes()
    for length, said in ((len(content) - 4, "then the end"), (48, "expected: a record of 48")):
        (tmp_path / "one.rec").write_bytes(content[:length])
        with pytest.raises(OutputDamaged, match=said):
            records.payload(1)


def test_an_index_of_another_shard_is_refused(tmp_path: Path) -> None:
    out = Path(shutil.copytree(of_list_in_all_formats()[1], tmp_path / "out", symlinks=True))
    index = next((out / image_records.NAME / SPLIT / "current").resolve().glob("*-of-*.idx"))
    index.write_bytes(index.read_bytes().splitlines(keepends=True)[0])
    records = opened(out)
    with pytest.raises(OutputDamaged, match="offsets of 8 records"):
        payloads(records, 24)
