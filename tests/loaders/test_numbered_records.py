"""Single records of finished outputs: the same in every format, whoever reads them."""

from __future__ import annotations

import io
import pickle
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from drawnlists import SPLIT
from finishedoutputs import of_list_in_all_formats, prepared
from PIL import Image
from support import RawSet

from pipeline.errors import BadImage, OutputDamaged, UsageError
from pipeline.formats.registry import FORMATS
from pipeline.loaders import array_records
from pipeline.loaders.array_records import ArrayRecords
from pipeline.loaders.example import decode_rgb
from pipeline.loaders.layouts import LAYOUTS
from pipeline.loaders.records import Records, open_records
from pipeline.loaders.shards import open_shards
from pipeline.storage import SourceReader

FORMATS_READ = sorted(LAYOUTS)


@pytest.fixture(scope="module")
def listed() -> Path:
    """Gray images, RGB ones and PNGs in three shards of every format."""
    return of_list_in_all_formats()[1]


@pytest.fixture
def copy(listed: Path, out: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(listed, out, symlinks=True))


def folder(out: Path, name: str) -> Path:
    return (out / name / SPLIT / "current").resolve()


def shard(out: Path, name: str) -> Path:
    return next(path for path in sorted(folder(out, name).iterdir()) if "-00001-" in path.name)


def filenames(records: Records) -> list[str]:
    return [records[number]["filename"] for number in range(len(records))]


@pytest.mark.parametrize("name", FORMATS_READ)
def test_every_record_is_found_by_its_number(listed: Path, name: str) -> None:
    records = open_records(listed, SPLIT, shard_format=name, decode=False)
    read = [records[number] for number in range(len(records))]
    form, stored = FORMATS[name], []
    for path in sorted(folder(listed, name).glob(f"{SPLIT}-*")):
        for record in form.read(path):
            fields, image = form.parse(record, str(path))
            stored.append((fields["filename"], fields["label"], bytes(image)))
    assert [(each["filename"], each["label"], each["encoded"]) for each in read] == stored
    assert len(records) == 24


@pytest.mark.parametrize("name", FORMATS_READ)
def test_images_are_decoded_as_pillow_does(listed: Path, name: str) -> None:
    records = open_records(listed, SPLIT, shard_format=name)
    encoded = open_records(listed, SPLIT, shard_format=name, decode=False)
    for number in range(len(records)):
        image = records[number]["image"]
        with Image.open(io.BytesIO(encoded[number]["encoded"])) as expected:
            assert np.array_equal(image, np.asarray(expected.convert("RGB")))
        assert image.flags.writeable
        assert image.shape == (records[number]["height"], records[number]["width"], 3)


def test_boxes_and_their_labels_are_alike_in_both_formats(small: RawSet, out: Path) -> None:
    prepared(small, out, "--format", "tfrecord", "--format", "webdataset")
    one, other = (open_records(out, "train", shard_format=name) for name in FORMATS_READ)
    assert filenames(one) == filenames(other)
    for first, second in zip(one, other, strict=True):
        assert first["bbox"].dtype == np.float32
        assert first["bbox"].shape == (len(first["bbox_label"]), 4)
        assert np.allclose(first["bbox"], second["bbox"])
        assert first["bbox_label"].dtype == np.int64
        assert set(first["bbox_label"].tolist()) <= {first["label"]}
        assert first["labels"].shape == (0,)
        assert first["label"] == second["label"] + 1  # 0 is the background of TensorFlow
        assert (first["bbox"][:, :2] <= first["bbox"][:, 2:]).all()
    assert any(len(each["bbox"]) for each in one)


def test_the_first_format_that_is_there_is_read(copy: Path) -> None:
    assert open_records(copy, SPLIT).shards.format == "tfrecord"
    shutil.rmtree(copy / "tfrecord")
    assert open_records(copy, SPLIT).shards.format == "webdataset"


def test_a_format_that_is_begun_is_not_passed_over(copy: Path) -> None:
    (folder(copy, "tfrecord") / "manifest.json").unlink()
    with pytest.raises(OutputDamaged, match="not finished"):
        open_records(copy, SPLIT)


def test_what_is_not_there_is_refused_as_everywhere(listed: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no split 'train'"):
        open_records(listed, "train")
    with pytest.raises(UsageError, match="one by one"):
        open_records(listed, SPLIT, shard_format="recordio")
    with pytest.raises(OutputDamaged, match="no manifest"):
        open_records(tmp_path, SPLIT)


@pytest.mark.parametrize("name", FORMATS_READ)
def test_a_shard_or_an_index_that_is_missing_is_said(copy: Path, name: str) -> None:
    records = open_records(copy, SPLIT, shard_format=name)
    index = folder(copy, name) / LAYOUTS[name].index_name(shard(copy, name).name)
    index.rename(index.with_name("moved"))
    with pytest.raises(OutputDamaged, match="index of a shard is missing"):
        filenames(records)
    index.write_bytes(index.with_name("moved").read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(OutputDamaged, match="offsets of 8 records"):
        filenames(records)
    shard(copy, name).unlink()
    with pytest.raises(OutputDamaged, match="not as the manifest says"):
        open_records(copy, SPLIT, shard_format=name)


def test_a_record_that_was_changed_is_not_passed_on(copy: Path) -> None:
    records = open_records(copy, SPLIT, shard_format="tfrecord", decode=False)
    path = shard(copy, "tfrecord")
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    assert records[8]
    with pytest.raises(OutputDamaged, match="not as it was written"):
        records[15]
    path.write_bytes(content[:-20])
    with pytest.raises(OutputDamaged, match="cut short"):
        records[15]
    assert records[16]


@pytest.mark.parametrize("name", FORMATS_READ)
def test_records_of_a_batch_are_those_that_are_read_one_by_one(listed: Path, name: str) -> None:
    records = open_records(listed, SPLIT, shard_format=name, decode=False)
    numbers = [3, 4, 5, 7, 6, 6, 8, 23, 0, 1]  # in a row, over the end of a shard, and not
    memory = memoryview(bytearray(1 << 20))
    read = records.batch(numbers, lambda size: memory[:size])
    for number, (record, labels) in zip(numbers, read, strict=True):
        expected = records[number]
        assert record.encoded == expected["encoded"]
        assert (record.filename, record.label) == (expected["filename"], expected["label"])
        assert labels == expected["bbox_label"].tolist()
    assert records.batch([], lambda size: memory[:size]) == []


def test_records_of_a_batch_are_read_at_once_where_they_follow_each_other(
    listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, read_into = list[int](), SourceReader.read_into

    def counted(self: SourceReader, source: str, offset: int, target: memoryview) -> int:
        reads.append(len(target))
        return read_into(self, source, offset, target)

    monkeypatch.setattr(SourceReader, "read_into", counted)
    for name in FORMATS_READ:
        records = open_records(listed, SPLIT, shard_format=name)
        records.batch(range(5, 12), lambda size: memoryview(bytearray(size)))
    assert len(reads) == 2 * len(FORMATS_READ)  # of two shards


def test_a_batch_over_a_shard_that_was_changed_is_refused(copy: Path) -> None:
    records = open_records(copy, SPLIT, shard_format="tfrecord")
    path = shard(copy, "tfrecord")
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    with pytest.raises(OutputDamaged, match="cut short"):
        records.batch(range(8, 16), lambda size: memoryview(bytearray(size)))
    path.write_bytes(content[:-10] + bytes([content[-10] ^ 1]) + content[-9:])
    with pytest.raises(OutputDamaged, match="not as it was written"):
        records.batch(range(8, 16), lambda size: memoryview(bytearray(size)))
    assert len(records.batch(range(8, 15), lambda size: memoryview(bytearray(size)))) == 7


def test_with_a_cache_files_are_fetched_when_they_are_read(listed: Path, tmp_path: Path) -> None:
    records = open_records(listed, SPLIT, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    assert records[0]["filename"] == open_records(listed, SPLIT)[0]["filename"]
    assert len(list((tmp_path / "cache").iterdir())) == 2  # a shard and its index
    assert filenames(records) == filenames(open_records(listed, SPLIT))


def test_records_may_be_sent_to_another_process_and_read_by_threads(listed: Path) -> None:
    records = open_records(listed, SPLIT)
    expected = filenames(records)
    sent: Records = pickle.loads(pickle.dumps(records))  # noqa: S301 - our own
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(filenames(sent))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_numbers_are_those_of_a_sequence(listed: Path) -> None:
    records = open_records(listed, SPLIT)
    assert records[-1]["filename"] == records[23]["filename"]
    assert len(list(records)) == 24
    for number in (24, -25):
        with pytest.raises(IndexError):
            records[number]


def test_numbers_of_array_records_are_those_of_a_sequence(listed: Path) -> None:
    records = ArrayRecords(open_shards(listed, SPLIT, (array_records.NAME,)), decode=False)
    assert records[-1]["filename"] == records[23]["filename"]
    assert records[-24]["filename"] == records[0]["filename"]
    for number in (24, -25):
        with pytest.raises(IndexError):
            records[number]


@pytest.mark.parametrize("mode", ["CMYK", "L", "RGB"])
def test_jpegs_of_any_colours_become_rgb(mode: str) -> None:
    memory = io.BytesIO()
    Image.linear_gradient("L").resize((9, 7)).convert(mode).save(memory, "JPEG")
    assert decode_rgb(memory.getvalue()).shape == (7, 9, 3)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 no more", b"text"])
def test_what_is_no_image_is_said(content: bytes) -> None:
    with pytest.raises(BadImage):
        decode_rgb(content)
