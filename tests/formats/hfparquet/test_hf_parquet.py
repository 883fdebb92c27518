"""Parquet shards of images: what Arrow reads of them, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from columnrecords import BARE, BOXED, DESCRIBED, MASKS, NAMES, PLAIN, SAID, VECTORS, write

from pipeline.errors import BadAnnotation, BadImage, OutputDamaged
from pipeline.formats.base import RecordOptions
from pipeline.formats.hfparquet import shard
from pipeline.formats.hfparquet.format import HuggingFaceParquet
from pipeline.formats.record import ImageRecord

MADE = HuggingFaceParquet()


def rows(path: Path) -> list[dict[str, Any]]:
    """Return what Arrow reads, with the checksum of every page."""
    table = pq.ParquetFile(path, page_checksum_verification=True).read()
    table.validate(full=True)
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def test_an_image_has_its_bytes_key_label_and_size(tmp_path: Path) -> None:
    path, _ = write(MADE, tmp_path, [BARE, replace(BARE, class_index=-1)], PLAIN)
    image = {"bytes": BARE.encoded, "path": "a/0.jpg"}
    size = {"width": 40, "height": 30}
    assert rows(path) == [{"image": image, "label": label, **size} for label in (1, -1)]


def test_a_box_is_x_y_width_and_height_in_pixels(tmp_path: Path) -> None:
    path, _ = write(MADE, tmp_path, [BOXED, BARE], NAMES)
    boxed, bare = (row["objects"] for row in rows(path))
    assert boxed["bbox"] == [[10, 15, 10, 15], [0, 0, 40, pytest.approx(3)]]
    assert boxed["category"] == [1, 1]
    assert boxed["area"] == [150, pytest.approx(120)]
    assert bare == {"bbox": [], "category": [], "area": []}


def test_described_objects_have_classes_flags_and_masks(tmp_path: Path) -> None:
    path, _ = write(MADE, tmp_path, [SAID, BARE], DESCRIBED)
    said, bare = rows(path)
    assert said["labels"] == [1.0, 2.0]
    objects = said["objects"]
    assert (objects["category"], objects["class_id"]) == ([2, 1], ["/m/2", ""])
    flags = ("occluded", "truncated", "group_of", "depiction", "inside", "difficult")
    assert [objects[flag][0] for flag in flags] == [0, 0, 1, 0, 1, 0]
    assert objects["mask"] == [{"bytes": mask, "path": None} for mask in MASKS]
    assert set(map(len, bare["objects"].values())) == {0}
    assert bare["labels"] == []


@pytest.mark.parametrize("options", [PLAIN, NAMES, VECTORS, DESCRIBED])
def test_a_record_that_is_read_is_as_it_was_written(tmp_path: Path, options: RecordOptions) -> None:
    given = [SAID, BARE] if options is DESCRIBED else [BARE, *([BOXED] if options.boxes else [])]
    path, placements = write(MADE, tmp_path, given, options)
    for image, place, found in zip(given, placements, MADE.read(path), strict=True):
        assert (found.offset, found.length) == (place.offset, place.length)
        assert MADE.is_as_written(found, image, options)
        assert not MADE.is_as_written(found, replace(image, width=1), options)
        assert not MADE.is_as_written(found, image, replace(options, class_names=("other",)))
        assert MADE.masks_of(found) == (image.masks if options is DESCRIBED else ())


def test_classes_have_names_unless_they_count_from_another_number(tmp_path: Path) -> None:
    def label(options: RecordOptions, folder: str) -> Any:
        path, _ = write(MADE, tmp_path / folder, [BARE], options)
        said = json.loads(pq.read_schema(path).metadata[b"huggingface"])
        return said["info"]["features"]["label"]

    assert label(NAMES, "a") == {"names": list(NAMES.class_names), "_type": "ClassLabel"}
    plain = {"dtype": "int64", "_type": "Value"}
    assert label(replace(NAMES, label_offset=1), "b") == label(PLAIN, "c") == plain


@pytest.mark.parametrize(("name", "value"), [("GROUP_ROWS", 2), ("GROUP_BYTES", 1000)])
def test_a_row_group_ends_with_its_last_row_or_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    monkeypatch.setattr(shard, name, value)
    given = [replace(BARE, key=f"{number}.jpg") for number in range(5)]
    path, _ = write(MADE, tmp_path, given, PLAIN)
    said = pq.ParquetFile(path).metadata
    fits = 2 if name == "GROUP_ROWS" else -(-value // len(BARE.encoded))
    sizes = [said.row_group(group).num_rows for group in range(said.num_row_groups)]
    assert sizes == [fits] * (5 // fits) + ([5 % fits] if 5 % fits else [])
    assert [row["image"]["path"] for row in rows(path)] == [each.key for each in given]
    assert [bytes(MADE.parse(each, "")[1]) for each in MADE.read(path)] == [BARE.encoded] * 5


def test_nothing_in_a_shard_names_a_library_and_no_column_is_packed(tmp_path: Path) -> None:
    path, _ = write(MADE, tmp_path, [BOXED], NAMES)
    said = pq.ParquetFile(path).metadata
    assert said.created_by == "shardmill"
    columns = [said.row_group(0).column(number) for number in range(said.num_columns)]
    assert {column.compression for column in columns} == {"UNCOMPRESSED"}
    assert not any(column.is_stats_set for column in columns)


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    path, _ = write(MADE, tmp_path, [BOXED, BARE], NAMES)
    content = path.read_bytes()
    image = content.index(BARE.encoded) + 100  # of an image one byte stands for all
    places = [
        *range(60),
        image,
        *range(content.rindex(BARE.encoded) + len(BARE.encoded), len(content)),
    ]
    for at in places:
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        assert is_found(path), at


def is_found(path: Path) -> bool:
    """Whether a shard is refused, or its columns are not those of `NAMES`."""
    try:
        found = zip(MADE.read(path), [BOXED, BARE], strict=True)
        return not sum(MADE.is_as_written(record, image, NAMES) for record, image in found)
    except OutputDamaged as error:
        return path.name in str(error.file)


@pytest.mark.parametrize("image", [BOXED, replace(BARE, labels=(0.5,))])
def test_what_has_no_column_is_refused(tmp_path: Path, image: ImageRecord) -> None:
    with pytest.raises(BadAnnotation, match="columns"):
        write(MADE, tmp_path, [image], PLAIN)
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_no_page_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "_PAGE_BYTES", 100)
    with pytest.raises(BadImage, match="too large"):
        write(MADE, tmp_path, [BARE], PLAIN)
