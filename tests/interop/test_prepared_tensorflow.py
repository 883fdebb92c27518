"""TensorFlow reads what the command wrote: every record of the sample and of the mini set."""

from __future__ import annotations

import csv
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support import RawSet, prepare

from pipeline.loaders.tfdata import dataset, feature_spec
from pipeline.sources.ilsvrc2012 import dataset as config
from pipeline.sources.ilsvrc2012 import label_files as labels

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(tensorflow|keras|google)")

ARCHIVES = {"train": "ILSVRC2012_img_train.tar", "validation": "ILSVRC2012_img_val.tar"}


@pytest.fixture(scope="module", params=["sample", "mini"])
def prepared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RawSet, Path]:
    raw_set: RawSet = request.getfixturevalue(request.param)
    out = tmp_path_factory.mktemp(request.param)
    run = prepare(raw_set, out)
    assert run.returncode == 0, run.stderr
    return raw_set, out


def sources(raw_set: RawSet, split: str) -> dict[str, tuple[str, bytes]]:
    """File name -> (WNID, bytes), by tarfile and by the label list alone."""
    found = {}
    numbered = (raw_set.config.parent / "validation_synsets.txt").read_text().split()
    with tarfile.open(raw_set.raw / ARCHIVES[split]) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            if split == "validation":
                found[member.name] = (numbered[int(member.name[15:23]) - 1], content.read())
                continue
            with tarfile.open(fileobj=content) as inner:
                for nested in inner:
                    image = inner.extractfile(nested)
                    assert image is not None
                    found[nested.name] = (member.name.removesuffix(".tar"), image.read())
    return found


def classes(raw_set: RawSet) -> dict[str, tuple[int, str]]:
    """WNID -> (label from 1, words), straight from the table."""
    with (raw_set.config.parent / "synsets.tsv").open() as table:
        rows = sorted(csv.DictReader(table, delimiter="\t"), key=lambda row: row["wnid"])
    return {row["wnid"]: (rank, row["words"]) for rank, row in enumerate(rows, start=1)}


def repaired(source: bytes) -> bool:
    with Image.open(io.BytesIO(source)) as image:
        return image.format != "JPEG" or image.mode == "CMYK"


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_inception_parser_reads_every_record_as_its_source_is(
    prepared: tuple[RawSet, Path], split: str
) -> None:
    raw_set, out = prepared
    wanted, table = sources(raw_set, split), classes(raw_set)
    shards = sorted(str(path) for path in (out / "tfrecord" / split / "current").glob(f"{split}-*"))
    seen = set()
    for record in tf.data.TFRecordDataset(shards):
        example = tf.io.parse_single_example(record, feature_spec())
        name = example["image/filename"].numpy().decode()
        wnid, source = wanted[name]
        label, words = table[wnid]
        encoded = example["image/encoded"].numpy()
        shape = tf.io.decode_jpeg(encoded, channels=3).shape
        with Image.open(io.BytesIO(source)) as image:
            size = image.size
        assert name not in seen
        assert example["image/class/label"].numpy().tolist() == [label]
        assert example["image/class/synset"].numpy().decode() == wnid
        assert example["image/class/text"].numpy().decode() == words
        assert (shape[1], shape[0]) == size
        assert (int(example["image/width"]), int(example["image/height"])) == size
        assert (encoded == source) is not repaired(source)
        seen.add(name)
    assert seen == wanted.keys()


def listed_boxes(out: Path) -> dict[str, list[list[float]]]:
    """File name -> ymin, xmin, ymax, xmax of each box, as the scripts' reader stacks them."""
    found: dict[str, list[list[float]]] = {}
    for name, *corners in csv.reader((out / "bboxes.csv").read_text().splitlines()):
        xmin, ymin, xmax, ymax = (float(np.float32(corner)) for corner in corners)
        found.setdefault(name, []).append([ymin, xmin, ymax, xmax])
    return found


def test_the_loader_gives_images_labels_and_boxes(prepared: tuple[RawSet, Path]) -> None:
    raw_set, out = prepared
    listed, boxed = listed_boxes(out), 0
    examples: list[dict[str, Any]] = list(dataset(out, "train").as_numpy_iterator())
    assert len(examples) == len(sources(raw_set, "train"))
    for example in examples:
        assert example["image"].dtype == np.uint8
        assert example["image"].shape == (example["height"], example["width"], 3)
        assert 1 <= example["label"] <= 1000
        boxes = listed.get(example["filename"].decode(), [])
        assert example["bbox"].tolist() == boxes
        boxed += bool(boxes)
    assert boxed == len(listed) > 0


def test_the_configured_table_is_the_one_that_labels_come_from(
    prepared: tuple[RawSet, Path],
) -> None:
    raw_set, _ = prepared
    table = labels.load_table(config.load(raw_set.config).label_table)
    assert {wnid: rank + 1 for wnid, rank in table.index.items()} == {
        wnid: label for wnid, (label, _) in classes(raw_set).items()
    }
