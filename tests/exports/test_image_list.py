"""Lists and label tables, byte for byte: others parse them with two lines of code."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.classes import LabelTable
from pipeline.errors import ConfigError, InputRefused
from pipeline.exports import image_list as imagelist
from pipeline.resources import shipped
from pipeline.sources.ilsvrc2012 import label_files as labels

HEADER = ["wnid", "sorted_index", "tensorflow", "ilsvrc2012_id", "ilsvrc2012_id_minus_1", "words"]
CONVENTIONS = {
    "sorted_index": range(1000),
    "tensorflow": range(1, 1001),
    "ilsvrc2012_id": range(1, 1001),
    "ilsvrc2012_id_minus_1": range(1000),
}
SMALL = LabelTable(
    Path("synsets.tsv"), ("n01", "n02"), ("crane", "crane, bird"), {"ilsvrc2012_id": ("2", "1")}
)

file_names = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r"))


@pytest.fixture(scope="module")
def imagenet() -> LabelTable:
    return labels.load_table(shipped("config/ilsvrc2012/synsets.tsv"))


def parsed(content: bytes) -> list[list[str]]:
    text = content.decode()
    assert text.endswith("\n")
    return [line.split("\t") for line in text.split("\n")[:-1]]


def test_an_image_list_is_as_im2rec_writes_it() -> None:
    paths = ["n01440764/n01440764_18.JPEG", "n15075141/zürich 9993.JPEG", "a.JPEG"]
    assert (
        imagelist.list_bytes(paths, [0, 999, -1])
        == (
            "0\t0.000000\tn01440764/n01440764_18.JPEG\n"
            "1\t999.000000\tn15075141/zürich 9993.JPEG\n"
            "2\t-1.000000\ta.JPEG\n"
        ).encode()
    )


def test_the_list_of_a_catalog_in_parts_is_numbered_through() -> None:
    columns = {"key": ["n01/a", "n02/b", "n02/c"], "class_id": ["n01", "n02", "n02"]}
    labels = pa.array([[]] * 3, pa.list_(pa.float32()))
    rows = pa.table({**columns, "class_index": [0, 1, 1], "class_text": [""] * 3, "labels": labels})
    pieces = imagelist.list_pieces([rows[:2], rows[2:]])
    assert b"".join(pieces) == imagelist.list_bytes(columns["key"], [0, 1, 1])


@given(st.lists(st.tuples(file_names, st.integers(-1, 21_841))))
def test_an_image_list_is_read_back_and_columns_of_arrow_make_the_same(
    rows: list[tuple[str, int]],
) -> None:
    paths = [path for path, _ in rows]
    classes = [index for _, index in rows]
    content = imagelist.list_bytes(paths, classes)
    assert content == b"".join(
        b"%d\t%f\t%s\n" % (row, index, path.encode()) for row, (path, index) in enumerate(rows)
    )
    columns = pa.array(paths, pa.string()), pa.array(classes, pa.int32())
    assert imagelist.list_bytes(*columns) == content
    assert imagelist.list_bytes(*map(pa.chunked_array, ([each] for each in columns))) == content


@pytest.mark.parametrize("name", ["a\tb.JPEG", "a\nb.JPEG", "a.JPEG\r"])
def test_a_name_that_would_break_a_line_of_the_list_is_refused(name: str) -> None:
    with pytest.raises(InputRefused, match="cannot stand in an image list") as caught:
        imagelist.list_bytes(["fine.JPEG", name], [0, 1])
    assert (caught.value.place, caught.value.found) == ("image 1", repr(name))


def test_a_list_of_unequal_columns_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        imagelist.list_bytes(["a.JPEG"], [0, 1])


def test_the_synsets_stand_one_a_line_in_the_order_of_their_indexes(imagenet: LabelTable) -> None:
    content = imagelist.synsets_bytes(imagenet)
    assert content.startswith(b"n01440764\nn01443537\nn01484850\n")
    assert len(content) == 10_000
    assert content.decode().split() == sorted(imagenet.class_ids)


def test_the_label_table_gives_tench_and_goldfish_their_familiar_numbers(
    imagenet: LabelTable,
) -> None:
    assert imagelist.labels_bytes(imagenet).startswith(
        b"wnid\tsorted_index\ttensorflow\tilsvrc2012_id\tilsvrc2012_id_minus_1\twords\n"
        b"n01440764\t0\t1\t449\t448\ttench, Tinca tinca\n"
        b"n01443537\t1\t2\t450\t449\tgoldfish, Carassius auratus\n"
    )


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_gives_each_of_the_classes_a_number_of_its_own(
    imagenet: LabelTable, convention: str
) -> None:
    header, *rows = parsed(imagelist.labels_bytes(imagenet))
    assert header == HEADER
    assert [row[0] for row in rows] == list(imagenet.class_ids)
    numbers = [int(row[HEADER.index(convention)]) for row in rows]
    assert sorted(numbers) == list(CONVENTIONS[convention])


def test_a_table_without_the_challenges_numbers_gives_none() -> None:
    table = dataclasses.replace(SMALL, columns={"num_train_images": ("3", "4")})
    assert parsed(imagelist.labels_bytes(table)) == [
        ["wnid", "sorted_index", "tensorflow", "words"],
        ["n01", "0", "1", "crane"],
        ["n02", "1", "2", "crane, bird"],
    ]


@pytest.mark.parametrize("text", ["", "0", "-1", "1.0", "x", "٣", "1 "])
def test_a_challenge_number_that_is_none_is_refused(text: str) -> None:
    table = dataclasses.replace(SMALL, columns={"ilsvrc2012_id": ("1", text)})
    with pytest.raises(ConfigError, match=r"synsets\.tsv: not a number of a class") as caught:
        imagelist.labels_bytes(table)
    assert (caught.value.place, caught.value.found) == ("ilsvrc2012_id of n02", repr(text))
