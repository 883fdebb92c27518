"""Values in rows of a Parquet file that are null, malformed, or lead where no image is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputRefused
from pipeline.shards.foreign import FoundImage
from pipeline.sources.shardset import collecting

BOX = [1.0, 2.0, 3.0, 4.0]


def read(folder: Path, **columns: pa.Array | list[Any]) -> tuple[list[FoundImage], list[str]]:
    """The images of a Parquet file of these columns, and what was noted."""
    pq.write_table(pa.table(columns), folder / "a.parquet")
    notes = list[str]()
    found = list(collecting.images_of(folder, "a.parquet", lambda what, _: notes.append(what)))
    return found, notes


def with_objects(folder: Path, objects: Any, width: int = 48) -> tuple[FoundImage, list[str]]:
    """The second image of two: the first has one object without a class."""
    first = [{"bbox": [BOX]}, objects] if isinstance(objects, dict) else [objects, objects]
    found, notes = read(folder, jpg=[b"1", b"2"], objects=first, width=[48, width], height=[48, 48])
    return found[-1], notes


def test_a_null_among_classes_is_an_unknown_class_of_that_object_alone(tmp_path: Path) -> None:
    said = {
        "bbox": [BOX, BOX],
        "category": [1, None],
        "class_id": [None, "n1"],
        "difficult": [None, 1],
    }
    image, notes = with_objects(tmp_path, said)
    assert image.box_classes == (1, -1)
    assert image.box_ids == ("", "n1")
    assert image.flags == (0, 32)
    assert notes == []


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"category": [True]}, "category of objects that is no whole number"),
        ({"class_id": [7]}, "class_id of objects that is no text"),
        ({"occluded": ["yes"]}, "occluded of objects that is no number"),
    ],
)
def test_what_is_not_taken_of_objects_is_noted(
    tmp_path: Path, said: dict[str, Any], what: str
) -> None:
    image, notes = with_objects(tmp_path, {"bbox": [BOX], **said})
    assert notes == [f"{what}, which is not taken"]
    assert len(image.boxes) == 1
    assert (image.box_classes, image.box_ids, image.flags) == ((), (), ())


def test_words_of_objects_are_their_ids(tmp_path: Path) -> None:
    image, notes = with_objects(tmp_path, {"bbox": [BOX, BOX], "category": ["ant", None]})
    assert (image.box_classes, image.box_ids, notes) == ((), ("ant", ""), [])


def test_boxes_of_an_image_of_no_size_are_noted(tmp_path: Path) -> None:
    image, notes = with_objects(tmp_path, {"bbox": [BOX]}, width=0)
    assert image.boxes == ()
    assert notes == ["boxes of an image without its width and height, which are not taken"]


@pytest.mark.parametrize(
    ("objects", "column"),
    [
        ([{"bbox": [BOX]}, {"bbox": [None]}], "objects.bbox"),
        ([{"bbox": [BOX]}, {"bbox": [[1.0, None, 3.0, 4.0]]}], "objects.bbox"),
        ([{"bbox": [BOX]}, {"bbox": [[1.0, 2.0]]}], "objects.bbox"),
        ([None, {"bbox": BOX}], "objects.bbox"),
        ([None, {"bbox": 4}], "objects.bbox"),
        ([None, {"bbox": "abcd"}], "objects.bbox"),
        ([[{"bbox": BOX}], [None, {"bbox": BOX}]], "objects"),
        ([[{"bbox": BOX}], [{"bbox": None}]], "objects.bbox"),
        ([None, {"bbox": [BOX], "category": 3}], "objects.category"),
        ([None, {"bbox": [BOX], "category": [3, 4]}], "objects.category"),
        ([None, {"bbox": [BOX], "category": [1 << 40]}], "objects.category"),
    ],
)
def test_malformed_objects_are_refused_with_their_row(
    tmp_path: Path, objects: list[Any], column: str
) -> None:
    with pytest.raises(InputRefused, match="malformed") as caught:
        read(tmp_path, jpg=[b"1", b"2"], objects=objects, width=[48, 48], height=[48, 48])
    error = caught.value
    assert error.file == str(tmp_path / "a.parquet")
    assert error.place == f"row 2, column {column}"
    assert error.expected
    assert error.found
    assert error.remedy


def test_a_label_that_is_null_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="a label that is null") as caught:
        read(tmp_path, jpg=[b"1", b"2"], labels=[[2.0], [1.0, None]])
    assert caught.value.place == "row 2, column labels"
    assert caught.value.found == "1, null"


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("im/p.parquet", "the name of an archive"),
        ("im/p.ZIP", "the name of an archive"),
        ("im/p.tars", "the name of an archive"),
        ("../1.jpg", "leads out of the folder"),
        ("im/../../1.jpg", "leads out of the folder"),
        ("/im/1.jpg", "leads out of the folder"),
        ("a\0b.jpg", "no path of an image"),
    ],
)
def test_a_path_that_is_not_followed_is_refused_with_its_row(
    tmp_path: Path, path: str, what: str
) -> None:
    (tmp_path / "1.jpg").write_bytes(b"1")
    with pytest.raises(InputRefused, match=what) as caught:
        read(tmp_path, path=["1.jpg", path])
    assert caught.value.file == str(tmp_path / "a.parquet")
    assert caught.value.place == "row 2"
    assert caught.value.found == repr(path)


def test_a_path_that_no_file_system_takes_is_of_no_image(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="has the path of is not there"):
        read(tmp_path, path=["x" * 5000])
