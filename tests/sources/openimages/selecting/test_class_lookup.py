"""Classes that are found by words, and how often each split shows them."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import commands
import pytest

from pipeline.errors import InputRefused, UsageError
from pipeline.sources.openimages.config import load
from pipeline.sources.openimages.selecting import class_counts, class_lookup
from pipeline.sources.openimages.selecting.class_lookup import KnownClass, SplitCounts

BEAR, WAFFLE, AIRPLANE = "/m/01dws", "/m/01dwsz", "/m/0cmf2"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def find(drawn: Path, words: str, *, counted: bool = False) -> list[KnownClass]:
    config = load(drawn / "openimages.toml")
    return class_lookup.find(words, config, drawn / "raw", counted=counted, offline=True)


@pytest.mark.parametrize("words", ["Airplane", "fixed-wing", "AIRCRAFT fixed", AIRPLANE])
def test_a_class_is_found_by_its_name_in_any_version(openimages: Path, words: str) -> None:
    (known,) = find(openimages, words)
    assert (known.mid, known.name) == (AIRPLANE, "Airplane")
    assert known.names == {"v4": "Airplane", "v6": "Airplane", "v7": "Fixed-wing aircraft"}
    assert known.parents == ("Aircraft (/m/0k5j)",)


def test_a_class_has_parents_and_children(openimages: Path) -> None:
    (known,) = find(openimages, "carnivore")
    assert "Animal (/m/0jbk)" in known.parents
    assert known.children == ("Bear (/m/01dws)",)
    assert (known.names, known.has_masks, known.splits) == ({}, False, {})


def test_the_whole_name_comes_first(openimages: Path) -> None:
    assert [known.mid for known in find(openimages, BEAR)] == [BEAR, WAFFLE]
    assert [known.name for known in find(openimages, "aircraft")] == ["Aircraft", "Airplane"]


def test_no_class_lists_those_that_are_near(openimages: Path) -> None:
    with pytest.raises(UsageError, match="no such class") as refused:
        find(openimages, "Handgn")
    assert "Handgun (/m/0gxl3)" in str(refused.value.expected)
    assert "shardmill classes" not in str(refused.value.remedy)  # that is what was asked


def by_hand(path: Path, label: str) -> tuple[int, int]:
    """Return how many images and rows a class has, by Python's `csv`."""
    with path.open(newline="") as file:
        ids = [row["ImageID"] for row in csv.DictReader(file) if row["LabelName"] == label]
    return len(set(ids)), len(ids)


def test_counts_are_those_of_the_files(openimages_set: Path) -> None:
    config = load(openimages_set / "openimages.toml")
    known = find(openimages_set, "a", counted=True)
    assert known
    for each in known:
        for name, split in config.splits.items():
            assert split.boxes is not None
            assert split.masks is not None
            boxes = by_hand(openimages_set / "raw" / split.boxes.name, each.mid)
            masks = by_hand(openimages_set / "raw" / split.masks.name, each.mid)
            assert each.splits[name] == SplitCounts(*boxes, masks[1])
    assert any(split.boxes for each in known for split in each.splits.values())


def test_a_file_is_read_once_until_it_changes(
    openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "boxes.csv"
    shutil.copy(openimages / "raw" / "test-annotations-bbox.csv", path)
    said = list[str]()
    first = class_counts.counts(path, said.append)
    assert first.rows[BEAR] == by_hand(path, BEAR)[1]
    assert class_counts.counts(path, said.append) == first
    assert said == [f"counting the classes in {path}"]
    with path.open("a") as file:
        file.write(f"{1:016x},xclick,{BEAR},1,0,1,0,1,0,0,0,0,0\n")
    assert class_counts.counts(path, said.append).rows[BEAR] == first.rows[BEAR] + 1
    assert len(said) == 2


def test_counts_need_no_place_to_be_kept(
    openimages: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir()
    (cache / "shardmill").mkdir()
    (cache / "shardmill" / "classes").write_text("no folder")
    path = openimages / "raw" / "test-annotations-bbox.csv"
    assert class_counts.counts(path).rows[BEAR] == by_hand(path, BEAR)[1]


def test_nothing_is_fetched_offline_and_all_that_is_missing_is_named(
    openimages: Path, tmp_path: Path
) -> None:
    config = load(openimages / "openimages.toml")
    with pytest.raises(InputRefused, match="4 files") as refused:
        class_lookup.find("bear", config, tmp_path, counted=False, offline=True)
    assert "bbox_labels_600_hierarchy.json" in str(refused.value.expected)


def test_the_command_says_what_is_known(openimages: Path, tmp_path: Path) -> None:
    shutil.copytree(openimages / "raw", tmp_path / "raw")
    for path in (tmp_path / "raw").glob("train-annotations-*"):
        path.unlink()
    (tmp_path / "raw" / "oidv6-train-annotations-bbox.csv").unlink()
    where = ("--raw", tmp_path / "raw", "--config", openimages / "openimages.toml")
    run = commands.shardmill("classes", AIRPLANE, *where, "--counts")
    assert run.returncode == 0
    assert run.stdout.splitlines() == [
        "Airplane (/m/0cmf2)",
        "  names:      v4 Airplane; v6 Airplane; v7 Fixed-wing aircraft",
        "  kind of:    Aircraft (/m/0k5j)",
        "  train:      not counted: its CSV files are not in RAW",
        "  validation: 2 images, 2 boxes, 2 masks",
        "  test:       2 images, 2 boxes, 2 masks",
    ]
    assert "counting the classes" in run.stderr
    assert commands.shardmill("classes", "nothing", *where).returncode == 2
