from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from pipeline.errors import CountMismatch, InputRefused, UsageError
from pipeline.exports.dbcollection.split import Split, arrange

COUNTS = {"n03": 1, "n01": 3, "n02": 2}
KEYS = ["n01/9.JPEG", "n02/b.JPEG", "n01/100.JPEG", "n03/a.JPEG", "n01/10_.JPEG", "n02/a.JPEG"]


def table(keys: Sequence[str], wnids: Sequence[str] | None = None) -> pa.Table:
    """Rows of a catalog, as far as they are read."""
    synsets = pa.array(wnids or [key.partition("/")[0] for key in keys], pa.string())
    return pa.table({"key": pa.array(keys, pa.string()), "class_id": synsets.dictionary_encode()})


def rows(split: Split) -> list[tuple[str, str]]:
    """WNID and name of each image."""
    classes = [split.classes[each] for each in split.class_ids.tolist()]
    return list(zip(classes, split.names.to_pylist(), strict=True))


def test_images_are_sorted_by_class_then_as_text_by_name() -> None:
    split = arrange("train", COUNTS, [table(KEYS)])
    assert split.classes == ("n01", "n02", "n03")
    assert split.class_ids.tolist() == [0, 0, 0, 1, 1, 2]
    assert split.class_ids.dtype == "int32"
    assert split.names.to_pylist() == [
        "100.JPEG",
        "10_.JPEG",
        "9.JPEG",
        "a.JPEG",
        "b.JPEG",
        "a.JPEG",
    ]
    assert split.counts.tolist() == [3, 2, 1]


def test_the_parts_that_rows_come_in_do_not_matter() -> None:
    whole = arrange("train", COUNTS, [table(KEYS)])
    parts = arrange("train", COUNTS, [table([]), *(table([key]) for key in reversed(KEYS))])
    assert rows(parts) == rows(whole)


def test_flat_images_are_numbered_within_their_classes() -> None:
    keys = [f"val_{number}.JPEG" for number in range(4)]
    split = arrange("val", {"n01": 2, "n02": 2}, [table(keys, ["n02", "n01", "n01", "n02"])])
    assert rows(split) == [
        ("n01", "val_1.JPEG"),
        ("n01", "val_2.JPEG"),
        ("n02", "val_0.JPEG"),
        ("n02", "val_3.JPEG"),
    ]


def test_a_class_that_sorts_otherwise_with_its_slash_is_in_its_place() -> None:
    keys = ["a-b/1.JPEG", "a/1.JPEG"]
    assert sorted(keys) == keys
    split = arrange("train", {"a": 1, "a-b": 1}, [table(keys)])
    assert rows(split) == [("a", "1.JPEG"), ("a-b", "1.JPEG")]


def test_a_class_without_an_image_is_refused_not_numbered_away() -> None:
    with pytest.raises(CountMismatch, match=r"class n04 has no image at all in split val"):
        arrange("val", {**COUNTS, "n04": 1}, [table(KEYS)])
    with pytest.raises(CountMismatch, match=r"class n04 has no image at all in split val"):
        arrange("val", {**COUNTS, "n04": 0}, [table(KEYS)])
    with pytest.raises(CountMismatch, match=r"class n01 has no image at all"):
        arrange("val", COUNTS, [])


def test_a_missing_image_is_refused() -> None:
    with pytest.raises(CountMismatch, match=r"n02 has another number.*\n.*2\n.*1") as caught:
        arrange("val", COUNTS, [table(KEYS[:-1])])
    assert (caught.value.expected, caught.value.found) == ("2", "1")


def test_one_image_too_many_is_refused() -> None:
    with pytest.raises(CountMismatch) as caught:
        arrange("val", COUNTS, [table([*KEYS, "n03/b.JPEG"])])
    assert (caught.value.expected, caught.value.found) == ("1", "2")


def test_an_image_of_another_class_is_refused() -> None:
    with pytest.raises(InputRefused, match="n09/b") as caught:
        arrange("train", COUNTS, [table(KEYS), table(["n01/c.JPEG", "n09/b.JPEG"])])
    assert caught.value.found == "'n09'"


@pytest.mark.parametrize("name", ["Größe.JPEG", "犬.JPEG", "a\0b.JPEG"])
def test_a_name_that_is_not_ascii_is_refused(name: str) -> None:
    with pytest.raises(InputRefused, match="cannot stand in a file of dbcollection") as caught:
        arrange("train", {"n01": 2}, [table(["n01/a.JPEG", f"n01/{name}"])])
    assert caught.value.found == ascii(f"n01/{name}")
    assert caught.value.place == "an image of split train"


@pytest.mark.parametrize("counts", [{}, {"": 2}])
def test_images_without_classes_are_refused(counts: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="split test has no classes"):
        arrange("test", counts, [table(["a.JPEG", "b.JPEG"], ["", ""])])
