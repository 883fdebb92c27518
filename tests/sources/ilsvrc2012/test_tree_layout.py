"""Unpacked trees: which folder holds a split, its annotations, the competition's classes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import NoPermission, TreeRefused
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.tree_layout import (
    annotation_folder,
    find,
    find_or_none,
    solution_file,
)

TRAIN = SplitConfig(
    name="train", archive="ILSVRC2012_img_train.tar", folder="train", layout="class-tars", shards=1
)
VALIDATION = SplitConfig(
    name="validation", archive="ILSVRC2012_img_val.tar", folder="val", layout="flat", shards=1
)
COMPETITION = ("", "ILSVRC", "ILSVRC/Data", "ILSVRC/Data/CLS-LOC")


def made(tree: Path, *folders: str) -> Path:
    for folder in folders:
        (tree / folder).mkdir(parents=True)
    return tree


class TestFind:
    @pytest.mark.parametrize(
        "folder",
        ["val", "validation", "ILSVRC2012_img_val", "ILSVRC/Data/CLS-LOC/val", "CLS-LOC/val"],
    )
    def test_a_split_is_found_under_each_usual_name(self, tmp_path: Path, folder: str) -> None:
        made(tmp_path, folder, "train", "ILSVRC/Data/CLS-LOC/train", "vals")
        assert find(tmp_path, VALIDATION) == folder

    @pytest.mark.parametrize("start", COMPETITION)
    def test_any_folder_above_the_splits_of_the_competition_will_do(
        self, tmp_path: Path, start: str
    ) -> None:
        made(tmp_path, "ILSVRC/Data/CLS-LOC/train", "ILSVRC/Annotations/CLS-LOC/train")
        found = find(tmp_path / start, TRAIN)
        assert tmp_path / start / found == tmp_path / "ILSVRC/Data/CLS-LOC/train"

    @pytest.mark.parametrize("name", ["ILSVRC2015", "ILSVRC2012", "imagenet-cls-loc"])
    @pytest.mark.parametrize("below", ["", "{}", "{}/Data", "{}/Data/CLS-LOC", "link"])
    def test_the_competition_may_have_another_name_or_be_reached_by_a_link(
        self, tmp_path: Path, name: str, below: str
    ) -> None:
        made(tmp_path, f"{name}/Data/CLS-LOC/train", f"{name}/Annotations/CLS-LOC/train")
        tree = tmp_path / below.format(name)
        if below == "link":
            tree = made(tmp_path, "elsewhere") / "elsewhere" / "imagenet"
            tree.symlink_to(tmp_path / name / "Data" / "CLS-LOC")
        images, boxes = tree / find(tree, TRAIN), annotation_folder(tree, TRAIN)
        assert images.samefile(tmp_path / name / "Data/CLS-LOC/train")
        assert boxes is not None
        assert boxes.samefile(tmp_path / name / "Annotations/CLS-LOC/train")

    def test_two_downloads_of_the_competition_are_refused_with_both(self, tmp_path: Path) -> None:
        made(tmp_path, "ILSVRC/Data/CLS-LOC/train", "ILSVRC2015/Data/CLS-LOC/train")
        with pytest.raises(TreeRefused, match="two folders"):
            find(tmp_path, TRAIN)

    def test_a_link_to_a_folder_is_followed(self, tmp_path: Path) -> None:
        made(tmp_path, "elsewhere/images", "tree")
        (tmp_path / "tree" / "train").symlink_to(tmp_path / "elsewhere" / "images")
        assert find(tmp_path / "tree", TRAIN) == "train"

    def test_one_folder_under_two_names_is_one(self, tmp_path: Path) -> None:
        (made(tmp_path, "validation") / "val").symlink_to("validation")
        assert find(tmp_path, VALIDATION) == "val"

    def test_a_split_may_be_the_tree_itself(self, tmp_path: Path) -> None:
        whole = SplitConfig(
            name="train", archive="train.tar", folder="", layout="class-tars", shards=1
        )
        assert find(tmp_path, whole) == ""

    def test_none_is_refused_with_where_it_was_looked_for(self, tmp_path: Path) -> None:
        made(tmp_path, "valid", "test")
        (tmp_path / "train").write_bytes(b"")
        (tmp_path / "ILSVRC2012_img_train").symlink_to("ILSVRC2012_img_train")
        with pytest.raises(TreeRefused) as refusal:
            find(tmp_path, TRAIN)
        error = refusal.value
        assert (error.file, error.found) == (str(tmp_path), "test, valid")
        assert str(error.expected).removeprefix("one of the folders ").split(", ") == [
            "train",
            "ILSVRC2012_img_train",
            "ILSVRC/Data/CLS-LOC/train",
            "Data/CLS-LOC/train",
            "CLS-LOC/train",
        ]

    def test_of_many_other_folders_a_few_are_named(self, tmp_path: Path) -> None:
        made(tmp_path, *(f"f{number:02}" for number in range(20)))
        with pytest.raises(TreeRefused) as refusal:
            find(tmp_path, TRAIN)
        assert str(refusal.value.found).endswith("f07 and 12 more")

    def test_two_are_refused_with_both(self, tmp_path: Path) -> None:
        made(tmp_path, "val", "ILSVRC2012_img_val")
        with pytest.raises(TreeRefused, match="two folders") as refusal:
            find(tmp_path, VALIDATION)
        assert refusal.value.found == f"{tmp_path / 'val'}\n{tmp_path / 'ILSVRC2012_img_val'}"

    def test_a_product_in_the_tree_is_meant_only_where_there_is_no_other(
        self, tmp_path: Path
    ) -> None:
        made(tmp_path, "val")
        assert find_or_none(tmp_path, VALIDATION, exclude=tmp_path / "val") == "val"
        made(tmp_path, "ILSVRC2012_img_val")
        assert find_or_none(tmp_path, VALIDATION, exclude=tmp_path / "val") == "ILSVRC2012_img_val"

    def test_an_absent_tree_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(TreeRefused, match="no such folder") as refusal:
            find(tmp_path / "none", TRAIN)
        assert refusal.value.file == str(tmp_path / "none")

    def test_a_folder_that_may_not_be_entered_is_no_absent_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def denied(path: Path, *, strict: bool) -> str:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os.path, "realpath", denied)
        with pytest.raises(NoPermission) as refusal:
            find(tmp_path, TRAIN)
        assert refusal.value.file == str(tmp_path)


class TestAnnotationFolder:
    @pytest.mark.parametrize("start", COMPETITION)
    def test_of_the_competition_is_found_from_any_folder_above_the_images(
        self, tmp_path: Path, start: str
    ) -> None:
        made(tmp_path, "ILSVRC/Data/CLS-LOC/val", "ILSVRC/Annotations/CLS-LOC/val")
        found = annotation_folder(tmp_path / start, VALIDATION)
        assert found is not None
        assert found.samefile(tmp_path / "ILSVRC/Annotations/CLS-LOC/val")

    def test_is_found_where_a_split_is_a_link_into_the_competition(self, tmp_path: Path) -> None:
        made(tmp_path, "ILSVRC2015/Data/CLS-LOC/train", "ILSVRC2015/Annotations/CLS-LOC/train")
        tree = made(tmp_path, "tree") / "tree"
        (tree / "train").symlink_to(tmp_path / "ILSVRC2015/Data/CLS-LOC/train")
        found = annotation_folder(tree, TRAIN)
        assert found is not None
        assert found.samefile(tmp_path / "ILSVRC2015/Annotations/CLS-LOC/train")

    def test_may_lie_beside_the_splits(self, tmp_path: Path) -> None:
        made(tmp_path, "val", "Annotations/CLS-LOC/val")
        assert annotation_folder(tmp_path, VALIDATION) == tmp_path / "Annotations/CLS-LOC/val"

    def test_bboxes_are_those_of_class_folders(self, tmp_path: Path) -> None:
        made(tmp_path, "bboxes")
        assert annotation_folder(tmp_path, TRAIN) == tmp_path / "bboxes"
        assert annotation_folder(tmp_path, VALIDATION) is None

    def test_two_are_refused_with_both(self, tmp_path: Path) -> None:
        made(tmp_path, "bboxes", "Annotations/CLS-LOC/train")
        with pytest.raises(TreeRefused, match="two folders could hold its annotations") as refusal:
            annotation_folder(tmp_path, TRAIN)
        assert str(refusal.value.found).splitlines() == [
            str(tmp_path / "Annotations/CLS-LOC/train"),
            str(tmp_path / "bboxes"),
        ]


class TestSolutionFile:
    @pytest.mark.parametrize("start", COMPETITION)
    @pytest.mark.parametrize("place", ["", "ILSVRC"])
    def test_is_found_in_ilsvrc_or_beside_it(self, tmp_path: Path, start: str, place: str) -> None:
        made(tmp_path, "ILSVRC/Data/CLS-LOC")
        (tmp_path / place / "LOC_val_solution.csv").write_bytes(b"")
        found = solution_file(tmp_path / start)
        assert found is not None
        assert found.samefile(tmp_path / place / "LOC_val_solution.csv")

    def test_is_found_from_a_link_to_the_images(self, tmp_path: Path) -> None:
        made(tmp_path, "ILSVRC2015/Data/CLS-LOC", "tree")
        (tmp_path / "LOC_val_solution.csv").write_bytes(b"")
        (tmp_path / "tree/imagenet").symlink_to(tmp_path / "ILSVRC2015/Data/CLS-LOC")
        found = solution_file(tmp_path / "tree/imagenet")
        assert found is not None
        assert found.samefile(tmp_path / "LOC_val_solution.csv")

    def test_is_not_looked_for_above_a_tree_of_another_name(self, tmp_path: Path) -> None:
        made(tmp_path, "ILSVRC2012/Data")
        (tmp_path / "LOC_val_solution.csv").write_bytes(b"")
        assert solution_file(tmp_path / "ILSVRC2012") is None
        assert solution_file(tmp_path / "ILSVRC2012" / "Data") is None
