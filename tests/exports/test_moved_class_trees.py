"""Class folders of an unpacked tree: copied, linked or moved, and no image is ever lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pyarrow as pa
import pytest
from classtrees import IMAGES, fill, flat, foldered, listing_of, tree_of
from extracting import extract

from pipeline import storage
from pipeline.documents import tree_listing
from pipeline.errors import EnvironmentRefused, NoSpace, OutputConflict, TreeRefused, Vanished
from pipeline.exports.tree import TRANSFERS


class TestFromTrees:
    @pytest.mark.parametrize("make", [foldered, flat])
    @pytest.mark.parametrize("transfer", TRANSFERS)
    def test_every_transfer_makes_the_same_tree(
        self, tmp_path: Path, transfer: str, make: Callable[[Path], pa.Table]
    ) -> None:
        root, rows = tmp_path / "out", make(tmp_path)
        before = {path.name: path.stat().st_ino for path in tmp_path.rglob("*.JPEG")}
        listing = extract(root, rows, tmp_path, transfer)
        assert listing.to_pylist() == listing_of(IMAGES)
        assert tree_of(root) == IMAGES
        made = {path.name: path for path in root.rglob("*.JPEG")}
        same = {name: path.stat().st_ino == before[name] for name, path in made.items()}
        assert set(same.values()) == {transfer != "copy"}
        assert {path.is_symlink() for path in made.values()} == {transfer == "symlink"}
        left = [path for path in tmp_path.rglob("*.JPEG") if root not in path.parents]
        assert len(left) == (0 if transfer == "move" else len(IMAGES))
        assert extract(root, rows, tmp_path, transfer).equals(listing)
        assert tree_of(root) == IMAGES

    def test_moving_removes_class_folders_that_are_empty_then(self, tmp_path: Path) -> None:
        rows = foldered(tmp_path)
        fill(tmp_path / "train", {"n01/.hidden": b"mine"})
        extract(tmp_path / "out", rows, tmp_path, "move")
        assert tree_of(tmp_path / "train") == {"n01/.hidden": b"mine"}

    @pytest.mark.parametrize("make", [foldered, flat])
    def test_moving_leaves_the_folder_of_the_split(
        self, tmp_path: Path, make: Callable[[Path], pa.Table]
    ) -> None:
        extract(tmp_path / "out", make(tmp_path), tmp_path, "move")
        assert tree_of(tmp_path / ("train" if make is foldered else "val")) == {}
        assert sorted(os.listdir(tmp_path)) == ["out", "train" if make is foldered else "val"]

    def test_a_flat_folder_is_reorganised_in_place(self, tmp_path: Path) -> None:
        extract(tmp_path / "val", flat(tmp_path), tmp_path, "move")
        assert tree_of(tmp_path) == {f"val/{name}": data for name, data in IMAGES.items()}

    def test_one_that_is_half_reorganised_too(self, tmp_path: Path) -> None:
        rows = flat(tmp_path)
        for name in list(IMAGES)[:6]:
            (tmp_path / "val" / name).parent.mkdir(exist_ok=True)
            (tmp_path / "val" / name.partition("/")[2]).rename(tmp_path / "val" / name)
        extract(tmp_path / "val", rows, tmp_path, "move")
        assert tree_of(tmp_path) == {f"val/{name}": data for name, data in IMAGES.items()}

    @pytest.mark.parametrize("size", [4, len(IMAGES["n02/n02_0.JPEG"])])
    def test_a_move_onto_a_different_image_is_refused_and_loses_neither(
        self, tmp_path: Path, size: int
    ) -> None:
        rows = flat(tmp_path)
        fill(tmp_path / "val", {"n02/n02_0.JPEG": bytes(size)})
        before = tree_of(tmp_path)
        with pytest.raises(OutputConflict, match="two different images"):
            extract(tmp_path / "val", rows, tmp_path, "move")
        assert tree_of(tmp_path) == before

    @pytest.mark.parametrize("alias", [False, True])
    @pytest.mark.parametrize("transfer", TRANSFERS)
    def test_an_image_that_lies_where_it_goes_is_never_removed(
        self, tmp_path: Path, transfer: str, alias: bool
    ) -> None:
        rows = foldered(tmp_path)
        if alias:
            (tmp_path / "alias").symlink_to("train")
        extract(tmp_path / ("alias" if alias else "train"), rows, tmp_path, transfer)
        assert tree_of(tmp_path / "train") == IMAGES

    def test_nor_is_one_whose_class_folder_is_a_link_to_where_it_was(self, tmp_path: Path) -> None:
        rows = foldered(tmp_path)
        (tmp_path / "out").mkdir()
        (tmp_path / "out/n01").symlink_to(tmp_path / "train/n01")
        extract(tmp_path / "out", rows, tmp_path, "move")
        listing = pa.Table.from_pylist(listing_of(IMAGES))
        assert tree_listing.missing(tmp_path / "out", listing) == []
        assert len(list((tmp_path / "train/n01").iterdir())) == 4

    def test_moving_over_links_to_the_sources_leaves_files(self, tmp_path: Path) -> None:
        rows = foldered(tmp_path)
        extract(tmp_path / "out", rows, tmp_path, "symlink")
        extract(tmp_path / "out", rows, tmp_path, "move")
        assert tree_of(tmp_path) == {f"out/{name}": data for name, data in IMAGES.items()} | {
            "train/": b""
        }

    @pytest.mark.parametrize("transfer", ["copy", "link", "symlink"])
    def test_links_to_the_sources_count_as_right(self, tmp_path: Path, transfer: str) -> None:
        rows = foldered(tmp_path)
        extract(tmp_path / "out", rows, tmp_path, "symlink")
        extract(tmp_path / "out", rows, tmp_path, transfer)
        assert all(path.is_symlink() for path in (tmp_path / "out").rglob("*.JPEG"))

    def test_sources_may_be_links_themselves(self, tmp_path: Path) -> None:
        rows = foldered(tmp_path)
        (tmp_path / "train").rename(tmp_path / "elsewhere")
        for name in IMAGES:
            (tmp_path / "train" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "train" / name).symlink_to(tmp_path / "elsewhere" / name)
        extract(tmp_path / "out", rows, tmp_path, "move")
        assert tree_of(tmp_path / "out") == IMAGES == tree_of(tmp_path / "elsewhere")
        assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))
        assert tree_of(tmp_path / "train") == {}

    @pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM])
    def test_without_hard_links_moving_copies_and_linking_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        rows = foldered(tmp_path)
        monkeypatch.setattr(os, "link", Mock(side_effect=OSError(number, "injected")))
        with pytest.raises(EnvironmentRefused) as refusal:
            extract(tmp_path / "out", rows, tmp_path, "link")
        assert "copy" in (refusal.value.remedy or "")
        assert os.listdir(tmp_path / "out") == []
        extract(tmp_path / "out", rows, tmp_path, "move")
        assert tree_of(tmp_path / "out") == IMAGES
        assert tree_of(tmp_path / "train") == {}

    def test_a_file_that_has_grown_or_vanished_is_not_trusted(self, tmp_path: Path) -> None:
        rows = foldered(tmp_path)
        with (tmp_path / "train/n01/n01_1.JPEG").open("ab") as file:
            file.write(b"more")
        with pytest.raises(TreeRefused, match="has changed"):
            extract(tmp_path / "out", rows, tmp_path)
        (tmp_path / "train/n01/n01_1.JPEG").unlink()
        with pytest.raises(Vanished):
            extract(tmp_path / "out", rows, tmp_path)
        assert os.listdir(tmp_path / "out") == []

    @pytest.mark.parametrize("left", [None, b"short"])
    def test_an_image_that_is_nowhere_is_said_to_be_lost(
        self, tmp_path: Path, left: bytes | None
    ) -> None:
        rows = foldered(tmp_path)
        (tmp_path / "train/n01/n01_1.JPEG").unlink()
        fill(tmp_path / "out", {"n01/n01_1.JPEG": left} if left else {})
        with pytest.raises(TreeRefused) as refusal:
            extract(tmp_path / "out", rows, tmp_path, "move")
        assert refusal.value.file == str(tmp_path / "train/n01/n01_1.JPEG")
        assert len(tree_of(tmp_path / "train")) == len(IMAGES) - 1

    def test_nothing_is_removed_before_all_is_durable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = foldered(tmp_path)
        refuse = Mock(side_effect=NoSpace("injected"))
        monkeypatch.setattr(storage, "sync_file_system", refuse)
        with pytest.raises(NoSpace):
            extract(tmp_path / "out", rows, tmp_path, "move")
        assert tree_of(tmp_path / "train") == IMAGES

    def test_nor_when_what_was_moved_is_gone_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows, lost = foldered(tmp_path), tmp_path / "out/n01/n01_1.JPEG"
        monkeypatch.setattr(storage, "sync_file_system", lambda _: lost.unlink())
        with pytest.raises(Vanished):
            extract(tmp_path / "out", rows, tmp_path, "move")
        assert (tmp_path / "train/n01/n01_1.JPEG").exists()
