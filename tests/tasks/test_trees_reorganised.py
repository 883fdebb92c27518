"""Flat folders of images through the DAG: made class folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from commands import prepare
from support import RawSet, mini_source, products
from unpackedsets import (
    VALIDATION,
    classic,
    foldered,
    from_tree,
    shards,
    unpack,
    wnids,
)


class TestReorganisingValidation:
    OPTIONS = ("--split", "validation", "--until", "extract", "--extract")

    @pytest.mark.parametrize("transfer", ["copy", "link", "symlink", "move"])
    def test_a_flat_folder_becomes_class_folders(
        self, small: RawSet, tmp_path: Path, transfer: str
    ) -> None:
        unpack(small.raw / VALIDATION, tmp_path / "tree" / "val")
        expected = foldered(small, tmp_path / "expected") / "val"
        out = tmp_path / "out"
        run = from_tree(small, tmp_path / "tree", out, *self.OPTIONS, "--transfer", transfer)
        assert run.returncode == 0, run.stderr
        contents = {
            str(path.relative_to(out / "val")): path.read_bytes()
            for path in (out / "val").rglob("*.JPEG")
        }
        assert contents == {
            str(path.relative_to(expected)): path.read_bytes() for path in expected.rglob("*.JPEG")
        }
        left = list((tmp_path / "tree" / "val").iterdir())
        assert (left == []) == (transfer == "move")
        again = from_tree(small, tmp_path / "tree", out, *self.OPTIONS, "--transfer", transfer)
        assert again.returncode == 0, again.stderr
        assert "already complete" in again.stdout

    def test_in_place_by_moving(self, sample: RawSet, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        unpack(sample.raw / VALIDATION, tree / "val")
        refused = from_tree(sample, tree, tree, *self.OPTIONS)
        assert refused.returncode == 2
        assert "--transfer move" in refused.stderr
        run = from_tree(sample, tree, tree, *self.OPTIONS, "--transfer", "move")
        assert run.returncode == 0, run.stderr
        expected = foldered(sample, tmp_path / "expected") / "val"
        assert products(tree / "val") == products(expected)
        again = from_tree(sample, tree, tree, *self.OPTIONS, "--transfer", "move")
        assert "already complete" in again.stdout

    def test_what_another_script_left_half_done_is_finished(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        tree = tmp_path / "tree"
        unpack(small.raw / VALIDATION, tree / "val")
        for name, wnid in list(wnids(small).items())[:3]:
            (tree / "val" / wnid).mkdir(exist_ok=True)
            (tree / "val" / name).rename(tree / "val" / wnid / name)
        options = (*self.OPTIONS, "--transfer", "move", "--replace")
        run = from_tree(small, tree, tree, *options)
        assert run.returncode == 0, run.stderr
        expected = foldered(small, tmp_path / "expected") / "val"
        assert products(tree / "val") == products(expected)

    def test_shards_of_what_was_reorganised_since_are_made_from_where_it_lies_now(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        tree = tmp_path / "tree"
        unpack(small.raw / VALIDATION, tree / "val")
        flat = ("--split", "validation", "--no-boxes")
        assert from_tree(small, tree, tree, *flat).returncode == 0
        first = shards(tree)
        options = (*self.OPTIONS, "--transfer", "move")
        assert from_tree(small, tree, tree, *options).returncode == 0
        for shard in tree.glob("tfrecord/validation/*/validation-*"):
            shard.unlink()
        run = from_tree(small, tree, tree, *flat)
        assert run.returncode == 0, run.stderr
        assert first.items() <= shards(tree).items()

    def test_a_move_is_finished_when_its_emptied_folder_is_removed(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        tree, out = tmp_path / "tree", tmp_path / "out"
        unpack(small.raw / VALIDATION, tree / "val")
        options = (*self.OPTIONS, "--transfer", "move")
        assert from_tree(small, tree, out, *options).returncode == 0
        (tree / "val").rmdir()
        run = from_tree(small, tree, out, *options)
        assert run.returncode == 0, run.stderr
        assert "already complete" in run.stdout

    def test_moving_what_the_shards_are_made_of_is_a_usage_error(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        tree = classic(small, tmp_path / "tree")
        run = from_tree(small, tree, tmp_path / "out", "--extract", "--transfer", "move")
        assert run.returncode == 2
        assert "--until extract" in run.stderr

    def test_the_labels_of_the_devkit_are_compared_with_the_list(
        self, mini: RawSet, tmp_path: Path
    ) -> None:
        source = mini_source()
        assert source is not None
        options = ("--split", "validation", "--with", "devkit", "--until", "extract", "--extract")
        run = prepare(mini, tmp_path / "out", *options)
        assert run.returncode == 0, run.stderr
        wrong = RawSet(mini.raw, tmp_path / "wrong" / mini.config.name)
        shutil.copytree(mini.config.parent, wrong.config.parent)
        listed = wrong.config.parent / "validation_synsets.txt"
        lines = listed.read_text().split("\n")
        unused = next(i for i, wnid in enumerate(lines) if wnid != lines[0])
        lines[0], lines[unused] = lines[unused], lines[0]
        listed.write_text("\n".join(lines))
        run = prepare(wrong, tmp_path / "other", *options)
        assert run.returncode == 3
        assert "line 1" in run.stderr
        assert os.fspath(listed) in run.stderr
