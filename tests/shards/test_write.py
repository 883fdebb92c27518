"""Writing one shard: the images as they were, the repairs on record, bad images never hidden."""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path
from unittest.mock import Mock

import pyarrow as pa
import pytest
import xxhash
from catalogrows import objects
from PIL import Image

from pipeline import manifest, paths, storage
from pipeline.catalog import table as catalog
from pipeline.catalog.shard_name import ShardName
from pipeline.errors import ArchiveRefused, BadImage, NoSpace, TransientError
from pipeline.formats.base import RecordOptions
from pipeline.formats.examples.example import parse_example
from pipeline.formats.tfrecord.shard import read_records
from pipeline.images.prepare import PLAIN
from pipeline.images.repair import codec, repair
from pipeline.manifest import FileEntry
from pipeline.shards import facts
from pipeline.shards import finish as outputs
from pipeline.shards import write as shards
from pipeline.shards.output import Output, RecordForm

NAME = ShardName("train", 1, 3)


def image(mode: str, encoding: str = "JPEG", size: tuple[int, int] = (32, 24)) -> bytes:
    memory = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(memory, encoding)
    return memory.getvalue()


RGB, GRAY, CMYK = image("RGB"), image("L", size=(17, 9)), image("CMYK")
PNG = image("RGBA", "PNG")
JUNK = b"<html>Please log in</html>"
GOOD = {"n01/a.JPEG": RGB, "n02/b.JPEG": GRAY, "n01/c.JPEG": PNG, "n02/d.JPEG": CMYK}


class Source:
    """An archive made of images end to end, and the rows of a plan that point into it."""

    def __init__(self, folder: Path, images: dict[str, bytes]) -> None:
        self.file = folder / "train.tar"
        self.file.write_bytes(b"".join(images.values()))
        rows: list[dict[str, object]] = []
        offset = 0
        for key, content in images.items():
            rows.append(
                {
                    "key": key,
                    "filename": key.rpartition("/")[2],
                    "source": "train.tar",
                    "offset": offset,
                    "length": len(content),
                    "class_index": int(key[2]) - 1,
                    "class_id": key[:3],
                    "class_text": f"words of {key[:3]}",
                    "objects": objects([0.1, 0.2, 0.3, 0.4] * (len(rows) % 3)),
                    "line": 0,
                    "id": len(rows),
                    "labels": [],
                }
            )
            offset += len(content)
        self.rows = pa.RecordBatch.from_pylist(rows, catalog.SCHEMA)

    def write(self, out: Path, *output: Output, on_bad_image: str = "fail") -> int:
        root = self.file.parent
        return shards.write_shard(out, NAME, self.rows, root, output, on_bad_image=on_bad_image)


@pytest.fixture
def output(out: Path) -> Output:
    """An output of one format."""
    return made(out, "tfrecord", "0123456789ab", 1)


def made(out: Path, name: str, digest: str, label_offset: int, repairs: bool = True) -> Output:
    form = RecordForm(name, RecordOptions(label_offset), PLAIN, None, repairs)
    return Output(digest, paths.output(out, name, "train", digest), form)


def stored(output: Output) -> dict[str, bytes]:
    parsed = [parse_example(bytes(record.data)) for record in read_records(output.files(NAME)[0])]
    return {example.filename: bytes(example.encoded) for example in parsed}


def document(out: Path, output: Output) -> manifest.Document:
    assert outputs.shard_document(out, output, NAME.index) is not None
    return manifest.load(paths.shard_mark(out, output.digest, NAME.index))


def files(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


def test_images_are_stored_byte_for_byte_in_the_order_of_the_plan(
    tmp_path: Path, out: Path, output: Output
) -> None:
    assert Source(tmp_path, GOOD).write(out, output) == 4
    shard = output.files(NAME)[0]
    examples = [parse_example(bytes(record.data)) for record in read_records(shard)]
    assert [(example.filename, example.label) for example in examples] == [
        ("a.JPEG", 1),
        ("b.JPEG", 2),
        ("c.JPEG", 1),
        ("d.JPEG", 2),
    ]
    assert [(example.class_id, example.class_text) for example in examples[:2]] == [
        ("n01", "words of n01"),
        ("n02", "words of n02"),
    ]
    assert [(example.width, example.height) for example in examples[:2]] == [(32, 24), (17, 9)]
    assert stored(output) == {
        "a.JPEG": RGB,
        "b.JPEG": GRAY,
        "c.JPEG": repair(PNG),
        "d.JPEG": repair(CMYK),
    }


def test_each_repair_is_recorded_with_its_codec_and_the_hash_before(
    tmp_path: Path, out: Path, output: Output
) -> None:
    Source(tmp_path, GOOD).write(out, output)
    assert document(out, output)["repairs"] == [
        {
            "key": key,
            "reason": reason,
            "codec": codec(),
            "source_xxh3_128": xxhash.xxh3_128_hexdigest(content),
        }
        for key, reason, content in (("n01/c.JPEG", "png", PNG), ("n02/d.JPEG", "cmyk", CMYK))
    ]


def test_the_facts_describe_each_record(tmp_path: Path, out: Path, output: Output) -> None:
    Source(tmp_path, GOOD).write(out, output)
    rows = facts.read_slice(paths.shard_facts(out, output.digest, NAME.index), 1000).to_pylist()
    assert [(row["key"], row["shard"], row["record"]) for row in rows] == [
        (key, 1, record) for record, key in enumerate(GOOD)
    ]
    assert [(row["mode"], row["repair"]) for row in rows] == [
        ("RGB", None),
        ("L", None),
        ("RGBA", "png"),
        ("CMYK", "cmyk"),
    ]
    contents = stored(output).values()
    assert [row["xxh3_128"] for row in rows] == [manifest.hash_bytes(found) for found in contents]
    index = storage.read_bytes(output.files(NAME)[1]).decode()
    assert index == "".join(f"{row['offset']} {row['length']}\n" for row in rows)


def test_the_shard_manifest_names_its_files_and_is_published_last(
    tmp_path: Path, out: Path, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = Mock(wraps=storage.publish)
    monkeypatch.setattr(storage, "publish", publish)
    Source(tmp_path, GOOD).write(out, output)
    found = document(out, output)
    assert {name: found[name] for name in ("output", "format", "split", "shard", "records")} == {
        "output": output.digest,
        "format": "tfrecord",
        "split": "train",
        "shard": 1,
        "records": 4,
    }
    entries = [FileEntry(**entry) for entry in found["files"]]
    assert [entry.file for entry in entries] == [
        "tfrecord/train/0123456789ab/train-00001-of-00003",
        "tfrecord/train/0123456789ab/idx/train-00001-of-00003",
        ".shardmill/shards/0123456789ab/00001.facts.arrow",
    ]
    for entry in entries:
        assert manifest.hash_file(out / entry.file) == entry.xxh3_128
    mark = ".shardmill/shards/0123456789ab/00001.json"
    assert files(out) == sorted([*(entry.file for entry in entries), mark])
    ((published, _),) = publish.call_args_list
    assert published[-1].path == out / mark


def test_a_shard_is_complete_until_one_of_its_files_is_not(
    tmp_path: Path, out: Path, output: Output
) -> None:
    source = Source(tmp_path, GOOD)
    assert outputs.shard_document(out, output, NAME.index) is None
    source.write(out, output)
    whole = {name: (out / name).read_bytes() for name in files(out)}
    for name in whole:
        os.truncate(out / name, 10)
        assert outputs.shard_document(out, output, NAME.index) is None
        source.write(out, output)
        assert document(out, output)["records"] == 4
    assert {name: (out / name).read_bytes() for name in files(out)} == whole


def test_all_outputs_are_written_from_one_read(tmp_path: Path, out: Path, output: Output) -> None:
    other = made(out, "tfrecord", "ba9876543210", 0)
    assert Source(tmp_path, GOOD).write(out, output, other) == 4
    assert stored(output) == stored(other)
    assert document(out, output)["repairs"] == document(out, other)["repairs"]


class TestBadImages:
    BAD = dict(GOOD) | {
        "n01/e.JPEG": JUNK,
        "n02/f.JPEG": b"",
        "n02/g.JPEG": RGB,
        "n01/h.JPEG": PNG[:30],
    }

    def test_are_all_listed_before_anything_is_published(
        self, tmp_path: Path, out: Path, output: Output
    ) -> None:
        with pytest.raises(BadImage) as refusal:
            Source(tmp_path, self.BAD).write(out, output)
        lines = str(refusal.value.place).splitlines()
        assert [line.split(" ")[0] for line in lines] == ["n01/e.JPEG", "n02/f.JPEG", "n01/h.JPEG"]
        assert "train.tar, offset" in lines[0]
        assert "HTML page" in lines[0]
        assert "--on-bad-image skip" in str(refusal.value.remedy)
        assert files(out) == []

    def test_are_left_out_on_request_and_said_to_be(
        self, tmp_path: Path, out: Path, output: Output
    ) -> None:
        source = Source(tmp_path, self.BAD)
        assert source.write(out, output, on_bad_image="skip") == 5
        found = document(out, output)
        assert found["records"] == 5
        assert [image["key"] for image in found["left_out"]] == [
            "n01/e.JPEG",
            "n02/f.JPEG",
            "n01/h.JPEG",
        ]
        offset = sum(map(len, GOOD.values()))
        assert found["left_out"][0]["source"] == "train.tar"
        assert found["left_out"][0]["offset"] == offset
        assert "HTML page" in found["left_out"][0]["reason"]
        assert list(stored(output)) == ["a.JPEG", "b.JPEG", "c.JPEG", "d.JPEG", "g.JPEG"]

    def test_that_cannot_be_repaired_are_bad_too(
        self, tmp_path: Path, out: Path, output: Output
    ) -> None:
        source = Source(tmp_path, {"n01/a.JPEG": PNG[: len(PNG) // 2], "n02/b.JPEG": RGB})
        assert source.write(out, output, on_bad_image="skip") == 1
        (left_out,) = document(out, output)["left_out"]
        assert "cannot be decoded" in left_out["reason"]

    @pytest.mark.parametrize("on_bad_image", ["fail", "skip"])
    def test_may_not_be_all_there_is(
        self, tmp_path: Path, out: Path, output: Output, on_bad_image: str
    ) -> None:
        many = {f"n01/{number}.JPEG": JUNK for number in range(12)}
        with pytest.raises(BadImage) as refusal:
            Source(tmp_path, many).write(out, output, on_bad_image=on_bad_image)
        assert str(refusal.value.place).endswith("\nand 2 more")
        assert files(out) == []


def test_an_archive_that_ends_too_early_is_refused(
    tmp_path: Path, out: Path, output: Output
) -> None:
    source = Source(tmp_path, GOOD)
    os.truncate(source.file, source.file.stat().st_size - 1)
    with pytest.raises(ArchiveRefused) as refusal:
        source.write(out, output)
    error = refusal.value
    assert error.file == str(source.file)
    assert str(error.place).startswith("n02/d.JPEG, offset")
    assert (error.expected, error.found) == (f"{len(CMYK)} bytes", f"{len(CMYK) - 1} bytes")
    assert files(out) == []


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, out: Path, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.StagedFile, "sync", Mock(side_effect=NoSpace("injected")))
    with pytest.raises(NoSpace):
        Source(tmp_path, GOOD).write(out, output)
    assert files(out) == []


def test_a_shard_that_is_published_later_is_not_there_before(
    tmp_path: Path, out: Path, output: Output
) -> None:
    source, written = Source(tmp_path, GOOD), list[shards.UnpublishedShard]()
    rows = source.rows
    assert shards.write_shard(out, NAME, rows, tmp_path, [output], publish=written.append) == 4
    assert outputs.shard_document(out, output, NAME.index) is None
    (shard,) = written
    shards.at_once(shard)
    assert outputs.shard_document(out, output, NAME.index) is not None
    info = storage.stat(output.files(NAME)[0])
    assert info is not None
    assert (shard.records, shard.bytes) == (4, info.size)


def test_a_shard_is_discarded_where_the_one_before_it_could_not_be_published(
    tmp_path: Path, out: Path, output: Output
) -> None:
    refuse, source = Mock(side_effect=NoSpace("of the one before")), Source(tmp_path, GOOD)
    with pytest.raises(NoSpace):
        shards.write_shard(out, NAME, source.rows, tmp_path, [output], publish=refuse)
    assert files(out) == []


def test_progress_is_told_every_64_images(tmp_path: Path, out: Path, output: Output) -> None:
    source = Source(tmp_path, {f"n01/{number:03}.JPEG": RGB for number in range(150)})
    told: list[int] = []
    assert (
        shards.write_shard(out, NAME, source.rows, tmp_path, [output], progress=told.append) == 150
    )
    assert told == [64, 128]
    assert len(stored(output)) == 150


@pytest.mark.parametrize("after", [1, 100])
def test_an_archive_that_changes_while_it_is_read_is_not_trusted(
    tmp_path: Path, out: Path, output: Output, after: int
) -> None:
    source = Source(tmp_path, {f"n01/{number:03}.JPEG": RGB for number in range(150)})
    info = storage.stat(source.file)
    assert info is not None
    seen = {"train.tar": info}
    shards.write_shard(out, NAME, source.rows, tmp_path, [output], verified=seen)
    assert outputs.shard_document(out, output, NAME.index) is not None

    def touch(done: int) -> None:
        if done >= after:
            os.utime(source.file, (0, 0))

    other = dataclasses.replace(output, digest="ba9876543210", folder=output.folder / "other")
    with pytest.raises(TransientError, match="changed after it was verified"):
        shards.write_shard(out, NAME, source.rows, tmp_path, [other], verified=seen, progress=touch)
    assert outputs.shard_document(out, other, NAME.index) is None
