"""Columns of the Parquet export of objects, of what came of images, and of whose they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from describedset import Described, drawn, made, without_details

from pipeline.errors import OutputDamaged
from pipeline.exports import parquet_objects
from pipeline.exports.parquet_export import Parquet


def rows_of(described: Described) -> dict[str, dict[str, Any]]:
    """Return the rows of the export, by ImageID."""
    made(Parquet(), described.view())
    rows = pq.read_table(described.out / "metadata.parquet").to_pylist()
    return {row["image_id"]: row for row in rows}


def test_each_image_has_all_that_is_said_of_its_objects(tmp_path: Path) -> None:
    rows = rows_of(drawn(tmp_path))
    assert [len(row["objects"]) for row in rows.values()] == [3, 1, 0, 0, 2]
    bear, waffle, line = rows["000a"]["objects"]
    assert bear == {
        "label": "/m/01",
        "class_index": 0,
        "xmin": 0.1234567890123,  # not in float32
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
    }
    assert [waffle["mask"], line["mask"]] == [None, "black.png"]
    assert [each["label"] for each in rows["fffe"]["objects"]] == ["/m/09", "/m/01"]


def test_an_image_without_a_file_has_its_outcome_and_objects(tmp_path: Path) -> None:
    rows = rows_of(drawn(tmp_path))
    outcomes = {name: row["outcome"] for name, row in rows.items()}
    assert outcomes == dict.fromkeys(rows, "there") | {"000b": "absent"}
    assert rows["000b"]["bytes"] is None
    assert rows["000b"]["objects"][0]["xmax"] == 0.4


def test_each_image_has_its_author(tmp_path: Path) -> None:
    rows = rows_of(drawn(tmp_path))
    assert rows["000a"]["author"] == 'Jo "the, Bear"\nLee'
    assert rows["fffe"]["license"] == "https://l/by/4.0/"
    assert {rows["000c"][name] for name in ("author", "title", "license", "original_url")} == {None}


def test_unknown_authors_are_null(tmp_path: Path) -> None:
    rows = rows_of(replace(drawn(tmp_path), attribution=None))
    assert {row["author"] for row in rows.values()} == {None}
    assert len(rows["000a"]["objects"]) == 3


def test_no_column_is_there_where_a_source_says_no_more_than_its_catalog(tmp_path: Path) -> None:
    data = drawn(tmp_path).view()
    said, unsaid = next(Parquet().plan(data)), next(Parquet().plan(without_details(data)))
    assert said.digest != unsaid.digest
    made(Parquet(), without_details(data))
    names = pq.read_schema(tmp_path / "metadata.parquet").names
    assert not set(parquet_objects.COLUMNS.names) & set(names)


def test_what_is_said_of_other_images_is_refused(tmp_path: Path) -> None:
    described = drawn(tmp_path)
    fewer = {name: shown for name, shown in described.images.items() if name != "000c"}
    with pytest.raises(OutputDamaged, match="other images than the catalog"):
        rows_of(replace(described, images=fewer, in_catalog=described.images))
