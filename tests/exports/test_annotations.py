"""Tables of the objects on images, and of whose the images are."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
from describedset import drawn, made, without_details

from pipeline.exports.annotations import SCHEMA, Annotations
from pipeline.exports.attribution import COLUMNS, Attribution


def test_each_object_has_a_row_with_all_that_is_said_of_it(tmp_path: Path) -> None:
    (said,) = made(Annotations(), drawn(tmp_path).view())
    table = pq.read_table(tmp_path / "annotations/train.parquet")
    assert table.schema.equals(SCHEMA)
    bear, waffle, line, other, last = table.to_pylist()
    assert said["rows"] == 5
    assert bear == {
        "image_id": "000a",
        "file_name": "000a.jpg",
        "label": "/m/01",
        "class_index": 0,
        "class_name": "Bear",
        "xmin": 0.1234567890123,
        "ymin": 0.25,
        "xmax": 0.75,
        "ymax": 0.7654321,
        "source": "xclick",
        "confidence": 1.0,
        "occluded": 0,
        "truncated": -1,
        "group_of": 0,
        "depiction": 1,
        "inside": None,
        "box_id": "0a1b2c3d",
        "mask": "bear.png",
        "predicted_iou": None,
        "width": 160,
        "height": 80,
    }
    assert [waffle["group_of"], line["group_of"]] == [1, -1]
    assert [other["label"], other["class_index"], other["class_name"]] == ["/m/09", -1, None]
    assert last["image_id"] == "fffe"


def test_a_catalog_alone_gives_rows_too(tmp_path: Path) -> None:
    made(Annotations(), without_details(drawn(tmp_path).view()))
    rows = pq.read_table(tmp_path / "annotations/train.parquet").to_pylist()
    assert [row["label"] for row in rows] == ["/m/01", "/m/02", "/m/02", None, "/m/01"]
    assert {row["source"] for row in rows} == {None}
    assert [row["depiction"] for row in rows] == [1, 0, 0, 0, 0]


def test_each_image_that_is_there_has_its_author(tmp_path: Path) -> None:
    (said,) = made(Attribution(), drawn(tmp_path).view(), left_out=["fffe.jpg"])
    with (tmp_path / "attribution/train.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == list(COLUMNS)
    assert [row[0] for row in rows] == ["000a", "000c", "000d"]
    assert rows[0] == [
        *("000a", 'Jo "the, Bear"\\nLee', "", "Bär"),
        *("https://l/by/2.0/", "", "https://f/a.jpg"),
    ]
    assert said["closing"] == [
        "attribution, train: 3 images.",
        "2 images have no known author.",
    ]


def test_what_looks_like_a_formula_is_marked_as_text(tmp_path: Path) -> None:
    row = {"key": "000a.jpg", "image_id": "000a", "title": "=1+2", "author": "@x"}
    made(Attribution(), replace(drawn(tmp_path), attribution=[row]).view())
    assert "000a,'@x,,'=1+2," in (tmp_path / "attribution/train.csv").read_text()


def test_nobody_says_whose_images_of_an_archive_are(tmp_path: Path) -> None:
    data = without_details(drawn(tmp_path).view())
    (refusal,) = Attribution().refusals(data)
    assert "--export attribution" in refusal
    assert [*Attribution().plan(data)] == []
