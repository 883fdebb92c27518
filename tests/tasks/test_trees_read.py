"""Unpacked sets through the DAG: read in the place of archives."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import prepare, shardmill
from finishedoutputs import kept, prepared
from support import RawSet, products
from unpackedsets import (
    BOXES,
    TRAIN,
    VALIDATION,
    classic,
    competition,
    foldered,
    from_tree,
    named_like_the_archives,
    shards,
    unpack,
    wnids,
)

SHARDS = ("--shards", "train=2", "--shards", "validation=1")


class TestReading:
    @pytest.mark.parametrize("layout", [classic, foldered, named_like_the_archives])
    def test_shards_from_a_tree_equal_those_from_the_archives(
        self, small: RawSet, tmp_path: Path, layout: Callable[[RawSet, Path], Path]
    ) -> None:
        self.compare(small, layout(small, tmp_path / "tree"), tmp_path / "out")

    def test_so_do_those_of_odd_and_of_real_images(self, raw_set: RawSet, tmp_path: Path) -> None:
        self.compare(raw_set, competition(raw_set, tmp_path / "tree"), tmp_path / "out")

    @staticmethod
    def compare(raw_set: RawSet, tree: Path, out: Path) -> None:
        archives = kept(raw_set).out
        run = from_tree(raw_set, tree, out)
        assert run.returncode == 0, run.stderr
        assert shards(out) == shards(archives)
        of_boxes = ("bboxes.csv", "bboxes.report.csv", "bboxes.unmatched.csv")
        for name in (*of_boxes, "lists/train.lst", "lists/validation.lst"):
            assert (out / name).read_bytes() == (archives / name).read_bytes()
        run = shardmill("verify", out, "--against", tree)
        assert run.returncode == 0, run.stderr

    def test_boxes_of_validation_come_from_the_tree_too(
        self, sample: RawSet, tmp_path: Path
    ) -> None:
        options = ("--with", "validation-boxes", "--split", "validation")
        tree = competition(sample, tmp_path / "tree")
        run = from_tree(sample, tree, tmp_path / "out", *options)
        assert run.returncode == 0, run.stderr
        assert shards(tmp_path / "out") == shards(kept(sample, *options).out)

    def test_an_extracted_tree_can_be_read_again(self, small: RawSet, tmp_path: Path) -> None:
        made = kept(small, "--extract").out
        run = from_tree(small, made, tmp_path / "out", "--no-boxes")
        assert run.returncode == 0, run.stderr
        assert len(shards(tmp_path / "out")) == len(shards(made))

    def test_what_is_finished_is_made_once_and_does_not_need_the_tree_any_more(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        tree, out = classic(small, tmp_path / "tree"), tmp_path / "out"
        assert from_tree(small, tree, out).returncode == 0
        run = from_tree(small, tree, out)
        assert run.returncode == 0
        assert "already complete" in run.stdout
        tree.rename(tmp_path / "away")
        run = from_tree(small, tree, out)
        assert run.returncode == 0, run.stderr
        assert "already complete" in run.stdout
        assert shardmill("status", out).returncode == 0
        assert shardmill("verify", out).returncode == 0
        assert shardmill("clean", out, "--yes").returncode == 0
        next(out.glob("tfrecord/train/current/train-*")).unlink()
        assert shardmill("status", out).returncode == 1
        run = from_tree(small, tree, out)
        assert run.returncode == 3
        assert "the tree is gone" in run.stderr
        (tmp_path / "away").rename(tree)
        assert from_tree(small, tree, out).returncode == 0

    def test_files_of_the_desktop_are_passed_over_and_listed(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        tree = classic(small, tmp_path / "tree")
        (tree / "train" / ".DS_Store").write_text("x")
        (tree / "val" / "Thumbs.db").write_text("x")
        run = from_tree(small, tree, tmp_path / "out", *SHARDS)
        assert run.returncode == 0, run.stderr
        assert "train: passed over in the tree: 1 name, e.g. train/.DS_Store" in run.stdout
        assert "validation: passed over in the tree: 1 name, e.g. val/Thumbs.db" in run.stdout

    def test_a_tree_that_was_copied_by_half_is_refused(self, small: RawSet, tmp_path: Path) -> None:
        tree = classic(small, tmp_path / "tree")
        victim = next((tree / "train").glob("*/*.JPEG"))
        victim.unlink()
        run = from_tree(small, tree, tmp_path / "out")
        assert run.returncode == 3
        assert f"{victim.parent.name} 3 of 4" in run.stderr

    def test_a_foreign_file_is_refused_by_its_name(self, small: RawSet, tmp_path: Path) -> None:
        tree = classic(small, tmp_path / "tree")
        (tree / "val" / "readme.txt").write_text("x")
        run = from_tree(small, tree, tmp_path / "out")
        assert run.returncode == 3
        assert "readme.txt" in run.stderr

    def test_an_image_that_was_cut_short_is_refused_or_left_out(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        tree = classic(small, tmp_path / "tree")
        victim = next((tree / "train").glob("*/*.JPEG"))
        victim.write_bytes(b"")
        run = from_tree(small, tree, tmp_path / "out", *SHARDS)
        assert run.returncode == 3
        assert victim.name in run.stderr
        run = from_tree(small, tree, tmp_path / "out", *SHARDS, "--on-bad-image", "skip")
        assert run.returncode == 4

    def test_an_image_in_the_wrong_class_folder_is_refused(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        tree = foldered(small, tmp_path / "tree")
        one, other, *_ = sorted((tree / "val").iterdir())
        victim = next(one.iterdir())
        victim.rename(other / victim.name)
        run = from_tree(small, tree, tmp_path / "out")
        assert run.returncode == 3
        assert victim.name in run.stderr
        assert one.name in run.stderr

    def test_a_tree_that_is_not_there_is_refused(self, small: RawSet, tmp_path: Path) -> None:
        run = from_tree(small, tmp_path / "absent", tmp_path / "out")
        assert run.returncode == 3
        assert str(tmp_path / "absent") in run.stderr


class TestOddTrees:
    def test_a_move_never_replaces_an_image_by_a_different_one(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        tree = tmp_path / "tree"
        unpack(small.raw / VALIDATION, tree / "val")
        name, wnid = next(iter(wnids(small).items()))
        good = (tree / "val" / name).read_bytes()
        (tree / "val" / wnid).mkdir()
        (tree / "val" / wnid / name).write_bytes(good)
        (tree / "val" / name).write_bytes(bytes(len(good)))
        options = ("--split", "validation", "--extract", "--until", "extract")
        run = from_tree(small, tree, tree, *options, "--transfer", "move")
        assert run.returncode == 2
        assert str(tree / "val" / name) in run.stderr
        assert str(tree / "val" / wnid / name) in run.stderr
        assert (tree / "val" / wnid / name).read_bytes() == good

    def test_a_class_folder_that_appears_later_is_noticed(self, small: RawSet, out: Path) -> None:
        prepared(small, out, "--extract")
        (out / "train" / "n00000000").mkdir()
        run = shardmill("verify", out)
        assert run.returncode == 1
        assert str(out / "train" / "n00000000") in run.stderr
        run = prepare(small, out, "--extract")
        assert run.returncode == 2
        assert str(out / "train" / "n00000000") in run.stderr

    def test_what_is_missing_is_said_of_the_tree_and_not_of_an_archive(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        tree = classic(small, tmp_path / "tree")
        next((tree / "train").glob("*/*.JPEG")).unlink()
        run = from_tree(small, tree, tmp_path / "out")
        assert str(tree / "train") in run.stderr
        assert TRAIN not in run.stderr

    def test_output_among_the_images_is_a_usage_error(self, small: RawSet, tmp_path: Path) -> None:
        tree = classic(small, tmp_path / "tree")
        run = from_tree(small, tree, tree / "train" / "out")
        assert run.returncode == 2
        assert "would lie among the images" in run.stderr
        assert not (tree / "train" / "out").exists()

    def test_a_tree_named_like_the_archives_is_extracted_beside_itself_again_and_again(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        tree = named_like_the_archives(small, tmp_path / "tree")
        options = ("--extract", "--until", "extract")
        for how in ("complete", "already complete"):
            run = from_tree(small, tree, tree, *options)
            assert run.returncode == 0, run.stderr
            assert f"train: {how}: {tree / 'train'}" in run.stdout

    def test_boxes_alone_need_no_images(self, small: RawSet, tmp_path: Path) -> None:
        unpack(small.raw / BOXES, tmp_path / "tree" / "bboxes")
        run = from_tree(small, tmp_path / "tree", tmp_path / "out", "--until", "boxes")
        assert run.returncode == 0, run.stderr
        assert list(products(tmp_path / "out")) == ["bboxes.csv", "bboxes.report.csv"]

    def test_nothing_to_make_is_a_usage_error(self, small: RawSet, out: Path) -> None:
        run = prepare(small, out, "--until", "boxes", "--no-boxes")
        assert run.returncode == 2
        assert "nothing would be made" in run.stderr
        assert not out.exists()

    def test_the_devkit_is_compared_whatever_is_there_already(
        self, mini: RawSet, tmp_path: Path
    ) -> None:
        wrong = RawSet(mini.raw, tmp_path / "wrong" / mini.config.name)
        shutil.copytree(mini.config.parent, wrong.config.parent)
        listed = wrong.config.parent / "validation_synsets.txt"
        lines = listed.read_text().split("\n")
        place = next(i for i in range(1, len(lines)) if lines[i] != lines[0])
        lines[0], lines[place] = lines[place], lines[0]
        counts = wrong.config.parent / "val.tsv"
        with tarfile.open(mini.raw / VALIDATION) as tar:
            numbers = [int(name[15:23]) for name in tar.getnames()]
        found = sorted(lines[number - 1] for number in numbers)
        counts.write_text("".join(f"{wnid}\t{found.count(wnid)}\n" for wnid in sorted({*found})))
        listed.write_text("\n".join(lines))
        steps = ("--split", "validation", "--until", "lists")
        assert prepare(wrong, tmp_path / "out", *steps).returncode == 0
        run = prepare(wrong, tmp_path / "out", *steps, "--with", "devkit")
        assert run.returncode == 3
        assert "line 1" in run.stderr
