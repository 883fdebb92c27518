"""Rows of Open Images' CSV files: which are read, what they hold, and how bad ones are refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from openimagesfiles import (
    BEAR,
    BOX_HEADER,
    DOG,
    IMAGE_HEADER,
    MASK_HEADER,
    ONE,
    THREE,
    TWO,
    WAFFLE,
    box,
    mask,
    write,
)

from pipeline.annotations.openimages import choice, columns, lines, row_texts, rows
from pipeline.errors import BadAnnotation


def values(batches: Iterator[rows.RowBatch], *names: str) -> list[tuple[object, ...]]:
    some = [row for batch in batches for row in batch.table.to_pylist()]
    return [tuple(row[name] for name in names) for row in some]


def places(batches: Iterator[rows.RowBatch]) -> list[int]:
    return [line for batch in batches for line in batch.lines.tolist()]


def image(number: str = ONE, title: str = "Bears", rotation: str = "0.0") -> str:
    return f"{number},train,u,l,c,p,An Author,{title},1234,KFuk==,,{rotation}"


def test_a_box_has_its_corners_and_flags(tmp_path: Path) -> None:
    path = write(tmp_path / "boxes.csv", BOX_HEADER, [box()])
    (batch,) = rows.read_boxes(path)
    image_class = {"image_id": ONE, "label": BEAR, "source": "xclick", "confidence": 1.0}
    corners = {"xmin": 0.1, "xmax": 0.5, "ymin": 0.25, "ymax": 1.0}
    flags = {"occluded": 0, "truncated": 1, "group_of": -1, "depiction": 0, "inside": 0}
    assert batch.table.to_pylist() == [image_class | corners | flags]
    assert batch.lines.tolist() == [2]


def test_a_mask_has_its_name_and_a_quality_that_may_be_absent(tmp_path: Path) -> None:
    path = write(tmp_path / "masks.csv", MASK_HEADER, [mask(), mask(TWO, iou="0.86864")])
    assert values(rows.read_masks(path), "mask_path", "box_id", "predicted_iou") == [
        (f"{ONE}_m01dws_0a1b2c3d.png", "0a1b2c3d", None),
        (f"{TWO}_m01dws_0a1b2c3d.png", "0a1b2c3d", 0.86864),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_class_is_its_whole_mid_however_lines_end(tmp_path: Path, end: str, mark: str) -> None:
    labels = (BEAR, WAFFLE, DOG, BEAR)
    path = write(tmp_path / "boxes.csv", mark + BOX_HEADER, [box(label=mid) for mid in labels], end)
    batches = list(rows.read_boxes(path, frozenset([BEAR.encode()])))
    assert places(iter(batches)) == [2, 5]
    (texts,) = row_texts.read(path, columns.ROWS, choice.Choice(frozenset([BEAR.encode()])))
    assert (texts.lines, texts.raw) == ([2, 5], [box().encode()] * 2)
    assert texts.texts["label"] == [BEAR.encode()] * 2


def test_rows_of_some_images_are_read(tmp_path: Path) -> None:
    some = [box(ONE), box(TWO), box(THREE), box(TWO, DOG)]
    path = write(tmp_path / "boxes.csv", BOX_HEADER, some)
    images = np.sort(choice.numbers([TWO.encode(), THREE.encode()]))
    assert places(rows.read_boxes(path, None, images)) == [3, 4, 5]
    assert places(rows.read_boxes(path, frozenset([BEAR.encode()]), images)) == [3, 4]
    assert places(rows.read_boxes(path, None, images[:0])) == []


def test_columns_may_have_any_order_case_and_neighbours(tmp_path: Path) -> None:
    header = "Label,Votes,imageid,Confidence,SOURCE"
    path = write(tmp_path / "labels.csv", header, [f"{DOG},3,{ONE},0,verification"])
    names = ("image_id", "label", "confidence", "source")
    assert values(rows.read_labels(path), *names) == [(ONE, DOG, 0.0, "verification")]


@pytest.mark.parametrize(
    "title",
    ['a, "b" and c', "two\nlines", '"', "Bär - 熊", "=1+1", "", "a\n\n\nb,c"],
    ids=ascii,
)
def test_titles_are_what_people_wrote(tmp_path: Path, title: str) -> None:
    quoted = io.StringIO()
    csv.writer(quoted).writerow([title, "x"])
    text = quoted.getvalue().removesuffix(",x\r\n")
    path = write(tmp_path / "images.csv", IMAGE_HEADER, [image(title=text), image(TWO)], "\r\n")
    batches = list(rows.read_images(path))
    assert values(iter(batches), "image_id", "title") == [(ONE, title), (TWO, "Bears")]
    assert places(iter(batches)) == [2, 3 + title.count("\n")]


@pytest.mark.parametrize(("text", "number"), [("90.0", 90.0), ("", None), ("nan", None)])
def test_a_rotation_may_be_unknown(tmp_path: Path, text: str, number: float | None) -> None:
    path = write(tmp_path / "images.csv", IMAGE_HEADER, [image(rotation=text)])
    assert values(rows.read_images(path), "rotation") == [(number,)]


def test_rows_are_the_same_wherever_a_file_is_cut_into_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = [f'"title\n{number}, ""quoted"""' if number % 3 else "plain" for number in range(40)]
    some = [image(f"{number:016x}", title) for number, title in enumerate(titles)]
    path = write(tmp_path / "images.csv", IMAGE_HEADER, some)
    whole = values(rows.read_images(path), "image_id", "title")
    lines_of = places(rows.read_images(path))
    assert len(whole) == len(some)
    for step in (1, 7, 150, 151, 1000):
        monkeypatch.setattr(lines, "_STEP", step)
        monkeypatch.setattr(rows, "ROWS", 5)
        assert values(rows.read_images(path), "image_id", "title") == whole
        assert places(rows.read_images(path)) == lines_of


def test_what_the_csv_module_reads_is_read(tmp_path: Path) -> None:
    some = [
        f'"{ONE}",x,"{BEAR}",1,0,1,0,1,0,0,0,0,0',
        "",
        f'{ONE},a"b,{DOG},1,0,1,0,1,0,0,0,0,0',
        "",
    ]
    path = write(tmp_path / "boxes.csv", BOX_HEADER, some)
    assert values(rows.read_boxes(path), "label", "source") == [(BEAR, "x"), (DOG, 'a"b')]
    assert places(rows.read_boxes(path, frozenset([DOG.encode()]))) == [4]


def test_a_file_without_rows_has_none(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(BOX_HEADER)
    assert list(rows.read_boxes(path)) == []


@pytest.mark.parametrize(
    ("header", "what", "found"),
    [
        ("", "a column is missing: ImageID, LabelName", ""),
        (BOX_HEADER.replace("XMax,", ""), "a column is missing: XMax", "ImageID"),
        (BOX_HEADER + ",IsInside", "a column stands there twice: isinside", "ImageID"),
        (box(), "a column is missing", ONE),
        ("<html><body>Sign in</body></html>", "a column is missing", "Sign in"),
        (MASK_HEADER, "a column is missing: XMin", "MaskPath"),
        (f"{BOX_HEADER}\r{box()}", "the first line cannot be read", "ImageID"),
    ],
)
def test_a_first_line_of_another_form_is_refused(
    tmp_path: Path, header: str, what: str, found: str
) -> None:
    path = write(tmp_path / "boxes.csv", header, [box()])
    with pytest.raises(BadAnnotation, match=what) as refused:
        list(rows.read_boxes(path))
    assert (refused.value.file, refused.value.place) == (str(path), "line 1")
    assert found in str(refused.value.found)


BAD_ROWS = {
    "too short": (box().rpartition(",")[0], "a row is too short", "12:"),
    "too long": (box() + ",0", "a row is too long", "14:"),
    "cut": (ONE, "a row is too short", "1:"),
    "a number above 1": (box(corners="0.1,1.000001,0.2,0.3"), "XMax", "1.000001"),
    "a number below 0": (box(corners="-0.1,1,0.2,0.3"), "XMin", "-0.1"),
    "no number": (box(corners="0.1,nan,0.2,0.3"), "XMax", "nan"),
    "no text of a number": (box(corners="0.1,abc,0.2,0.3"), "XMax", "abc"),
    "nothing": (box(corners="0.1,,0.2,0.3"), "XMax", "''"),
    "reversed": (box(corners="0.5,0.25,0.2,0.3"), "XMax is below XMin", "XMin 0.5, XMax 0.25"),
    "upside down": (box(corners="0,1,0.4,0.3"), "YMax is below YMin", "YMin 0.4"),
    "a long id": (box(ONE + "0"), "ImageID", "00000000000000a10"),
    "a short id": (box(ONE[1:]), "ImageID", "0000000000000a1"),
    "an id in upper case": (box(ONE.upper()), "ImageID", "00000000000000A1"),
    "a path": (box("train/" + ONE), "ImageID", "train/"),
    "a class with a blank": (box(label=BEAR + " "), "LabelName|no class", "/m/01dws "),
    "a class in upper case": (box(label=BEAR.upper()), "LabelName|no class", "/M/01DWS"),
    "a name for a class": (box(label='"Bear"'), "LabelName|no class", "Bear"),
    "a flag": (box(flags="0,1,2,0,0"), "IsGroupOf", "2"),
    "half a flag": (box(flags="0,1,0.5,0,0"), "IsGroupOf", "0.5"),
    "an open quote": (f'"{box()}', "quotes that cannot be read", ONE),
    "two rows in one": (box() + "\r" + box(), "the end of a line", ONE),
}


@pytest.mark.parametrize(("row", "what", "found"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_row_of_another_form_is_refused_with_its_line(
    tmp_path: Path, row: str, what: str, found: str
) -> None:
    path = write(tmp_path / "boxes.csv", BOX_HEADER, [box(), box(TWO), row, box(THREE)])
    for labels in (None, frozenset([BEAR.encode()])):
        with pytest.raises(BadAnnotation, match=what) as refused:
            list(rows.read_boxes(path, labels))
        assert (refused.value.file, refused.value.place) == (str(path), "line 4")
        assert found in str(refused.value.found)
        assert refused.value.expected


def test_the_width_of_rows_of_other_classes_counts_too(tmp_path: Path) -> None:
    path = write(tmp_path / "boxes.csv", BOX_HEADER, [box(), box(TWO, DOG)[:-2], box()])
    with pytest.raises(BadAnnotation, match="too short") as refused:
        list(rows.read_boxes(path, frozenset([BEAR.encode()])))
    assert refused.value.place == "line 3"


@pytest.mark.parametrize("label", [BEAR, DOG])
def test_a_row_too_long_and_one_too_short_do_not_cancel_out(tmp_path: Path, label: str) -> None:
    some = [box(), box(label=label) + ",0", box(label=label).rpartition(",")[0], box()]
    path = write(tmp_path / "boxes.csv", BOX_HEADER, some)
    for labels in (None, frozenset([BEAR.encode()])):
        with pytest.raises(BadAnnotation, match="too long") as refused:
            list(rows.read_boxes(path, labels))
        assert refused.value.place == "line 3"


@pytest.mark.parametrize("content", [b"\xff", b"\xe4", b"x\xc3"])
def test_a_row_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "boxes.csv", BOX_HEADER, [box(), box()])
    path.write_bytes(path.read_bytes() + box().encode().replace(b"xclick", content) + b"\n")
    with pytest.raises(BadAnnotation, match="no text") as refused:
        list(rows.read_boxes(path))
    assert refused.value.place == "line 4"


@pytest.mark.parametrize(
    "name",
    [
        *("../x.png", f"{ONE}_m01dws_0a1b2c3d.jpg", f"a/{ONE}_m_0.png", f"{ONE}_..png", "x.png"),
        # of another image, class or box than the row
        *(
            f"{TWO}_m01dws_0a1b2c3d.png",
            f"{ONE}_m01dwsz_0a1b2c3d.png",
            f"{ONE}_m01dws_0a1b2c3e.png",
        ),
    ],
)
def test_a_mask_of_another_name_is_refused(tmp_path: Path, name: str) -> None:
    row = ",".join([name, *mask().split(",")[1:]])
    path = write(tmp_path / "masks.csv", MASK_HEADER, [row])
    with pytest.raises(BadAnnotation, match="MaskPath") as refused:
        list(rows.read_masks(path))
    assert refused.value.place == "line 2"


def test_a_line_without_an_end_is_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST", 1 << 20)
    path = write(tmp_path / "boxes.csv", BOX_HEADER, [box(), "x" * (3 << 20)])
    with pytest.raises(BadAnnotation, match="too long") as refused:
        list(rows.read_boxes(path))
    assert refused.value.place == "line 3"
