"""MXNet and NVIDIA DALI read every record of the shards, and MXNet writes the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import ROOT, RawSet

from pipeline import storage
from pipeline.formats.recordio.header import LabelForm, detection_labels, parse_header
from pipeline.formats.recordio.shard import (
    IndexedRecord,
    IndexedShard,
    RecordIOWriter,
    frame,
    join,
    read_index,
    read_records,
)
from pipeline.storage import StagedFile

READERS = Path(__file__).with_name("readers")
PYTHON = os.environ.get("SHARDMILL_MXNET_PYTHON", str(ROOT / ".venv-mxnet/bin/python"))
DALI = os.environ.get("SHARDMILL_DALI_PYTHON", str(ROOT / ".venv-dali/bin/python"))
MAGIC = b"\x0a\x23\xd7\xce"
BOX = (0.0, 0.25, 0.5, 1.0)
COUNT = 23


def image(number: int, *comments: bytes) -> bytes:
    """Draw an image, every fourth a PNG; each comment begins at a multiple of 4 bytes."""
    stream = io.BytesIO()
    canvas = Image.new("RGB", (24 + number, 20), (10 * number, 5, 5))
    if not comments and number % 4 == 3:
        canvas.save(stream, "PNG")
        return stream.getvalue()
    canvas.save(stream, "JPEG")
    content = stream.getvalue()
    for comment in comments:  # its segment: ff fe, the length, then what it says
        content = content[:2] + b"\xff\xfe" + _u16(4 + len(comment)) + b"--" + comment + content[2:]
    return content


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def plain() -> list[IndexedRecord]:
    """One label each; two are unlike any class."""
    records = [IndexedRecord(3 * at + 1, (at,), image(at), f"a/{at}.jpg") for at in range(COUNT)]
    records[5] = replace(records[5], labels=(-1.0,), id=2**63 - 1)
    records[9] = replace(records[9], labels=(2.0**24,), id=0)
    return records


def four() -> list[IndexedRecord]:
    """Four labels each."""
    return [
        replace(record, labels=np.array([at, 0.1, -at, 1e-3], np.float32))
        for at, record in enumerate(plain())
    ]


def objects() -> list[IndexedRecord]:
    """One object in the first, up to five in others, each with one number more."""
    return [
        replace(
            record,
            labels=detection_labels(
                range(1 + at % 5),
                [BOX] * (1 + at % 5),
                header=(24 + at, 20),
                extras=[(0.0,)] * (1 + at % 5),
            ),
        )
        for at, record in enumerate(plain())
    ]


def magical() -> list[IndexedRecord]:
    """Images in which the magic number stands at multiples of 4 bytes, and elsewhere."""
    comments = [(MAGIC,), (MAGIC * 3,), (b"-" + MAGIC * 2 + b"---",), (MAGIC, MAGIC + b"----")]
    records = [
        replace(record, encoded=image(at, *comments[at % 4])) for at, record in enumerate(plain())
    ]
    uncut = [at for at, record in enumerate(records) if len(frame(b"", record.encoded)) > 1]
    assert uncut == list(range(2, COUNT, 4))
    return records


def write(
    folder: Path,
    records: list[IndexedRecord],
    name: str = "a",
    form: LabelForm = LabelForm.PYTHON,
) -> IndexedShard:
    found = named(folder, name)
    with (
        StagedFile(found.shard) as shard,
        StagedFile(found.index) as index,
        StagedFile(folder / f"{name}.lst") as listing,
    ):
        writer = RecordIOWriter(shard, index, listing, form=form)
        for record in records:
            writer.write(record)
        writer.finish()
        storage.publish(shard, index, listing)
    return found


def named(folder: Path, name: str) -> IndexedShard:
    return IndexedShard(*(folder / f"{name}.{suffix}" for suffix in ("rec", "idx", "lst")))


def joined(folder: Path, parts: list[IndexedShard]) -> IndexedShard:
    found = named(folder, "joined")
    with (
        StagedFile(found.shard) as shard,
        StagedFile(found.index) as index,
        StagedFile(folder / "joined.lst") as listing,
    ):
        join(parts, RecordIOWriter(shard, index, listing))
        storage.publish(shard, index, listing)
    return found


def mxnet(*arguments: object, given: str = "") -> Any:
    """Return the JSON that the reader prints."""
    if not Path(PYTHON).exists():
        pytest.skip("MXNet 1.9.1 lives in an environment of its own: make interop")
    command = [PYTHON, READERS / "mxnet_recordio.py", *arguments]
    run = subprocess.run(
        list(map(str, command)), input=given, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def dali(*shards: IndexedShard) -> Any:
    paths = [shard.shard for shard in shards], [shard.index for shard in shards]
    command = [DALI, READERS / "dali_recordio.py", *paths[0], "--", *paths[1]]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def float32(record: IndexedRecord) -> list[float]:
    found: list[float] = np.asarray(record.labels, np.float32).tolist()
    return found


def row(record: IndexedRecord, *, vector: bool = False) -> list[object]:
    """What MXNet should find in a record."""
    labels = float32(record)
    flag = len(labels) if vector or len(labels) > 1 else 0
    return [flag, labels, record.id, 0, hashlib.sha256(record.encoded).hexdigest()]


def size(record: IndexedRecord) -> list[int]:
    with Image.open(io.BytesIO(record.encoded)) as image:
        return [image.height, image.width, 3]


def dali_row(record: IndexedRecord) -> list[object]:
    return [hashlib.sha256(record.encoded).hexdigest(), float32(record), size(record)]


def of_raw_set(raw_set: RawSet) -> list[IndexedRecord]:
    """The validation images, numbered."""
    records = []
    with tarfile.open(raw_set.raw / "ILSVRC2012_img_val.tar", "r:") as tar:
        for number, member in enumerate(tar):
            content = tar.extractfile(member)
            assert content is not None
            records.append(IndexedRecord(number, (number % 7,), content.read(), member.name))
    return records


@pytest.mark.parametrize("form", LabelForm)
@pytest.mark.parametrize(
    "records", [plain(), four(), objects(), magical()], ids=["plain", "four", "objects", "magical"]
)
def test_mxnet_reads_every_record(
    tmp_path: Path, records: list[IndexedRecord], form: LabelForm
) -> None:
    shard = write(tmp_path, records, form=form)
    vector = form is LabelForm.VECTOR
    assert mxnet("records", shard.shard, shard.index) == [
        row(record, vector=vector) for record in records
    ]


def test_mxnet_reads_the_images_of_a_set(raw_set: RawSet, tmp_path: Path) -> None:
    records = of_raw_set(raw_set)
    shard = write(tmp_path, records)
    assert mxnet("records", shard.shard, shard.index) == [row(record) for record in records]


@pytest.mark.parametrize("form", LabelForm)
@pytest.mark.parametrize(
    ("records", "width"),
    [(plain(), 1), (magical(), 1), (four(), 4)],
    ids=["plain", "magical", "four"],
)
def test_image_record_iter_finds_the_labels_of_every_image(
    tmp_path: Path, records: list[IndexedRecord], width: int, form: LabelForm
) -> None:
    shard = write(tmp_path, records, form=form)
    expected = [float32(record) for record in records]
    assert mxnet("iterate", shard.shard, shard.index, width, 4) == [expected] * 3


def test_image_record_iter_finds_every_image_of_joined_shards(tmp_path: Path) -> None:
    records = magical()
    parts = [
        write(tmp_path, records[:8], "0"),
        write(tmp_path, records[8:9], "1"),
        write(tmp_path, records[9:], "2"),
    ]
    shard = joined(tmp_path, parts)
    expected = [float32(record) for record in records]
    assert mxnet("iterate", shard.shard, shard.index, 1, 3) == [expected] * 3
    assert mxnet("records", shard.shard, shard.index) == [row(record) for record in records]


@pytest.mark.parametrize(("records", "width"), [(plain(), 1), (four(), 4)], ids=["plain", "four"])
def test_image_iter_finds_the_labels_of_every_image(
    tmp_path: Path, records: list[IndexedRecord], width: int
) -> None:
    shard = write(tmp_path, records)
    assert mxnet("imageiter", shard.shard, shard.index, width) == [
        float32(record) for record in records
    ]


@pytest.mark.parametrize(("records", "width"), [(plain(), 1), (four(), 4)], ids=["plain", "four"])
def test_image_record_iter_finds_the_same_labels_in_the_list(
    tmp_path: Path, records: list[IndexedRecord], width: int
) -> None:
    shard = write(tmp_path, records)
    found = mxnet("listed", shard.shard, shard.listing, width)
    assert found == [float32(record) for record in records]


@pytest.mark.parametrize("form", LabelForm)
def test_the_iterators_for_detection_find_every_object(tmp_path: Path, form: LabelForm) -> None:
    records = objects()
    shard = write(tmp_path, records, form=form)
    rows, found = mxnet("detect", shard.shard, shard.index)
    assert rows == [float32(record) for record in records]
    assert found == [
        [[float(number), *BOX, 0.0] for number in range(1 + at % 5)] for at in range(COUNT)
    ]


@pytest.mark.parametrize("records", [plain(), four(), magical()], ids=["plain", "four", "magical"])
def test_gluon_reads_every_image(tmp_path: Path, records: list[IndexedRecord]) -> None:
    shard = write(tmp_path, records)
    assert mxnet("gluon", shard.shard) == [[size(each), float32(each)] for each in records]


@pytest.mark.parametrize(
    ("records", "vector"),
    [(plain(), False), (plain(), True), (four(), True)],
    ids=["plain", "vectors", "four"],
)
@pytest.mark.parametrize("before", range(4))
def test_what_mxnet_writes_is_read_and_written_again_byte_for_byte(
    tmp_path: Path, records: list[IndexedRecord], vector: bool, before: int
) -> None:
    bodies = [bytes(before) + MAGIC * (at % 4) + bytes(at % 5) + b"." for at in range(COUNT)]
    given = [
        [record.id, float32(record) if vector else float32(record)[0], body.hex()]
        for record, body in zip(records, bodies, strict=True)
    ]
    theirs = named(tmp_path, "theirs")
    mxnet("write", theirs.shard, theirs.index, given=json.dumps(given))
    ids, offsets = read_index(theirs.index)
    found = []
    for key, offset, record in zip(ids, offsets, read_records(theirs.shard), strict=True):
        parsed = parse_header(record.data)
        assert (parsed.id, record.offset) == (key, offset)
        found.append(IndexedRecord(parsed.id, parsed.labels, bytes(parsed.encoded), "a"))
    assert [record.encoded for record in found] == bodies
    ours = write(tmp_path, found, "ours", LabelForm.VECTOR if vector else LabelForm.PYTHON)
    assert storage.read_bytes(ours.shard) == storage.read_bytes(theirs.shard)
    assert storage.read_bytes(ours.index) == storage.read_bytes(theirs.index)


def test_mxnet_cuts_ids_and_labels_as_framing_does(tmp_path: Path) -> None:
    ids = [0xCED7230A, 0xCED7230A << 32, (0xCED7230A << 32) | 0xCED7230A]
    label = np.frombuffer(MAGIC, "<f4").tolist()
    given = [[key, label, (MAGIC + b"x").hex()] for key in ids]
    theirs = named(tmp_path, "theirs")
    mxnet("write", theirs.shard, theirs.index, given=json.dumps(given))
    found = [bytes(record.data) for record in read_records(theirs.shard)]
    assert [parse_header(data).id for data in found] == ids
    assert b"".join(b"".join(frame(data)) for data in found) == storage.read_bytes(theirs.shard)


@pytest.mark.skipif(not Path(DALI).exists(), reason="DALI lives in an environment of its own")
class TestDali:
    @pytest.mark.parametrize("form", LabelForm)
    @pytest.mark.parametrize(
        "records", [plain(), four(), magical()], ids=["plain", "four", "magical"]
    )
    def test_reads_every_record(
        self, tmp_path: Path, records: list[IndexedRecord], form: LabelForm
    ) -> None:
        assert dali(write(tmp_path, records, form=form)) == [dali_row(each) for each in records]

    def test_reads_several_shards_and_those_joined(self, tmp_path: Path) -> None:
        records = magical()
        parts = [write(tmp_path, records[:8], "0"), write(tmp_path, records[8:], "1")]
        expected = [dali_row(record) for record in records]
        assert dali(joined(tmp_path, parts)) == expected

    def test_reads_the_images_of_a_set(self, raw_set: RawSet, tmp_path: Path) -> None:
        records = of_raw_set(raw_set)
        assert dali(write(tmp_path, records)) == [dali_row(record) for record in records]
