"""Examples that describe each object on an image."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from pipeline.catalog import objects as bits
from pipeline.errors import OutputDamaged
from pipeline.formats.base import RecordOptions, StoredRecord
from pipeline.formats.examples.example import encode_head, parse_example
from pipeline.formats.record import ImageRecord
from pipeline.formats.tfrecord.format import TFRecord
from pipeline.images.masks import encode_png

IMAGE = b"\xff\xd8\xff\xd9"
BEARS = ImageRecord(
    key="00f.jpg",
    filename="00f.jpg",
    class_index=0,
    class_id="/m/01",
    class_text="Bear",
    boxes=((0.25, 0.125, 0.5, 0.75), (0.0, 0.5, 1.0, 1.0), (0.5, 0.5, 0.75, 1.0)),
    width=8,
    height=4,
    encoded=IMAGE,
    box_classes=(0, 200, -1),
    box_ids=("/m/01", "/m/02", ""),
    flags=(bits.GROUP | bits.OCCLUDED, bits.DEPICTION, bits.TRUNCATED),
)
NOTHING = replace(BEARS, boxes=(), box_classes=(), box_ids=(), flags=())
OPTIONS = RecordOptions(label_offset=1, labels="detection", suffix=".jpg")
PREFIX = "image/object/"


def parsed(record: ImageRecord) -> dict[str, object]:
    return dict(parse_example(encode_head(record, 1, described=True) + IMAGE).described)


def test_each_object_has_its_own_label_id_and_flags() -> None:
    assert parsed(BEARS) == {
        f"{PREFIX}class/label": (1, 201, 1),
        f"{PREFIX}class/text": ("/m/01", "/m/02", ""),
        f"{PREFIX}depiction": (0, 1, 0),
        f"{PREFIX}group_of": (1, 0, 0),
        f"{PREFIX}occluded": (1, 0, 0),
        f"{PREFIX}truncated": (0, 0, 1),
        "image/source_id": ("00f",),
    }


def test_keys_ascend_with_the_image_last_and_only_where_that_is_asked_for() -> None:
    masks = tuple(encode_png(np.eye(4, 8, dtype=np.bool_)) for _ in BEARS.boxes)
    head = encode_head(replace(BEARS, masks=masks), 1, described=True)
    keys = re.findall(rb"image/[a-z_/]+(?=\x12)", head)
    assert len(keys) == len(set(keys)) == 23
    assert keys == [*sorted(set(keys) - {b"image/encoded"}), b"image/encoded"]
    assert b"group_of" not in encode_head(replace(BEARS, masks=masks), 1)


def test_an_image_without_objects_has_empty_lists() -> None:
    found = parsed(NOTHING)
    assert found.pop("image/source_id") == ("00f",)
    assert set(found.values()) == {()}


def test_masks_come_back_and_a_record_is_as_it_was_written() -> None:
    record = replace(BEARS, masks=(b"one", b"", b"three"))
    data = memoryview(b"".join((*TFRecord().wrap(record, OPTIONS)[:1], IMAGE)))
    stored = StoredRecord(0, len(data), data)
    assert TFRecord().masks_of(stored) == (b"one", b"", b"three")
    assert TFRecord().is_as_written(stored, record, OPTIONS)
    fields, _ = TFRecord().parse(stored, "file")
    assert fields == TFRecord().fields(record, OPTIONS)
    other = replace(record, flags=(0, 0, 0))
    assert not TFRecord().is_as_written(stored, other, OPTIONS)


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        (b"image/object/group_of", b"image/object/group_off"[:21], "group_o"),
        (b"image/source_id", b"image/source_ie", "known key"),
    ],
)
def test_a_feature_that_is_gone_is_noticed(before: bytes, after: bytes, place: str) -> None:
    head = encode_head(BEARS, 1, described=True).replace(before, after[:-1] + b"x")
    with pytest.raises(OutputDamaged) as refused:
        parse_example(head + IMAGE)
    assert place in str(refused.value)


def test_labels_that_disagree_are_noticed() -> None:
    head = encode_head(BEARS, 1, described=True)
    labels = bytes((1, 201, 1, 1))  # 201 takes two bytes
    assert head.count(labels) == 2
    with pytest.raises(OutputDamaged, match="image/object/bbox/label"):
        parse_example(head.replace(labels, bytes((2, 201, 1, 1)), 1) + IMAGE)
