"""The competition's list of validation classes: its form, and lines that do not have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import BadAnnotation
from pipeline.sources.ilsvrc2012.solution import load_solution

HEADER = "ImageId,PredictionString"
ONE = "ILSVRC2012_val_00048981,n03995372 85 1 499 272 "
TWO = "ILSVRC2012_val_00037956,n03481172 131 0 499 254 n03481172 0 -1 15.5 20 "


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the list lies."""
    return tmp_path / "LOC_val_solution.csv"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_each_image_has_a_class_and_the_line_that_says_so(
    path: Path, ending: str, mark: str
) -> None:
    path.write_text(mark + ending.join([HEADER, ONE, "", TWO, ""]), newline="")
    solution = load_solution(path)
    assert solution.path == path
    assert solution.answers == {
        "ILSVRC2012_val_00048981": ("n03995372", 2),
        "ILSVRC2012_val_00037956": ("n03481172", 4),
    }


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    "line",
    [
        "{},{}",
        '"{}","{}"',
        '{},"{}"',
        "{}, {}",
        '"{}", "{}"',
        " {} ;{}",
        "{};{}",
        '"{}";"{}"',
        "{}\t{}",
        "7,{},{}",  # a table of pandas with its index
        '{},{},"a ""quoted"" remark, and\nmore"',
    ],
)
def test_it_may_be_saved_again_by_another_program(
    path: Path, line: str, mark: str, ending: str
) -> None:
    lines = [line.format(*text.split(",")) for text in (HEADER, ONE, TWO)]
    path.write_text(mark + ending.join([*lines, ""]), newline="")
    answers = load_solution(path).answers
    assert {image: answer.wnid for image, answer in answers.items()} == {
        "ILSVRC2012_val_00048981": "n03995372",
        "ILSVRC2012_val_00037956": "n03481172",
    }


def test_utf_16_as_spreadsheets_save_text_is_read(path: Path) -> None:
    path.write_text(f"{HEADER}\n{ONE}\n".replace(",", "\t"), "utf-16", newline="\r\n")
    assert load_solution(path).answers == {"ILSVRC2012_val_00048981": ("n03995372", 2)}


@pytest.mark.parametrize("content", [f"{HEADER}\né,n03995372 1 1 2 2".encode("latin-1"), b""])
def test_a_refusal_says_that_the_tree_can_do_without_it(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(BadAnnotation) as refusal:
        load_solution(path)
    assert "move it out of the tree" in str(refusal.value.remedy)


@pytest.mark.parametrize(
    ("line", "place"), [('"ILSVRC2012_val_00000001,n0', "3"), ('"a"b,n03995372 1 1 2 2', "3")]
)
def test_quotes_that_do_not_close_are_refused(path: Path, line: str, place: str) -> None:
    path.write_text(f"{HEADER}\n{ONE}\n{line}\n")
    with pytest.raises(BadAnnotation, match="not CSV") as refusal:
        load_solution(path)
    assert str(refusal.value.place).startswith(f"line {place}")


@pytest.mark.parametrize("header", ["", ONE, "ImageId", "image,label"])
def test_another_header_is_refused(path: Path, header: str) -> None:
    path.write_text(f"{header}\n{ONE}\n")
    with pytest.raises(BadAnnotation, match="another header") as refusal:
        load_solution(path)
    assert (refusal.value.file, refusal.value.place) == (str(path), "line 1")
    assert (refusal.value.expected, refusal.value.found) == (HEADER, repr(header))


@pytest.mark.parametrize(
    "line",
    [
        "ILSVRC2012_val_00000001",
        "ILSVRC2012_val_00000001,",
        ",n03995372 85 1 499 272",
        "ILSVRC2012_val_00000001,n03995372",
        "ILSVRC2012_val_00000001,n03995372 85 1 499",
        "ILSVRC2012_val_00000001,n03995372 85 1 499 272 7",
        "ILSVRC2012_val_00000001,n03995372 85 1 499 272,n03995372",
        "ILSVRC2012_val_00000001,n03995372 85 1 499 x",
        "ILSVRC2012_val_00000001,7 85 1 499 272",
        "ILSVRC2012_val_00000001;n03995372 85 1 499 272",
        "ILSVRC2012_val_00000001\tn03995372 85 1 499 272",
        "ILSVRC2012 val,n03995372 85 1 499 272",
    ],
)
def test_a_malformed_line_is_refused_with_its_number(path: Path, line: str) -> None:
    path.write_text(f"{HEADER}\n{ONE}\n{line}\n")
    with pytest.raises(BadAnnotation, match="not an image and its objects") as refusal:
        load_solution(path)
    assert (refusal.value.place, refusal.value.found) == ("line 3", repr(line))


def test_an_image_with_objects_of_several_classes_is_refused(path: Path) -> None:
    path.write_text(f"{HEADER}\n{ONE}n01440764 0 0 1 1\n")
    with pytest.raises(BadAnnotation, match="00048981 has several classes") as refusal:
        load_solution(path)
    assert (refusal.value.place, refusal.value.found) == ("line 2", "n01440764, n03995372")


def test_an_image_with_two_lines_is_refused_with_both(path: Path) -> None:
    path.write_text("\n".join([HEADER, ONE, TWO, ONE]))
    with pytest.raises(BadAnnotation, match="appears twice") as refusal:
        load_solution(path)
    assert (refusal.value.place, refusal.value.found) == ("line 4", "it is in line 2, too")


def test_bytes_that_are_no_text_are_refused(path: Path) -> None:
    path.write_bytes(HEADER.encode() + b"\n\xff")
    with pytest.raises(BadAnnotation, match="not UTF-8") as refusal:
        load_solution(path)
    assert refusal.value.file == str(path)
