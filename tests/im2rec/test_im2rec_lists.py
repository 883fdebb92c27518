from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from drawnlists import lay
from packing import names

from pipeline.errors import TreeRefused, UsageError
from pipeline.im2rec.lists import MadeLists, find_lists, make_lists, other_tables
from pipeline.sources.imagelist import lst
from pipeline.sources.imagelist.folder import EXTENSIONS, Division


def test_a_prefix_means_all_lists_whose_path_begins_with_it(tmp_path: Path) -> None:
    for name in ("train.lst", "train2.lst", "train_val.lst", "val.lst", "train.txt", "Train.lst"):
        (tmp_path / name).touch()
    (tmp_path / "train.d.lst").mkdir()
    (tmp_path / "train_link.lst").symlink_to(tmp_path / "val.lst")

    def found(prefix: str) -> list[str]:
        return [path.name for path in find_lists(str(tmp_path / prefix))]

    assert found("train") == ["train.lst", "train2.lst", "train_link.lst", "train_val.lst"]
    assert found("train.lst") == ["train.lst"]
    assert found("v") == ["val.lst"]


def test_what_macos_leaves_beside_a_list_is_no_list(tmp_path: Path) -> None:
    for name in ("train.lst", "._train.lst", ".mine.lst"):
        (tmp_path / name).touch()
    assert [path.name for path in find_lists(f"{tmp_path}/")] == ["train.lst"]
    assert [path.name for path in find_lists(str(tmp_path / ".mine"))] == [".mine.lst"]


def test_a_folder_means_the_lists_in_it(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "b.lst").touch()
    (tmp_path / "set2.lst").touch()
    assert find_lists(str(tmp_path / "set")) == [tmp_path / "set" / "b.lst"]
    assert find_lists(f"{tmp_path / 'set'}/") == [tmp_path / "set" / "b.lst"]


@pytest.mark.parametrize("prefix", ["absent", "no/such/folder"])
def test_a_prefix_of_no_list_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(UsageError, match="no image list of this name"):
        find_lists(str(tmp_path / prefix))


def test_lists_are_made_beside_the_prefix_all_at_once(tmp_path: Path) -> None:
    root = tmp_path / "images"
    root.mkdir()
    for number in range(10):
        (root / f"{number}.jpg").touch()
    division = Division(train=0.5, test=0.2)
    made = make_lists(str(tmp_path / "out" / "set"), root, EXTENSIONS, division, recursive=False)
    assert len(made.listing.paths) == 10
    assert {path.name: count for path, count in made.counts.items()} == {
        "set_test.lst": 2,
        "set_val.lst": 3,
        "set_train.lst": 5,
    }
    assert names(tmp_path / "out") == {"set_test.lst", "set_val.lst", "set_train.lst"}
    lines = [line for path in made.counts for line in path.read_text().splitlines()]
    assert sorted(lines) == [f"{number}\t0.000000\t{number}.jpg" for number in range(10)]


def test_a_folder_without_images_makes_no_list(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(TreeRefused):
        make_lists(
            str(tmp_path / "set"), tmp_path / "images", EXTENSIONS, Division(), recursive=True
        )
    assert names(tmp_path) == {"images"}


def drawn_folder(path: Path, count: int) -> Path:
    path.mkdir()
    for number in range(count):
        (path / f"{number:02}.jpg").touch()
    return path


def made_lists(prefix: Path | str, root: Path, **division: Any) -> MadeLists:
    return make_lists(str(prefix), root, EXTENSIONS, Division(**division), recursive=False)


@pytest.mark.parametrize(
    ("division", "empty"),
    [
        ({"chunks": 3}, ["p_2.lst"]),
        ({"chunks": 9}, [f"p_{number}.lst" for number in range(4, 9)]),
        ({"train": 0.9}, []),
        ({"train": 0.9, "test": 0.05}, ["p_test.lst"]),
        ({"train": 0.0, "test": 0.5}, ["p_train.lst"]),
        ({"chunks": 2, "train": 0.4}, ["p_0_train.lst", "p_1_train.lst"]),
    ],
)
def test_every_list_that_is_made_can_be_packed(
    tmp_path: Path, division: dict[str, Any], empty: list[str]
) -> None:
    root = drawn_folder(tmp_path / "images", 4)
    for name in empty:
        (tmp_path / name).write_text("0\t0\tof another time.jpg\n")
    made = made_lists(tmp_path / "p", root, **division)
    assert [path.name for path in made.empty] == empty
    assert (made.unlisted, made.others) == (0, ())
    found = find_lists(str(tmp_path / "p"))
    assert found == sorted(made.counts)
    tables = [table for path in found for table in lst.read(path)]
    assert sum(table.num_rows for table in tables) == 4


@pytest.mark.parametrize(
    ("division", "unlisted"),
    [
        ({"train": 0.9, "test": 0.1}, 1),
        ({"train": 0.9, "test": 0.1, "chunks": 3}, 3),
        ({"train": 0.8, "test": 0.2}, 0),
        ({"train": 0.9, "test": 0.05}, 0),
    ],
)
def test_images_that_rounding_leaves_in_no_list_are_counted(
    tmp_path: Path, division: dict[str, Any], unlisted: int
) -> None:
    root = drawn_folder(tmp_path / "images", 15)
    made = made_lists(tmp_path / "p", root, **division)
    assert made.unlisted == unlisted
    assert sum(made.counts.values()) == 15 - unlisted
    del division["test"]  # the remedy
    assert made_lists(tmp_path / "q", root, **division).unlisted == 0


def test_shares_that_leave_every_list_empty_are_refused(tmp_path: Path) -> None:
    root = drawn_folder(tmp_path / "images", 1)
    with pytest.raises(UsageError, match="no image falls to any list"):
        made_lists(tmp_path / "p", root, train=0.5, test=0.5)
    assert names(tmp_path) == {"images"}
    assert made_lists(tmp_path / "p", root, train=0.5).counts == {tmp_path / "p_val.lst": 1}


def test_lists_of_another_time_that_the_prefix_means_too_are_named(tmp_path: Path) -> None:
    root = drawn_folder(tmp_path / "images", 4)
    made_lists(tmp_path / "p", root, chunks=2)
    made = made_lists(tmp_path / "p", root, train=0.5)
    assert [path.name for path in made.others] == ["p_0.lst", "p_1.lst"]


def test_lists_made_beside_a_folder_of_their_name_are_found(tmp_path: Path) -> None:
    root = drawn_folder(tmp_path / "train", 4)
    prefix = str(root)
    made_lists(prefix, root, train=0.5)
    expected = [tmp_path / "train_train.lst", tmp_path / "train_val.lst"]
    assert find_lists(prefix) == expected
    (root / "inside.lst").touch()
    with pytest.raises(UsageError, match="lists in a folder and lists beside it") as refusal:
        find_lists(prefix)
    remedy = str(refusal.value.remedy)
    for words, found in ((f"{root}/", [root / "inside.lst"]), (f"{root}_", expected)):
        assert words in remedy
        assert find_lists(words) == found
    assert find_lists(prefix + "_val") == expected[1:]


@pytest.mark.parametrize("prefix", ["lists/", "lists/.", ".."])
def test_a_prefix_that_names_no_list_is_refused(tmp_path: Path, prefix: str) -> None:
    root = drawn_folder(tmp_path / "images", 4)
    with pytest.raises(UsageError, match="the lists need a name") as refusal:
        made_lists(f"{tmp_path}/{prefix}", root)
    assert names(tmp_path) == {"images"}
    named = str(refusal.value.remedy).removeprefix("say ").removesuffix(", for example")
    assert made_lists(named, root).counts == {Path(os.path.abspath(f"{named}.lst")): 4}


def test_tables_of_other_lists_beside_a_prefix_are_found(tmp_path: Path) -> None:
    for name in ("train/ant", "train/bee", "val/bee"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "0.jpg").touch()
    lay(tmp_path / "lists" / "mine.classes.tsv", b"ant\nant\n")  # no table
    for split in ("train", "val"):
        root, prefix = tmp_path / split, str(tmp_path / "lists" / split)
        make_lists(prefix, root, EXTENSIONS, Division(), recursive=True)
    ((path, table),) = other_tables(str(tmp_path / "lists" / "val"))
    assert (path.name, table.names) == ("train.classes.tsv", ("ant", "bee"))
    assert list(other_tables(str(tmp_path / "no" / "lists"))) == []
