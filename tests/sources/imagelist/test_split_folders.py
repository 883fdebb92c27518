"""Folders that are splits: which ones are found, which are refused, which are classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import TreeRefused
from pipeline.sources.imagelist import split_folders as splitfolders
from pipeline.sources.imagelist.folder import EXTENSIONS, scan

BOTH = ("train/ant/0.jpg", "train/bee/0.jpg", "train/cow/0.jpg", "val/ant/0.jpg", "val/cow/0.jpg")


def fill(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("train", "val", "VALID", "Validation", "test", "dev")),
        *((name, True) for name in ("train2017", "test_set", "ILSVRC2012_img_val", "dev-images")),
        *((name, False) for name in ("trainer", "contest", "values", "device", "n01440764", "")),
    ],
)
def test_names_of_splits(name: str, expected: bool) -> None:
    assert splitfolders.is_split(name) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (BOTH, ("train", "val")),
        ((*BOTH, "test/bee/0.jpg"), ("test", "train", "val")),
        ((*BOTH, "Annotations/ant/0.xml", "readme.txt"), ("train", "val")),
        ((*BOTH, ".shardmill/job.json", "report/0a1b2c3d4e5f/train/0.jpg"), ("train", "val")),
        ((*BOTH, "val/dog/0.jpg"), ("train", "val")),  # nearly the same
        ((*BOTH, "more/ant/0.jpg"), ()),
        ((*BOTH, "0.jpg"), ()),
        ((*BOTH, "test/0.jpg"), ()),
        (("train/a/0.jpg", "val/b/0.jpg"), ()),
        (("train/a/0.jpg", "other/a/0.jpg"), ()),
        (("ant/train/0.jpg", "ant/val/0.jpg"), ()),
    ],
)
def test_splits_of_the_same_classes_are_found(
    tmp_path: Path, names: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert splitfolders.find(fill(tmp_path, *names), EXTENSIONS) == expected


def test_what_lies_beside_splits_is_named(tmp_path: Path) -> None:
    fill(tmp_path, *BOTH, "Annotations/ant/0.xml", "readme.txt", ".DS_Store")
    assert splitfolders.beside(tmp_path, ["train", "val"]) == ("Annotations", "readme.txt")


@pytest.mark.parametrize(
    ("names", "found", "remedy"),
    [
        ((*BOTH, "more/x/0.jpg"), "train/ant and val/ant", "ROOT/train first, with --name train"),
        (("test/a/0.jpg", "test/b/0.jpg", "train/a/0.jpg"), "test/a and train/a", "ROOT/train fir"),
        (("set/train/a/0.jpg", "set/dev/a/0.jpg"), "set/dev/a and set/train/a", "ROOT/set/train f"),
        (("ant/train/0.jpg", "ant/val/0.jpg"), "ant/train and ant/val", "together, as train/ant"),
        (("train/0.jpg", "val/0.jpg"), "train and val", "without --recursive"),
    ],
)
def test_the_same_classes_in_two_splits_are_refused(
    tmp_path: Path, names: tuple[str, ...], found: str, remedy: str
) -> None:
    folders = scan(fill(tmp_path, *names), recursive=True).folders
    with pytest.raises(TreeRefused) as refusal:
        splitfolders.check(tmp_path, folders)
    assert refusal.value.found == found
    assert remedy.replace("ROOT", str(tmp_path)) in str(refusal.value.remedy)
    assert refusal.value.exit_status == 3


@pytest.mark.parametrize(
    "classes",
    [
        ("car", "train"),
        ("car", "test", "train"),
        ("train/diesel", "train/steam", "test/tube"),
        ("ant", "bee"),
    ],
)
def test_classes_that_happen_to_be_named_so_are_classes(classes: tuple[str, ...]) -> None:
    assert splitfolders.repeated(classes) is None
