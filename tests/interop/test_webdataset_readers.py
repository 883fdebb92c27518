"""webdataset, wids and NVIDIA DALI read every sample of the shards."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support import ROOT, RawSet, prepare

from pipeline import storage
from pipeline.formats.examples.example import parse_example
from pipeline.formats.record import ImageRecord
from pipeline.formats.tfrecord.shard import read_records
from pipeline.formats.webdataset.index import ShardFacts, sample_name, wids_index
from pipeline.formats.webdataset.shard import WebDatasetWriter
from pipeline.storage import StagedFile

READERS = Path(__file__).with_name("readers")
WEBDATASET = os.environ.get(
    "SHARDMILL_WEBDATASET_PYTHON", str(ROOT / ".venv-webdataset/bin/python")
)
WIDS = os.environ.get("SHARDMILL_WIDS_PYTHON", str(ROOT / ".venv-wids/bin/python"))
DATASETS = os.environ.get("SHARDMILL_DATASETS_PYTHON", str(ROOT / ".venv-datasets/bin/python"))
DALI = os.environ.get("SHARDMILL_DALI_PYTHON", str(ROOT / ".venv-dali/bin/python"))
SHARDS = 3

# The last are longer than a header's name field.
ODD_KEYS = [
    "n01/n01_1.JPEG",
    "n01/n01_1.jpg",
    "n01/n01_1",
    "__n01__/.hidden.JPEG",
    "../../up.JPEG",
    "/root.JPEG",
    "Vögel/Größe 1\n.JPEG",
    "d" * 60 + "/" + "e" * 90 + ".JPEG",
    "f" * 300 + ".JPEG",
    "g/" + "h" * 95 + ".JPEG",
]


@dataclass(frozen=True)
class Output:
    """Shards, their DALI indexes and the index of wids, and the records that were written."""

    folder: Path
    records: list[ImageRecord]

    @property
    def shards(self) -> list[Path]:
        return sorted(self.folder.glob("train-*.tar"))

    @property
    def indexes(self) -> list[Path]:
        return [self.folder / "idx" / f"{shard.stem}.idx" for shard in self.shards]


def write(folder: Path, records: list[ImageRecord]) -> Output:
    """Write the records in several shards, in their order."""
    facts = []
    for number in range(SHARDS):
        part = records[number * len(records) // SHARDS : (number + 1) * len(records) // SHARDS]
        name = f"train-{number:05d}"
        path = folder / f"{name}.tar"
        with StagedFile(path) as shard, StagedFile(folder / "idx" / f"{name}.idx") as index:
            writer = WebDatasetWriter(shard, index)
            for record in part:
                writer.write(record)
            writer.finish()
            storage.publish(shard, index)
        facts.append(ShardFacts(path.name, len(part), path.stat().st_size))
    storage.publish_bytes(folder / "wids.json", wids_index(facts, name="train"))
    return Output(folder, records)


def records_of(raw_set: RawSet, out: Path) -> list[ImageRecord]:
    """Return the training images as the TFRecord shards hold them."""
    assert prepare(raw_set, out, "--split", "train", "--label-offset", 0).returncode == 0
    contents = (
        parse_example(bytes(record.data))
        for shard in sorted((out / "tfrecord/train/current").glob("train-*"))
        for record in read_records(shard)
    )
    return [
        ImageRecord(
            key=f"{content.class_id}/{content.filename}",
            filename=content.filename,
            class_index=content.label,
            class_id=content.class_id,
            class_text=content.class_text,
            boxes=content.boxes,
            width=content.width,
            height=content.height,
            encoded=content.encoded,
        )
        for content in contents
    ]


def odd_records() -> list[ImageRecord]:
    """Small images, every other a PNG, under keys of all kinds; the first is unlabelled."""
    records = []
    for number, key in enumerate(ODD_KEYS):
        stream = io.BytesIO()
        image = Image.new("RGB", (20 + number, 10), (25 * number, 5, 5))
        image.save(stream, ("JPEG", "PNG")[number % 2])
        boxes = ((0.0, 0.25, 0.5, 1.0),) * number
        about = ("n01", 'Größe "1"', boxes, 20 + number, 10)
        name = key.rpartition("/")[2]
        records.append(ImageRecord(key, name, number - 1, *about, stream.getvalue()))
    return records


def row(record: ImageRecord) -> list[object]:
    """What a reader should find in a sample."""
    facts = {
        "wnid": record.class_id,
        "words": record.class_text,
        "width": record.width,
        "height": record.height,
        "boxes": [list(box) for box in record.boxes],
        "filename": record.filename,
    }
    extension = "png" if bytes(record.encoded).startswith(b"\x89PNG") else "jpg"
    digest = hashlib.sha256(record.encoded).hexdigest()
    return [sample_name(record.key), extension, digest, record.class_index, facts]


def dali_row(record: ImageRecord) -> list[object]:
    _, _, digest, label, facts = row(record)
    return [digest, label, facts, [record.height, record.width, 3]]


@pytest.fixture(params=["sample", "mini", "odd"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Output:
    """The drawn sample, the real mini set, and images under odd keys."""
    if request.param == "odd":
        return write(tmp_path / "webdataset", odd_records())
    raw_set: RawSet = request.getfixturevalue(request.param)
    return write(tmp_path / "webdataset", records_of(raw_set, tmp_path / "out"))


def printed(*command: object) -> Any:
    """Return the JSON that a reader prints."""
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_webdataset_reads_every_sample_in_order(output: Output) -> None:
    found = printed(WEBDATASET, READERS / "read_webdataset.py", *output.shards)
    assert found == [row(record) for record in output.records]


def test_wids_finds_every_sample_by_its_number(output: Output, tmp_path: Path) -> None:
    found = printed(WIDS, READERS / "read_wids.py", output.folder / "wids.json", tmp_path)
    expected = [row(record) for record in output.records]
    # wids reads names without their prefixes and pax headers.
    for short, whole in zip(found, expected, strict=True):
        assert len(short[0]) >= min(len(str(whole[0])), 90)
        assert str(whole[0]).endswith(short[0])
    assert [short[1:] for short in found] == [whole[1:] for whole in expected]


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "scanned"])
def test_dali_reads_every_sample_in_order(output: Output, indexed: bool) -> None:
    indexes = output.indexes if indexed else []
    found = printed(DALI, READERS / "dali_webdataset.py", *output.shards, "--", *indexes)
    assert found == [dali_row(record) for record in output.records]


def test_dali_writes_the_same_indexes(output: Output, tmp_path: Path) -> None:
    program = Path(DALI).with_name("wds2idx")
    for shard, index in zip(output.shards, output.indexes, strict=True):
        theirs = tmp_path / "theirs"
        subprocess.run([DALI, program, shard, theirs], check=True, capture_output=True)
        assert theirs.read_bytes() == index.read_bytes()


def test_datasets_reads_every_sample_as_the_documents_say(tmp_path: Path) -> None:
    without = [replace(record, boxes=()) for record in odd_records()[:6]]
    output = write(tmp_path / "OUT/webdataset/train/current", [*without, *odd_records()[6:]])
    document = (ROOT / "docs/formats.md").read_text()
    (snippet,) = re.findall(r"```python\n(from datasets import .*?)```", document, re.DOTALL)
    shown = "import json; print(json.dumps([[r['cls'], r['json']] for r in dataset['train']]))"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    run = subprocess.run(
        [DATASETS, "-c", f"{snippet}\n{shown}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [row(record)[3:] for record in output.records]
