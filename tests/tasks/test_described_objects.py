"""Shards that describe each object on an image, of Open Images, through the DAG."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import inprocess
import pytest

from pipeline import storage
from pipeline.formats.examples.example import parse_example
from pipeline.formats.tfrecord.shard import read_records
from pipeline.formats.webdataset.shard import read_samples
from pipeline.images.masks import decode_mask

WHERE = ("--class", "Bear", "--class", "Waffle", "--split", "train", "--masks")
FORMATS = ("--labels", "detection", "--format", "tfrecord,webdataset", "--shards", "train=2")
LEFT_OUT = 4  # some images of the drawn set are not there


def test_each_format_says_class_flags_and_mask_of_each_object(
    monkeypatch: pytest.MonkeyPatch, openimages: Path, out: Path
) -> None:
    place = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml", "--out", out)
    ran = inprocess.shardmill(monkeypatch, "openimages", *place, *WHERE, *FORMATS)
    assert ran.status == LEFT_OUT, ran.said
    labels, numbered, with_masks, groups = set[str](), set[tuple[str, int]](), 0, 0
    shards = storage.pointed(out / "tfrecord/train/current")
    for path in sorted((out / "tfrecord/train" / str(shards)).glob("train-*")):
        for record in read_records(path):
            example = parse_example(record.data)
            said: dict[str, Any] = dict(example.described)
            named = said["image/object/class/text"]
            numbered.update(zip(named, said["image/object/class/label"], strict=True))
            labels.update(named)
            groups += sum(said["image/object/group_of"])
            for mask in example.masks:
                assert decode_mask(mask).shape == (example.height, example.width)
                with_masks += bool(decode_mask(mask).any())
    assert labels == {"/m/01dws", "/m/01dwsz"}
    assert numbered == set(_label_map(out / "label_map.pbtxt").items())
    assert with_masks > 5
    assert groups > 0
    samples = storage.pointed(out / "webdataset/train/current")
    runs = flags = 0
    for path in sorted((out / "webdataset/train" / str(samples)).glob("*.tar")):
        for sample in read_samples(path):
            listed: Any = sample.content.described["objects"]
            runs += sum(each["mask"] is not None for each in listed)
            flags += sum("group_of" in each["flags"] for each in listed)
    assert (runs, flags) == (with_masks, groups)
    assert inprocess.verify(monkeypatch, out).status == 0


def _label_map(path: Path) -> dict[str, int]:
    """Return the id of each name in a label map."""
    names, ids = (re.findall(form, path.read_text()) for form in (r' name: "(.*)"', r" id: (.*)"))
    return dict(zip(names, map(int, ids), strict=True))
