"""Annotations of COCO: what is taken, what is left out and counted, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawnannotations import NAMES, document

from pipeline.catalog import objects
from pipeline.errors import BadAnnotation
from pipeline.sources.imagelist.annotated import coco_file
from pipeline.sources.imagelist.annotated.images import Annotations

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return json.dumps(document(tmp_path_factory.mktemp("drawn"))).encode()


def read(content: bytes) -> Annotations:
    return coco_file.interpret(coco_file.parse(content, "a.json"), "a.json")


def changed(said: bytes, change: Change) -> bytes:
    value = json.loads(said)
    change(value)
    return json.dumps(value).encode()


def test_images_boxes_and_flags_are_as_they_stand_there(said: bytes) -> None:
    found = read(said)
    assert [image.path for image in found.images] == list(NAMES)
    assert [len(image.boxes) for image in found.images] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert sorted(found.names) == ["cat", "dog", "emu"]
    assert found.notes == ()
    second = found.images[2]
    dog, cat = second.boxes
    assert (second.number, dog.name, cat.name, cat.box_id) == (102, "dog", "cat", "21")
    assert dog.box == (3 / second.width, 5 / 30, 13 / second.width, 14.5 / 30)
    asked = objects.TRUNCATED | objects.DIFFICULT | objects.GROUP
    assert (dog.known, dog.flags, cat.flags) == (asked, 0, objects.TRUNCATED)
    assert found.images[4].boxes[0].flags == objects.DIFFICULT
    assert found.images[5].boxes[0].flags == objects.GROUP


def test_what_has_no_image_or_no_area_is_left_out_and_counted(said: bytes) -> None:
    def change(value: dict[str, Any]) -> None:
        value["annotations"][0]["image_id"] = 5
        value["annotations"][1]["bbox"][2] = 0

    found = read(changed(said, change))
    assert found.notes == (
        "left out: 1 annotation of images that the file does not have",
        "left out: 1 box without an area",
    )
    assert sum(len(image.boxes) for image in found.images) == 5


def test_a_box_that_leaves_its_image_by_a_pixel_is_cut(said: bytes) -> None:
    def change(value: dict[str, Any]) -> None:
        value["annotations"][0]["bbox"] = [-0.5, 20, 41.9, 10.5]

    assert read(changed(said, change)).images[1].boxes[0].box == (0.0, 20 / 30, 1.0, 1.0)


def put(place: str, number: int, name: str, value: object) -> Change:
    def change(whole: dict[str, Any]) -> None:
        whole[place][number][name] = value

    return change


def drop(name: str) -> Change:
    return lambda whole: whole.pop(name)


REFUSED: list[tuple[Change, str, str]] = [
    (put("annotations", 1, "bbox", [0, 0, 99, 5]), "annotations[1], id 20", "a box outside of"),
    (put("annotations", 1, "category_id", 8), "annotations[1], id 20", "an unknown category"),
    (put("annotations", 2, "bbox", [1, 2, 3]), "annotations[2].bbox", "not annotations of COCO"),
    (put("annotations", 1, "id", 10), "annotations[1], id 10", "an id of two annotations"),
    (put("images", 1, "id", 100), "images[1], id 100", "an id of two images"),
    (put("images", 1, "file_name", "./0.jpg"), "images[1], id 101", "a path of two images"),
    (put("images", 1, "file_name", "../0.jpg"), "images[1], id 101", "a path that leaves"),
    (put("images", 1, "file_name", "a\n.jpg"), "images[1], id 101", "a path that no image"),
    (put("images", 1, "id", "x"), "images[1].id", "not annotations of COCO"),
    (put("images", 1, "id", 1 << 70), "images[1].id", "not annotations of COCO"),
    (put("images", 1, "width", 0), "images[1].width", "not annotations of COCO"),
    (put("categories", 1, "id", 7), "categories[1], id 7", "an id of two categories"),
    (put("categories", 1, "name", "dog"), "categories[1], id 3", "a name of two categories"),
    (drop("annotations"), "the document", "not annotations of COCO"),
    (lambda whole: whole["images"].clear(), "images", "no image"),
    (lambda whole: whole["categories"].clear(), "categories", "no category"),
    (lambda whole: [each.update(image_id=1) for each in whole["annotations"]], "annotations", "no"),
]


@pytest.mark.parametrize(("change", "place", "what"), REFUSED)
def test_what_is_wrong_is_refused_with_its_place(
    said: bytes, change: Change, place: str, what: str
) -> None:
    with pytest.raises(BadAnnotation) as refusal:
        read(changed(said, change))
    error = refusal.value
    assert (error.file, error.place) == ("a.json", place)
    assert error.what.startswith(what)
    assert error.expected
    assert error.found
    assert error.remedy


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"images": [{"id": 1, ', b"\xff{}"])
def test_what_is_no_such_json_is_refused(content: bytes) -> None:
    with pytest.raises(BadAnnotation):
        read(content)


def test_every_cut_of_a_file_is_refused(said: bytes) -> None:
    for stop in range(0, len(said), 97):
        with pytest.raises(BadAnnotation, match="no JSON, or was cut"):
            coco_file.parse(said[:stop])


def test_a_name_of_a_file_is_no_matter(tmp_path: Path) -> None:
    assert coco_file.parse(json.dumps(document(tmp_path)).encode()).images[0].id == 100
