"""Image lists of im2rec: both forms of a line, and every line that has neither."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from cputime import bounded_cpu
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import BadAnnotation, UsageError, Vanished
from pipeline.names import has_control
from pipeline.sources.imagelist import lst, text_blocks

# Text of an example in the documentation of MXNet, which shows blanks for TABs.
SHOWN = """\
95099  464.000000     n04467665_17283.JPEG
10025081        412.000000     ILSVRC2010_val_00025082.JPEG
74181   789.000000     n01915811_2739.JPEG
"""
WORDS = ["0", "1", "7.5", "-2", "+3", "16777217", "1e39", "nan", "x", "a.jpg", "é ü.jpg", "0x1"]
GAPS = ["\t", " ", "  ", " \t", "\t\t", "\n", "\r\n", "\r", "\u00a0", ""]
LARGEST_ID = 2**64 - 1
CHARACTERS = st.characters(codec="utf-8").filter(lambda mark: not has_control(mark))
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the list lies."""
    return tmp_path / "train.lst"


def rows(path: Path, content: str | bytes, **options: Any) -> list[tuple[object, ...]]:
    """Read a list, as (line, id, labels, path) of each image."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [tuple(row.values()) for table in lst.read(path, **options) for row in table.to_pylist()]


def refused(path: Path, content: str | bytes, **options: Any) -> BadAnnotation:
    with pytest.raises(BadAnnotation) as refusal:
        rows(path, content, **options)
    assert refusal.value.file == str(path)
    assert refusal.value.expected
    assert refusal.value.remedy
    return refusal.value


def test_fields_between_tabs_are_id_labels_and_path(path: Path) -> None:
    content = "7\t464.000000\tn04/a.JPEG\n0\t4\t5\t0.25\t-1e-3\tb.JPEG\n"
    labels = [4.0, 5.0, 0.25, float(np.float32(-0.001))]
    assert rows(path, content) == [(1, 7, [464.0], "n04/a.JPEG"), (2, 0, labels, "b.JPEG")]


def test_tables_have_the_columns_that_are_promised(path: Path) -> None:
    for content in ("0\t0\ta\n", "0\t0\ta \n"):
        path.write_text(content)
        (table,) = lst.read(path)
        table.validate(full=True)
        assert table.schema.equals(lst.SCHEMA)


def test_blanks_of_any_number_separate_fields_where_tabs_do_not(path: Path) -> None:
    assert rows(path, SHOWN) == [
        (1, 95099, [464.0], "n04467665_17283.JPEG"),
        (2, 10025081, [412.0], "ILSVRC2010_val_00025082.JPEG"),
        (3, 74181, [789.0], "n01915811_2739.JPEG"),
    ]


@pytest.mark.parametrize(
    ("line", "width", "labels", "name"),
    [
        ("0\t1\tmy photo.jpg", None, [1.0], "my photo.jpg"),
        ("0\t1\t2 photos.jpg", None, [1.0], "2 photos.jpg"),
        ("0 1 my photo.jpg", None, [1.0], "my photo.jpg"),
        ("0 1 2 photos.jpg", 1, [1.0], "2 photos.jpg"),
        ("0 1 2 photos.jpg", 2, [1.0, 2.0], "photos.jpg"),
        ("0 1\t2\tmy photo.jpg", 2, [1.0, 2.0], "my photo.jpg"),
        ("0 1 7", None, [1.0], "7"),
        ("0\t\t1\ta.jpg", None, [1.0], "a.jpg"),
        (" 0 \t 1 \t a.jpg ", None, [1.0], "a.jpg"),
        ("\t0\t1\ta.jpg\t", None, [1.0], "a.jpg"),
        ("0\t1\t/data/my photos/a.jpg", None, [1.0], "/data/my photos/a.jpg"),
        ("0\t1\té/日本 \u00a0.jpg", None, [1.0], "é/日本 \u00a0.jpg"),
        ("0\t1\ta.jpg\u00a0", None, [1.0], "a.jpg\u00a0"),
    ],
)
def test_what_is_left_of_a_line_after_its_labels_is_the_path(
    path: Path, line: str, width: int | None, labels: list[float], name: str
) -> None:
    assert rows(path, line, label_width=width) == [(1, 0, labels, name)]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_marks_and_ends_of_lines_are_no_part_of_a_field(
    path: Path, ending: str, mark: str, last: str
) -> None:
    content = mark + ending.join(["0\t1\ta.jpg", "", " \t", "1 2 b.jpg"]) + last
    assert rows(path, content) == [(1, 0, [1.0], "a.jpg"), (4, 1, [2.0], "b.jpg")]


@pytest.mark.parametrize("text", ["0", "007", "+5", str(LARGEST_ID), "0" * 5000 + "9"])
def test_an_id_is_a_whole_number_of_64_bits(path: Path, text: str) -> None:
    assert rows(path, f"{text}\t0\ta.jpg") == [(1, int(text[-20:]), [0.0], "a.jpg")]


@pytest.mark.parametrize(
    "text",
    ["-1", "1.0", "1e3", "0x10", "1_0", "٣", "x", "id", str(LARGEST_ID + 1), "9" * 5000],
)
@pytest.mark.parametrize("separator", ["\t", " "])
def test_another_id_is_refused_with_its_line(path: Path, text: str, separator: str) -> None:
    refusal = refused(path, f"0\t0\ta.jpg\n{separator.join([text, '1', 'b.jpg'])}\n")
    assert (refusal.what, refusal.place) == ("not the id of an image", "line 2")
    assert (refusal.found or "")[:9] == repr(text)[:9]
    assert refusal.expected == f"a whole number from 0 to {LARGEST_ID}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.", 1.0),
        (".5", 0.5),
        ("+1E+2", 100.0),
        ("0.1", float(np.float32(0.1))),
        ("1e-50", 0.0),
        ("16777216", 2.0**24),
        ("-16777218", -16777218.0),
        ("33554432" + "0" * 5000 + "e-5000", 2.0**25),
    ],
)
def test_a_label_is_the_nearest_float32(path: Path, text: str, value: float) -> None:
    assert rows(path, f"0\t{text}\ta.jpg") == [(1, 0, [value], "a.jpg")]


@pytest.mark.parametrize(
    "text",
    ["nan", "-inf", "Infinity", "1e39", "1e309", "9" * 5000, "0x1p3", "1_0", "1,5", "٣", "n01"],
)
@pytest.mark.parametrize("separator", ["\t", " "])
def test_what_is_no_finite_number_is_no_label(path: Path, text: str, separator: str) -> None:
    refusal = refused(path, f"\n{separator.join(['0', text, 'b.jpg'])}\n")
    assert (refusal.what, refusal.place) == ("not a label", "line 2")
    assert (refusal.found or "")[:4] == repr(text)[:4]


@pytest.mark.parametrize("text", ["16777217", "-16777217.0", "16777216.5", "9007199254740993"])
def test_a_class_that_float32_would_turn_into_another_is_refused(path: Path, text: str) -> None:
    refusal = refused(path, f"0\t{text}\ta.jpg")
    assert (refusal.what, refusal.found) == ("a label that float32 would change", repr(text))


@pytest.mark.parametrize("line", ["0", "0\t0", "0 0", "a", "0\t\ta.jpg", "0\ta.jpg "])
def test_a_line_with_a_field_missing_is_refused(path: Path, line: str) -> None:
    refusal = refused(path, f"0\t0\ta.jpg\n{line}\n")
    assert (refusal.what, refusal.place) == ("fields are missing", "line 2")
    assert refusal.found == repr(line.strip(" \t"))


def test_what_may_be_a_label_or_a_name_is_refused_until_one_says_which(path: Path) -> None:
    refusal = refused(path, "0 1 2 photos.jpg")
    assert refusal.what == "2 may be a second label or belong to the path"
    assert "with TABs" in (refusal.remedy or "")


@pytest.mark.parametrize("line", ["0\t1\t2\ta.jpg", "0\t1\t2\t3\ta.jpg"])
def test_a_line_of_another_label_width_is_refused(path: Path, line: str) -> None:
    assert refused(path, line, label_width=1).what == "there are too many fields"
    assert refused(path, line, label_width=4).what in {"fields are missing", "not a label"}


@pytest.mark.parametrize("width", [0, -1])
def test_images_without_labels_cannot_be_asked_for(path: Path, width: int) -> None:
    with pytest.raises(UsageError, match="every image has a label"):
        rows(path, "0\ta.jpg", label_width=width)


@pytest.mark.parametrize("name", ["a\0.jpg", "a\r.jpg", "\x1fa.jpg", "a\x7f.jpg", "a.jpg\x0c"])
def test_a_path_with_a_control_character_is_refused(path: Path, name: str) -> None:
    refusal = refused(path, f"0\t1\t{name}\n")
    assert (refusal.place, refusal.found) == ("line 1", repr(name))


def test_bytes_that_are_no_text_are_refused_with_their_line(path: Path) -> None:
    refusal = refused(path, b"0\t1\ta.jpg\n1\t1\t\xff.jpg\n2\t1\tc.jpg\n")
    assert (refusal.place, refusal.expected) == ("line 2", "UTF-8")
    assert refusal.found == repr(b"1\t1\t\xff.jpg")


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(path: Path) -> None:
    refusal = refused(path, b"0\t1\ta.jpg\n" + b"x" * (3 << 20))
    assert (refusal.what, refusal.place) == ("a line is too long", "line 2")


@pytest.mark.parametrize("content", ["", "\n", "\ufeff", " \r\n\t\n"])
def test_a_list_of_nothing_is_refused(path: Path, content: str) -> None:
    refusal = refused(path, content)
    assert refusal.what == "no image in the list"
    assert "a line for each image" in str(refusal.remedy)


def test_a_list_that_is_not_there_is_missed(path: Path) -> None:
    with pytest.raises(Vanished):
        list(lst.read(path))


def plain(ids: Sequence[int]) -> str:
    return "".join(f"{key}\t{key % 1000}\tn/é {key}.JPEG\n" for key in ids)


def test_a_long_list_comes_in_tables_of_bounded_length(path: Path) -> None:
    ids = [LARGEST_ID - 3 * number for number in range(3 * text_blocks.ROWS)]
    path.write_text(plain(ids), encoding="utf-8")
    tables = list(lst.read(path))
    assert max(table.num_rows for table in tables) <= text_blocks.ROWS
    whole = pa.concat_tables(tables)
    assert whole["id"].to_pylist() == ids
    assert whole["line"].to_pylist() == list(range(1, len(ids) + 1))
    assert whole["labels"].to_pylist() == [[key % 1000] for key in ids]
    assert whole["path"].to_pylist() == [f"n/é {key}.JPEG" for key in ids]


@pytest.mark.parametrize("place", [1, 2 * text_blocks.ROWS, 3 * text_blocks.ROWS - 1])
def test_an_id_that_stands_there_twice_is_refused_with_both_lines(path: Path, place: int) -> None:
    ids = list(range(3 * text_blocks.ROWS))
    ids[place] = ids[0]
    refusal = refused(path, "\n" + plain(ids))
    assert refusal.what == "id 0 stands there twice"
    assert (refusal.place, refusal.found) == (f"line {place + 2}", "it is in line 2, too")
    assert "another id" in str(refusal.remedy)


def test_an_id_may_stand_there_twice_where_that_is_wanted(path: Path) -> None:
    found = rows(path, "5\t0\ta.jpg\n5\t0\ta.jpg\n", unique=False)
    assert found == [(1, 5, [0.0], "a.jpg"), (2, 5, [0.0], "a.jpg")]


def test_images_before_a_refused_line_are_given(path: Path) -> None:
    path.write_text(plain(range(text_blocks.ROWS)) + "x")
    tables = lst.read(path)
    assert next(tables).num_rows > 0
    with pytest.raises(BadAnnotation) as refusal:
        list(tables)
    assert refusal.value.place == f"line {text_blocks.ROWS + 1}"


@shared
@given(
    st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(GAPS)), max_size=12),
    st.sampled_from([None, 1, 2]),
)
def test_a_line_is_read_alike_alone_and_among_odd_ones(
    tmp_path: Path, tokens: list[tuple[str, str]], width: int | None
) -> None:
    """Lines of a plain form are parsed all at once, unless an odd one stands among them."""
    content = "".join(word + gap for word, gap in tokens)
    odd = "\t".join(["+5", *("1" * (width or 1)), "x\n"])
    found = []
    for before in ("", odd):
        try:
            listed = rows(tmp_path / "a.lst", before + content, label_width=width, unique=False)
            found.append(repr([row[1:] for row in listed[bool(before) :]]))
        except BadAnnotation as error:
            found.append(f"{error.what}, {error.expected}, {error.found}")
    first, second = found
    if first.startswith("no image"):
        first = "[]"
    assert first == second


@shared
@given(
    st.lists(
        st.tuples(
            st.integers(0, LARGEST_ID),
            st.lists(st.floats(-(2.0**24), 2.0**24, width=32), min_size=1, max_size=9),
            st.text(CHARACTERS, min_size=1).map(lambda name: f"n/{name}.jpg"),
        ),
        min_size=1,
        max_size=20,
        unique_by=lambda row: row[0],
    )
)
def test_what_is_written_with_all_digits_is_read_back(
    tmp_path: Path, images: list[tuple[int, list[float], str]]
) -> None:
    lines = [
        "\t".join([str(key), *(f"{label:.9g}" for label in labels), name])
        for key, labels, name in images
    ]
    found = rows(tmp_path / "a.lst", "\n".join(lines))
    assert [row[1:] for row in found] == images


@pytest.mark.parametrize("text", ["1" * 200_000 + "x", "1" * 100_000 + "." + "1" * 100_000 + "e"])
def test_a_field_of_many_digits_that_is_no_number_is_refused_soon(path: Path, text: str) -> None:
    path.write_text(f"0\t{text}\ta.jpg\n")
    with bounded_cpu(), pytest.raises(BadAnnotation, match="not a label"):
        list(lst.read(path))
