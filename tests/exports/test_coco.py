from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from describedset import Shown, Thing, drawn, made, without_details

from pipeline.errors import OutputDamaged
from pipeline.exports.coco_export import Coco
from pipeline.images.masks import Rle

FILE = "coco/instances_train.json"


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    made(Coco(), drawn(tmp_path).view())
    parsed: dict[str, Any] = json.loads((tmp_path / FILE).read_bytes())
    return parsed


def test_images_have_numbers_and_are_those_that_are_there(document: dict[str, Any]) -> None:
    images = document["images"]
    assert [image["id"] for image in images] == [1, 2, 3]
    assert [image["source_id"] for image in images] == ["000a", "000c", "fffe"]
    assert [image["file_name"] for image in images] == ["000a.jpg", "000c.jpg", "fffe.jpg"]
    assert [(image["width"], image["height"]) for image in images] == [
        (160, 80),
        (64, 48),
        (33, 77),
    ]


def test_licences_and_authors_come_from_the_source(document: dict[str, Any]) -> None:
    first, second, third = document["images"]
    licences = {each["id"]: each["url"] for each in document["licenses"]}
    assert licences[first["license"]] == "https://l/by/2.0/"
    assert licences[third["license"]] == "https://l/by/4.0/"
    assert first["author"] == 'Jo "the, Bear"\nLee'
    assert first["title"] == "Bär"
    assert "license" not in second


def test_categories_are_those_of_the_label_table(document: dict[str, Any]) -> None:
    assert [(each["id"], each["name"], each["class_id"]) for each in document["categories"]] == [
        (1, "Bear", "/m/01"),
        (2, "Waffle", "/m/02"),
    ]


def test_an_object_with_a_mask_has_area_and_box_of_the_mask_at_the_size_of_its_image(
    document: dict[str, Any],
) -> None:
    bear = document["annotations"][0]
    expected = np.zeros((80, 160), np.bool_)
    expected[20:60, 40:120] = True
    height, width = bear["segmentation"]["size"]
    decoded = Rle((width, height), bear["segmentation"]["counts"]).decode()
    assert (decoded == expected).all()
    assert bear["area"] == 40 * 80
    assert bear["bbox"] == [40, 20, 80, 40]
    xmin, ymin, xmax, ymax = 0.1234567890123 * 160, 0.25 * 80, 0.75 * 160, 0.7654321 * 80
    assert bear["oid_box"] == [xmin, ymin, xmax - xmin, ymax - ymin]


def test_other_objects_have_the_box_of_their_annotation(document: dict[str, Any]) -> None:
    waffle, line = document["annotations"][1:3]
    assert waffle["bbox"] == [0, 0, 160, 80]
    assert waffle["area"] == 160 * 80
    assert waffle["segmentation"] == line["segmentation"] == []
    assert line["area"] == 0


def test_only_a_known_group_is_a_crowd_and_unknown_flags_are_not_there(
    document: dict[str, Any],
) -> None:
    annotations = document["annotations"]
    assert [each["iscrowd"] for each in annotations] == [0, 1, 0, 0]
    assert annotations[0]["attributes"] == {"occluded": False, "depiction": True}
    assert annotations[1]["attributes"] == {
        "occluded": True,
        "truncated": False,
        "depiction": False,
    }


def test_annotations_are_numbered_and_name_their_images(document: dict[str, Any]) -> None:
    annotations = document["annotations"]
    assert [each["id"] for each in annotations] == [1, 2, 3, 4]
    assert [each["image_id"] for each in annotations] == [1, 1, 1, 3]
    assert [each["category_id"] for each in annotations] == [1, 2, 2, 1]


def test_what_is_not_described_is_counted(tmp_path: Path) -> None:
    (said,) = made(Coco(), drawn(tmp_path).view())
    assert said["closing"] == [
        "COCO, train: 5 objects on 3 images.",
        "1 image is left out, as in the shards.",
        "1 image without an annotation is left out: what is on such an image is not known.",
        "1 x mask without a pixel of its object.",
        "1 x object of a class that is none of the label table left out.",
    ]


def test_images_that_the_shards_lack_are_left_out(tmp_path: Path) -> None:
    made(Coco(), drawn(tmp_path).view(), left_out=["000a.jpg"])
    document = json.loads((tmp_path / FILE).read_bytes())
    assert [image["source_id"] for image in document["images"]] == ["000c", "fffe"]
    assert [each["image_id"] for each in document["annotations"]] == [2]


def test_a_source_that_says_no_more_gives_the_boxes_of_the_catalog(tmp_path: Path) -> None:
    made(Coco(), without_details(drawn(tmp_path).view()))
    document = json.loads((tmp_path / FILE).read_bytes())
    assert [image["source_id"] for image in document["images"]] == ["000a.jpg", "fffe.jpg"]
    bear, waffle = document["annotations"][:2]
    assert bear["bbox"][0] == float(np.float32(0.1234567890123)) * 160
    assert bear["attributes"] == {
        "occluded": False,
        "truncated": False,
        "depiction": True,
        "inside": False,
    }
    assert waffle["iscrowd"] == 1


@pytest.mark.parametrize("other", ["0000", "000bb", "zzzz"])
def test_a_source_that_speaks_of_other_images_is_refused(tmp_path: Path, other: str) -> None:
    described = drawn(tmp_path)
    stranger = {other: Shown((10, 10), (Thing(0, (0.1, 0.1, 0.2, 0.2)),))}
    images = dict(sorted({**described.images, **stranger}.items()))
    data = replace(described, images=images, in_catalog=described.images).view()
    with pytest.raises(OutputDamaged, match="other images than the catalog"):
        made(Coco(), data)


def test_a_split_without_a_box_is_refused(tmp_path: Path) -> None:
    data = drawn(tmp_path).view()
    splits = {"train": replace(data.splits["train"], has_boxes=False)}
    (refusal,) = Coco().refusals(replace(data, splits=splits))
    assert "no split has some" in refusal
    assert [*Coco().refusals(data)] == []


@pytest.mark.parametrize("at_once", [1, 2])
def test_how_many_images_are_held_at_once_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    made(Coco(), drawn(tmp_path).view())
    whole = (tmp_path / FILE).read_bytes()
    monkeypatch.setattr("pipeline.exports.described_images._AT_ONCE", at_once)
    made(Coco(), drawn(tmp_path).view())
    assert (tmp_path / FILE).read_bytes() == whole
