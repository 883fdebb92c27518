"""Annotations of COCO: what is taken, what is left out and counted, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
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


def test_a_box_without_an_area_is_left_out_and_counted(said: bytes) -> None:
    found = read(changed(said, lambda value: value["annotations"][1]["bbox"].__setitem__(2, 0)))
    assert found.notes == ("left out: 1 box without an area",)
    assert sum(len(image.boxes) for image in found.images) == 6


def test_an_annotation_without_its_image_is_refused_and_the_remedy_works(
    said: bytes, tmp_path: Path
) -> None:
    def change(value: dict[str, Any]) -> None:
        for place in (1, 2):
            value["annotations"][place]["image_id"] = 5

    with pytest.raises(BadAnnotation) as refusal:
        read(changed(said, change))
    assert refusal.value.place == "annotations[1], id 20"
    assert refusal.value.expected == "one of the ids of images: " + ", ".join(
        str(100 + number) for number in range(8)
    )
    assert refusal.value.found == "image_id 5, and 1 other annotation of such images"
    if shutil.which("jq") is None:
        pytest.skip("jq, which the remedy names, is not installed")
    (tmp_path / "FILE").write_bytes(changed(said, change))
    command = str(refusal.value.remedy).partition("leave such annotations out: ")[2]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)  # noqa: S602 - our own
    boxes = [len(image.boxes) for image in read((tmp_path / "NEW.json").read_bytes()).images]
    assert sum(boxes) == 5


DOUBLED = [
    (b'"categories": [', b'"images": [], "categories": [', "the document", "images"),
    (b'"categories": [', b'"c": 12, "c": 1, "categories": [', "the document", "c"),
    (b'"categories": [', rb'"im\u0061ges": [], "categories": [', "the document", "images"),
    (b'"file_name": "a/1', b'"width": 9, "file_name": "a/1', "images[1]", "width"),
    (b'"name": "dog"', b'"name": "elk", "name": "dog"', "categories[0]", "name"),
    (b'"id": 20', rb'"bb\u006fx": [0, 0, 1, 1], "id": 20', "annotations[1]", "bbox"),
    (
        b'"id": 20',
        b'"id": 20, "attributes": {"inside": 1, "inside": 0}',
        "annotations[1]",
        "inside",
    ),
]


@pytest.mark.parametrize(("before", "after", "place", "key"), DOUBLED)
def test_a_key_that_stands_twice_is_refused(
    said: bytes, before: bytes, after: bytes, place: str, key: str
) -> None:
    assert before in said
    with pytest.raises(BadAnnotation, match="a key that stands there twice") as refusal:
        read(said.replace(before, after, 1))
    assert (refusal.value.place, refusal.value.found) == (place, f"'{key}' twice")


def test_texts_that_look_like_keys_are_none(said: bytes) -> None:
    more = rb'"info": {"a": "\"id\":", "b\"": "\"id\":", "id": {"id": 1}, "\\": 1}, "images": ['
    assert read(said.replace(b'"images": [', more, 1)).notes == ()
    more = rb'"note": "id\": 1, \"id\":", "id": 20'
    assert read(said.replace(b'"id": 20', more, 1)).notes == ()


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
    (put("categories", 1, "name", "a\nb"), "categories[1], id 3", "a category that can be no"),
    (put("categories", 1, "name", " "), "categories[1], id 3", "a category that can be no class"),
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
