"""Samples that describe each object on an image."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.catalog import objects as bits
from pipeline.errors import OutputDamaged
from pipeline.formats.base import RecordOptions
from pipeline.formats.record import ImageRecord
from pipeline.formats.webdataset import objects
from pipeline.formats.webdataset.format import WebDataset
from pipeline.images.masks import Rle, encode_png
from pipeline.storage import StagedFile

JPEG = b"\xff\xd8\xff image \xff\xd9"
MASK = np.eye(4, 8, dtype=np.bool_)
MASKS = (encode_png(MASK), encode_png(np.zeros((4, 8), np.bool_)))
BEARS = ImageRecord(
    key="00f.jpg",
    filename="00f.jpg",
    class_index=0,
    class_id="/m/01",
    class_text="Bear",
    boxes=((0.25, 0.125, 0.5, 0.75), (0.0, 0.5, 1.0, 1.0)),
    width=8,
    height=4,
    encoded=JPEG,
    box_classes=(0, 1),
    box_ids=("/m/01", "/m/02"),
    flags=(bits.GROUP | bits.INSIDE, 0),
    masks=MASKS,
)
OPTIONS = RecordOptions(label_offset=0, labels="detection", suffix=".jpg")


def facts(record: ImageRecord) -> dict[str, Any]:
    _, after = WebDataset().wrap(record, OPTIONS)
    text = after[after.index(b'{"wnid"') :].rstrip(b"\0")
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_each_object_has_class_flags_and_runs() -> None:
    first, second = facts(BEARS)["objects"]
    assert (first["class_index"], first["class_id"]) == (0, "/m/01")
    assert first["flags"] == ["group_of", "inside"]
    assert first["mask"]["size"] == [4, 8]
    assert (Rle((8, 4), first["mask"]["counts"]).decode() == MASK).all()
    assert second == {"class_index": 1, "class_id": "/m/02", "flags": [], "mask": None}


def test_a_class_label_says_nothing_of_objects() -> None:
    _, after = WebDataset().wrap(BEARS, replace(OPTIONS, labels="class"))
    assert b'"objects"' not in after


def test_a_sample_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    form = WebDataset()
    paths = form.paths(tmp_path, "train-00000-of-00001")
    nothing = replace(BEARS, key="10.jpg", boxes=(), box_classes=(), box_ids=(), flags=(), masks=())
    staged = [StagedFile(path) for path in paths]
    writer = form.writer(staged, OPTIONS, 2)
    for record in (BEARS, nothing):
        writer.write(record)
    writer.finish()
    for file in staged:
        file.rename()
    read = form.read(paths[0])
    for record in (BEARS, nothing):
        stored = next(read)
        assert form.masks_of(stored) == record.masks
        assert form.is_as_written(stored, record, OPTIONS)
        assert form.parse(stored, "file")[0] == form.fields(record, OPTIONS)
        other = replace(record, flags=(0,) * len(record.boxes), key="x.jpg")
        assert not form.is_as_written(stored, other, OPTIONS)


@pytest.mark.parametrize(
    "mask",
    [
        {"size": [4, 9], "counts": "44"},
        {"size": [1 << 20, 1 << 20], "counts": "44"},
        {"size": [4, 8], "counts": "44"},
        {"size": [4, 8], "counts": "\u00e9"},
    ],
)
def test_runs_that_are_not_of_the_image_are_refused(mask: dict[str, object]) -> None:
    with pytest.raises(OutputDamaged, match="mask"):
        objects.masks({"objects": [{"mask": mask}]}, (8, 4))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("class_index", 1.5),
        ("class_index", True),
        ("class_id", None),
        ("flags", ["other"]),
        ("flags", "inside"),
        ("mask", {"size": [4, 8]}),
        ("mask", {"size": [4, 0], "counts": ""}),
        ("other", 1),
    ],
)
def test_only_what_is_written_counts_as_described(name: str, value: object) -> None:
    good = objects.described(BEARS)
    assert objects.are_described(good)
    assert not objects.are_described([{**good[0], name: value}])
