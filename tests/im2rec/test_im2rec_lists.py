from __future__ import annotations

from pathlib import Path

import pytest
from packing import names

from pipeline.errors import TreeRefused, UsageError
from pipeline.im2rec.lists import find_lists, make_lists
from pipeline.sources.listing import EXTENSIONS, Division


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


def test_a_folder_means_the_lists_in_it(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "b.lst").touch()
    (tmp_path / "set.lst").touch()
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
    listing, counts = make_lists(
        str(tmp_path / "out" / "set"), root, EXTENSIONS, division, recursive=False
    )
    assert len(listing.paths) == 10
    assert {path.name: count for path, count in counts.items()} == {
        "set_test.lst": 2,
        "set_val.lst": 3,
        "set_train.lst": 5,
    }
    assert names(tmp_path / "out") == {"set_test.lst", "set_val.lst", "set_train.lst"}
    lines = [line for path in counts for line in path.read_text().splitlines()]
    assert sorted(lines) == [f"{number}\t0.000000\t{number}.jpg" for number in range(10)]


def test_a_folder_without_pictures_makes_no_list(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(TreeRefused):
        make_lists(
            str(tmp_path / "set"), tmp_path / "images", EXTENSIONS, Division(), recursive=True
        )
    assert names(tmp_path) == {"images"}
