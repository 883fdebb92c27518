"""Images and annotations joined: by class and name, what is left over, what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.annotations.boxjoin import BoxJoin, closing_lines, unmatched_pieces
from pipeline.annotations.boxtable import SCHEMA, BoxTable
from pipeline.catalog import objects
from pipeline.errors import BadAnnotation

BOX = [0.1, 0.2, 0.3, 0.4]
WNIDS = ("a", "b", "c")


def join_of(
    annotations: Mapping[str, Sequence[str]], chosen: tuple[str, ...] | None = None
) -> BoxJoin:
    """A join with annotations, each of the names of its objects, sorted by key."""
    boxes = [BOX * len(names) for names in annotations.values()]
    named = [
        names if set(names) != {key.partition("/")[0]} else [] for key, names in annotations.items()
    ]
    table = BoxTable(
        pa.array(annotations, pa.string()),
        pa.array([*boxes, []], SCHEMA.field("boxes").type),
        pa.array([*named, []], SCHEMA.field("names").type),
    )
    return BoxJoin(table, Path("boxes.tar.gz"), WNIDS, chosen)


def taken(join: BoxJoin, *keys: str) -> tuple[list[int], list[list[int]]]:
    """How many boxes each image has, and of which classes their objects are."""
    index = [WNIDS.index(key[0]) if "/" in key else -1 for key in keys]
    found = join.take(pa.array(keys, pa.string()), pa.array(index, pa.int32()))
    classes = objects.class_indexes(found)
    return [len(each) for each in objects.boxes(found)], [list(each) for each in classes]


def left(join: BoxJoin) -> list[str]:
    return b"".join(unmatched_pieces(join)).decode().splitlines()[1:]


def test_an_annotation_is_of_the_image_in_its_class_and_of_no_other() -> None:
    join = join_of({"a/0001": ["a"]})
    assert taken(join, "a/0001.JPEG", "a/0002.JPEG")[0] == [1, 0]
    assert taken(join, "b/0001.JPEG")[0] == [0]
    counts = join.counts()
    assert (counts.matched, counts.unmatched, counts.without, counts.images) == (1, 0, 2, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".Png", ".tiff", ".bmp", ".ppm", ""])
def test_the_suffix_of_an_image_does_not_matter(suffix: str) -> None:
    assert taken(join_of({"a/x.v1": ["a", "a"]}), f"a/x.v1{suffix}")[0] == [2]
    assert taken(join_of({"x": ["a"]}), f"x{suffix}")[0] == [1]


def test_an_annotation_of_no_class_in_particular_is_of_its_name() -> None:
    join = join_of({"1": ["b"], "a/2": ["a"], "c/1": ["c"]})
    assert taken(join, "a/1.jpg", "a/2.jpg") == ([1, 1], [[1], [0]])
    assert left(join) == ["c/1.xml"]


@pytest.mark.parametrize(
    "parts",
    [[["a/1.jpg", "a/1.png"]], [["a/1.jpg"], ["a/1.JPEG"]], [["a/2.jpg"], ["b/2.jpg"]]],
)
def test_an_annotation_that_fits_two_images_is_refused(parts: list[list[str]]) -> None:
    join = join_of({"2": ["a"], "a/1": ["a"]})
    for keys in parts[:-1]:
        taken(join, *keys)
    with pytest.raises(BadAnnotation, match="fits two images") as refusal:
        taken(join, *parts[-1])
    assert refusal.value.exit_status == 3
    assert parts[-1][-1] in str(refusal.value.found)


def test_what_fits_no_image_is_listed_and_said() -> None:
    join = join_of({"a/1": ["a"], 'a/2,"': [], "a/3": ["a"], "n9/1": ["n9"]})
    taken(join, "a/1.jpg", "a/9.jpg")
    assert left(join) == ['"a/2,"".xml"', "a/3.xml", "n9/1.xml"]
    assert closing_lines(join.counts()) == [
        "1 of 4 annotations fit an image; 1 of 2 images have no annotation.",
        "3 annotations fit no image.",
    ]


def test_images_and_classes_that_are_not_wanted_leave_no_annotation_over() -> None:
    join = join_of({"a/1": ["a"], "a/2": ["a"], "b/1": ["b"], "b/2": ["b"]}, ("a",))
    join.pass_over(pa.array(["a/2.jpg", "b/1.jpg"]))
    taken(join, "a/1.jpg")
    assert left(join) == []
    counts = join.counts()
    assert (counts.matched, counts.unwanted, counts.unmatched) == (1, 3, 0)
    assert "3 annotations are of images or classes that are left out." in closing_lines(counts)


def test_objects_have_their_own_class_where_they_name_one() -> None:
    join = join_of({"a/1": ["a", "b"], "a/2": ["b"], "a/3": ["dog"], "a/4": ["a"], "a/5": []})
    names = [f"a/{number}.jpg" for number in range(1, 7)]
    assert taken(join, *names) == ([2, 1, 1, 1, 0, 0], [[0, 1], [1], [-1], [0], [], []])
    assert closing_lines(join.counts())[-2:] == [
        "2 boxes are of another class than the image.",
        "1 box names no class id: the class is that of the image.",
    ]


@pytest.mark.parametrize("annotations", [{}, {"n9/1": ["n9"]}, {"a/1": []}, {"b/1": ["a"]}])
def test_boxes_of_which_none_is_of_an_image_are_refused(
    annotations: dict[str, list[str]],
) -> None:
    join = join_of(annotations)
    taken(join, "a/1.jpg")
    with pytest.raises(BadAnnotation, match="not one of the bounding boxes") as refusal:
        join.check()
    assert refusal.value.file == "boxes.tar.gz"
    assert "a/1.jpg" in str(refusal.value.expected)
    assert f"{next(iter(annotations), '')}.xml" in f"{refusal.value.found}.xml"
    join_of({"a/1": ["a"]})


def test_many_unmatched_annotations_are_given_part_by_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.annotations.boxjoin._AT_ONCE", 2)
    join = join_of({f"a/{n}": ["a"] for n in range(5)})
    taken(join, "a/1.jpg")
    assert [len(each) for each in join.unmatched()] == [2, 2]
    assert left(join) == ["a/0.xml", "a/2.xml", "a/3.xml", "a/4.xml"]
