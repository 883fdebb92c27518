"""The rows of one class out of a CSV file, and the list of its images, as the script has them."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import commands
import numpy as np
import pytest
from openimagesmini import mini_openimages

from pipeline.errors import BadAnnotation, OutputConflict, UsageError
from pipeline.sources.openimages.selecting import recipe_files
from pipeline.sources.openimages.selecting.single_class import split_classes

BEAR, WAFFLE = "/m/01dws", "/m/01dwsz"
HEADER: Final = (
    "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"
)
ROWS: Final = [
    f"{number:016x}_{mid.replace('/', '')}_0a.png,{number:016x},{mid},0a,0.1,0.2,0.3,0.4,,0.5 1;1 0"
    for number, mid in [(9, BEAR), (3, WAFFLE), (3, BEAR), (9, BEAR), (1, WAFFLE), (2, BEAR)]
]


TEST: Final = ("test-annotations-object-segmentation.csv", "test")
TRAIN: Final = ("train-annotations-object-segmentation.excerpt.csv", "train")


def written(path: Path, rows: Sequence[str] = ROWS, end: str = "\n", header: str = HEADER) -> Path:
    path.write_bytes("".join(f"{line}{end}" for line in (header, *rows)).encode())
    return path


def by_hand(source: Path, label: str, subset: str) -> tuple[bytes, bytes]:
    """Return the list and the rows by Python's `csv`, a dictionary a row."""
    with source.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if row["LabelName"] == label]
        assert reader.fieldnames
        target = source.with_name("by_hand.csv")
        with target.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, reader.fieldnames)
            writer.writeheader()
            writer.writerows(rows)
    ids = dict.fromkeys(row["ImageID"] for row in rows)
    return "".join(f"{subset}/{each}\n" for each in ids).encode(), target.read_bytes()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_both_files_have_the_bytes_that_csv_gives(tmp_path: Path, end: str, mark: str) -> None:
    source = written(tmp_path / "masks.csv", ROWS, end, mark + HEADER)
    split = split_classes(source, [BEAR, WAFFLE], "train", tmp_path / "out")
    assert [(each.label, each.images, each.count) for each in split.classes] == [
        (BEAR, 3, 4),
        (WAFFLE, 2, 2),
    ]
    for each, name in zip(split.classes, ("m01dws", "m01dwsz"), strict=True):
        assert each.list.name == f"downloader_IDs_for_{name}_train.txt"
        assert each.rows.name == f"{name}_annotations.csv"
        assert (each.list.read_bytes(), each.rows.read_bytes()) == by_hand(
            source, each.label, "train"
        )


@pytest.mark.parametrize(
    ("name", "subset", "label", "list_md5", "rows_md5"),
    [
        (
            *TEST,
            "/m/0bt9lr",
            "8fbff89afa38b596faa52df219b0ba7a",
            "671154b9e44fe76b74d90aef38cb18c1",
        ),
        (*TEST, "/m/0663v", "1f5701228eb4491d5dc054fc695c3e1d", "9d25041a72e022364219970ae51102d4"),
        (*TEST, "/m/0pg52", "876b75c792eeebd61994bf80e5494bbe", "9b6c940724d113fd72bf0a34b8d64642"),
        (
            *TRAIN,
            "/m/04yx4",
            "60a8edfd72f2c1ee597b4bcd2dcdbb8a",
            "fa7a8ae60db8dddb1821dff4f0baa238",
        ),
    ],
)
def test_real_rows_have_the_bytes_of_the_script(
    tmp_path: Path, name: str, subset: str, label: str, list_md5: str, rows_md5: str
) -> None:
    source = mini_openimages()
    if source is None:
        pytest.skip("the real files are not here: set SHARDMILL_TEST_DATA")
    (each,) = split_classes(source / "csv" / name, [label], subset, tmp_path).classes
    digests = [hashlib.md5(path.read_bytes()).hexdigest() for path in (each.list, each.rows)]
    assert digests == [list_md5, rows_md5]


def test_rows_with_quotes_keep_what_they_say(tmp_path: Path) -> None:
    header = 'ImageID,LabelName,"What, in words",Source'
    words = ['"a ""b"", c"', '"two\nlines"', "plain", '"needless"', "Bär", '"\r"']
    rows = [f"{number:016x},{BEAR},{each},x" for number, each in enumerate(words)]
    source = written(tmp_path / "any.csv", rows, "\n", header)
    (each,) = split_classes(source, [BEAR], "test", tmp_path).classes
    assert (each.list.read_bytes(), each.rows.read_bytes()) == by_hand(source, BEAR, "test")


def test_the_prefix_of_a_mid_may_be_left_out(tmp_path: Path) -> None:
    (each,) = split_classes(written(tmp_path / "m.csv"), ["01dws"], "train", tmp_path).classes
    assert each.label == BEAR


@pytest.mark.parametrize(
    ("labels", "subset", "what"),
    [
        (["/m/01dw"], "train", "no row is of this class"),
        (["/m/0gxl3"], "train", "no row is of this class"),
        ([BEAR, "/m/0gxl3"], "train", "no row is of this class"),
        (["Bear"], "train", "a label is the MID"),
        (["../x"], "train", "a label is the MID"),
        ([""], "train", "a label is the MID"),
        (["/g/01dws", BEAR], "train", "one file"),
        ([BEAR], "val", "no such subset"),
    ],
)
def test_what_takes_no_row_is_refused_and_writes_nothing(
    tmp_path: Path, labels: list[str], subset: str, what: str
) -> None:
    source = written(tmp_path / "masks.csv")
    with pytest.raises(UsageError, match=what) as refused:
        split_classes(source, labels, subset, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["masks.csv"]
    if labels == ["/m/01dw"]:
        assert f"{BEAR}, {WAFFLE}" in str(refused.value.expected)


def test_rows_that_say_that_a_class_is_absent_are_left_out(tmp_path: Path) -> None:
    rows = [f"{number:016x},verification,{BEAR},{number % 2}" for number in range(5)]
    source = written(tmp_path / "labels.csv", rows, "\n", "ImageID,Source,LabelName,Confidence")
    split = split_classes(source, [BEAR], "train", tmp_path)
    assert (split.absent, split.classes[0].count) == (3, 2)
    assert split.classes[0].list.read_text() == "".join(f"train/{n:016x}\n" for n in (1, 3))
    written(source, rows[:1], "\n", "ImageID,Source,LabelName,Confidence")
    with pytest.raises(UsageError, match="not there"):
        split_classes(source, [BEAR], "train", tmp_path)


def test_another_split_does_not_replace_the_rows_of_one(tmp_path: Path) -> None:
    train, validation = written(tmp_path / "train.csv"), written(tmp_path / "val.csv", ROWS[:3])
    (first,) = split_classes(train, [BEAR], "train", tmp_path).classes
    before = first.rows.read_bytes()
    assert split_classes(train, [BEAR], "train", tmp_path).classes == (first,)
    with pytest.raises(OutputConflict, match="other contents") as refused:
        split_classes(validation, [BEAR], "validation", tmp_path)
    assert "--out" in str(refused.value.remedy)
    assert first.rows.read_bytes() == before
    assert not (tmp_path / "downloader_IDs_for_m01dws_validation.txt").exists()
    other = tmp_path / "csv" / "validation"
    (second,) = split_classes(validation, [BEAR], "validation", other).classes
    assert (second.rows.parent, second.count) == (other, 2)
    split_classes(validation, [BEAR], "validation", tmp_path, replace=True)
    assert first.rows.read_bytes() == second.rows.read_bytes()


@pytest.mark.parametrize(
    ("header", "row", "place"),
    [
        ("MaskPath,LabelName", f"x,{BEAR}", "line 1"),
        ("ImageID,Name", f"{1:016x},{BEAR}", "line 1"),
        ("ImageID,LabelName", f"{1:015x},{BEAR}", "line 2"),
        ("ImageID,LabelName", f"{1:016x},{BEAR},1", "line 2"),
    ],
)
def test_other_files_are_refused_by_their_line(
    tmp_path: Path, header: str, row: str, place: str
) -> None:
    with pytest.raises(BadAnnotation) as refused:
        split_classes(written(tmp_path / "x.csv", [row], "\n", header), [BEAR], "train", tmp_path)
    assert refused.value.place == place


def test_ids_are_distinct_in_the_order_of_their_first_occurrence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recipe_files, "_FEW", 40)
    monkeypatch.setattr(recipe_files, "_AT_ONCE", 7)
    ids = np.random.default_rng(3).integers(0, 90, 500).astype(np.uint64) + np.uint64(2**64 - 100)
    seen = recipe_files.FirstSeen()
    for part in np.array_split(ids, 37):
        seen.add(part)
    seen.add(ids[:0])
    expected = dict.fromkeys(ids.tolist())
    assert len(seen) == len(expected)
    assert b"".join(seen.lines("x")).decode() == "".join(f"x/{each:016x}\n" for each in expected)


def test_the_command_says_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "masks.csv")
    words = ("openimages-split", "--label", BEAR, "--subset", "train", "--input", "masks.csv")
    run = commands.shardmill(*words)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == [
        "m01dws_annotations.csv: 4 rows of /m/01dws",
        "downloader_IDs_for_m01dws_train.txt: 3 images",
    ]
    assert commands.shardmill("openimages-split", "-l", BEAR, "-s", "train").returncode == 2
    again = ("openimages-split", "-l", BEAR, "-s", "test", "-i", "masks.csv")
    assert commands.shardmill(*again).returncode == 0  # the same rows
    written(tmp_path / "masks.csv", ROWS[:1])
    assert commands.shardmill(*again).returncode == 2
    assert commands.shardmill(*again, "--replace").returncode == 0


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file") as refused:
        split_classes(tmp_path / "nothing.csv", [BEAR], "train", tmp_path)
    assert refused.value.remedy == "check --input"
