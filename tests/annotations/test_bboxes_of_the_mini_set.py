"""Boxes of the real annotations of the mini set."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from annotationfiles import csv_bytes, gathered
from support import mini_source

from pipeline.annotations.bboxes import (
    closing_lines,
    collect,
    report_bytes,
)


@pytest.fixture(scope="module")
def mini() -> Path:
    source = mini_source()
    if source is None:
        pytest.skip("the mini set is not there")
    return source


def test_the_defects_of_the_mini_set_end_as_documented(mini: Path) -> None:
    expected = json.loads((mini / "EXPECTED.json").read_text())
    boxes = collect(mini / "ILSVRC2012_bbox_train_v2.tar.gz")
    assert [(row.file[10:-4], row.object, row.kind) for row in boxes.report] == [
        ("n02342885_10908", 1, "repaired"),
        ("n02391049_6947", 1, "repaired"),
        ("n02398521_24812", 2, "dropped"),
    ]
    assert boxes.xml_files == len(boxes.files) == expected["train_xml_files"]
    assert len(boxes.corners) == expected["train_xml_objects"] - 1
    lines = csv_bytes(boxes).decode().splitlines()
    of = {
        stem: [line for line in lines if line.startswith(f"{stem}.")] for stem, _ in defects(mini)
    }
    assert {stem: len(found) for stem, found in of.items()} == {
        "n02342885_10908": 1,
        "n02391049_6947": 1,
        "n02398521_24812": 1,
        "n02509815_10244": 1,
        "n02510455_1364": 3,
        "n02672831_7054": 1,
        "n02807133_1289": 2,
    }
    assert of["n02342885_10908"] == ["n02342885_10908.JPEG,0.4088,0.1400,0.6859,0.6700"]
    assert of["n02391049_6947"] == ["n02391049_6947.JPEG,0.1280,0.0989,1.0000,0.4294"]
    assert of["n02510455_1364"][0] == "n02510455_1364.JPEG,0.4380,0.1497,0.5160,0.5241"
    assert of["n02509815_10244"] == ["n02509815_10244.JPEG,0.0420,0.1340,0.3300,0.1840"]


def defects(mini: Path) -> list[tuple[str, str]]:
    return [(a, b) for a, b in json.loads((mini / "EXPECTED.json").read_text())["xml_defects"]]


def test_the_filter_takes_no_box_out_of_the_mini_set(mini: Path) -> None:
    classes = frozenset(json.loads((mini / "EXPECTED.json").read_text())["train_classes"])
    archive = mini / "ILSVRC2012_bbox_train_v2.tar.gz"
    every, filtered = collect(archive), collect(archive, class_filter=classes)
    # The second object of n02807133_1289 is of another class, and the first is not.
    assert (filtered.skipped_files, filtered.skipped_boxes) == (0, 0)
    assert csv_bytes(every) == csv_bytes(filtered)
    assert len(filtered.corners) == 187


def test_the_validation_boxes_of_the_mini_set_are_read_alike(mini: Path) -> None:
    boxes = collect(mini / "ILSVRC2012_bbox_val_v3.tgz")
    assert boxes.xml_files == len(boxes.files) == 49
    assert boxes.files[0].as_py().startswith("ILSVRC2012_val_")


def test_the_published_samples_give_a_box_an_object(mini: Path, tmp_path: Path) -> None:
    samples = list((mini.parent / "ilsvrc2012-facts" / "xml_samples").iterdir())
    boxes = gathered(tmp_path, {f"x/{path.name}": path.read_bytes() for path in samples})
    objects = {f"{path.stem}.JPEG": path.read_text().count("<object>") for path in samples}
    counts = np.diff(boxes.offsets).tolist()
    assert dict(zip(boxes.files.to_pylist(), counts, strict=True)) == {
        k: n for k, n in objects.items() if n
    }
    assert boxes.report == ()


@pytest.mark.parametrize(
    ("archive", "folder"),
    [("ILSVRC2012_bbox_train_v2.tar.gz", "."), ("ILSVRC2012_bbox_val_v3.tgz", "val")],
)
def test_the_mini_set_unpacked_gives_what_its_archives_give(
    mini: Path, tmp_path: Path, archive: str, folder: str
) -> None:
    with tarfile.open(mini / archive) as tar:
        tar.extractall(tmp_path, filter="data")
    packed, found = collect(mini / archive), collect(tmp_path / folder)
    assert packed.xml_files > 0
    assert csv_bytes(found) == csv_bytes(packed)
    assert report_bytes(found) == report_bytes(packed)
    assert closing_lines(found) == closing_lines(packed)
