"""Trees of class folders through the DAG: made from archives or trees, and read in their place."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support import RawSet, mini_source, prepare, products, shardmill, temporary_files

TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
BOXES, VALIDATION_BOXES = "ILSVRC2012_bbox_train_v2.tar.gz", "ILSVRC2012_bbox_val_v3.tgz"
SHARDS = ("--shards", "train=5", "--shards", "validation=3")


def unpack_train(raw: Path, folder: Path) -> None:
    """Unpack the tar of class tars as people do: one folder a class."""
    with tarfile.open(raw / TRAIN) as outer:
        for member in outer:
            content = outer.extractfile(member)
            assert content is not None
            with tarfile.open(fileobj=io.BytesIO(content.read())) as inner:
                inner.extractall(folder / member.name.removesuffix(".tar"), filter="data")


def unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def wnids(raw_set: RawSet) -> dict[str, str]:
    """Validation file name -> WNID."""
    lines = (raw_set.config.parent / "validation_synsets.txt").read_text().split()
    with tarfile.open(raw_set.raw / VALIDATION) as tar:
        return {name: lines[int(name[15:23]) - 1] for name in tar.getnames()}


def classic(raw_set: RawSet, tree: Path) -> Path:
    """train/<wnid>, val flat, the annotations beside them."""
    unpack_train(raw_set.raw, tree / "train")
    unpack(raw_set.raw / VALIDATION, tree / "val")
    unpack(raw_set.raw / BOXES, tree / "bboxes")
    return tree


def foldered(raw_set: RawSet, tree: Path) -> Path:
    """As `classic`, the validation images in class folders."""
    classic(raw_set, tree)
    for name, wnid in wnids(raw_set).items():
        (tree / "val" / wnid).mkdir(exist_ok=True)
        (tree / "val" / name).rename(tree / "val" / wnid / name)
    return tree


def named_like_the_archives(raw_set: RawSet, tree: Path) -> Path:
    """As `classic`, in folders that are named after the archives."""
    classic(raw_set, tree)
    (tree / "train").rename(tree / "ILSVRC2012_img_train")
    (tree / "val").rename(tree / "ILSVRC2012_img_val")
    return tree


def competition(raw_set: RawSet, tree: Path) -> Path:
    """The layout of the competition's archive, with its CSV of the validation labels."""
    data = tree / "ILSVRC" / "Data" / "CLS-LOC"
    annotations = tree / "ILSVRC" / "Annotations" / "CLS-LOC"
    unpack_train(raw_set.raw, data / "train")
    unpack(raw_set.raw / VALIDATION, data / "val")
    unpack(raw_set.raw / BOXES, annotations / "train")
    unpack(raw_set.raw / VALIDATION_BOXES, annotations)
    lines = ["ImageId,PredictionString"]
    lines += [f"{Path(name).stem},{wnid} 1 2 3 4 " for name, wnid in wnids(raw_set).items()]
    (tree / "LOC_val_solution.csv").write_text("\n".join(lines) + "\n")
    return tree


LAYOUTS = (classic, foldered, named_like_the_archives, competition)


def from_tree(
    raw_set: RawSet, tree: Path, out: Path, *options: object
) -> subprocess.CompletedProcess[str]:
    where = ("--tree", tree, "--config", raw_set.config, "--out", out)
    return shardmill("imagenet", *where, *options)


def shards(out: Path) -> dict[tuple[str, ...], str]:
    """The shards and their indexes, without the digests of their folders."""
    found = {}
    for name, content in products(out).items():
        parts = Path(name).parts
        if parts[0] == "tfrecord" and "-of-" in parts[-1]:
            found[(parts[1], *parts[3:])] = content
    return found


@pytest.fixture(scope="module")
def from_archives(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is made of the archives of the drawn sample."""
    out = tmp_path_factory.mktemp("archives")
    run = prepare(sample, out, *SHARDS)
    assert run.returncode == 0, run.stderr
    return out


class TestReading:
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_shards_from_a_tree_equal_those_from_the_archives(
        self,
        sample: RawSet,
        from_archives: Path,
        tmp_path: Path,
        layout: Callable[[RawSet, Path], Path],
    ) -> None:
        self.compare(sample, layout(sample, tmp_path / "tree"), from_archives, tmp_path / "out")

    def test_so_do_those_of_real_images(self, mini: RawSet, tmp_path: Path) -> None:
        run = prepare(mini, tmp_path / "archives", *SHARDS)
        assert run.returncode == 0, run.stderr
        tree = competition(mini, tmp_path / "tree")
        self.compare(mini, tree, tmp_path / "archives", tmp_path / "out")

    @staticmethod
    def compare(raw_set: RawSet, tree: Path, archives: Path, out: Path) -> None:
        run = from_tree(raw_set, tree, out, *SHARDS)
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
        assert prepare(sample, tmp_path / "archives", *options).returncode == 0
        tree = competition(sample, tmp_path / "tree")
        run = from_tree(sample, tree, tmp_path / "out", *options)
        assert run.returncode == 0, run.stderr
        assert shards(tmp_path / "out") == shards(tmp_path / "archives")

    def test_an_extracted_tree_can_be_read_again(self, sample: RawSet, tmp_path: Path) -> None:
        made = tmp_path / "made"
        assert prepare(sample, made, "--extract", *SHARDS).returncode == 0
        run = from_tree(sample, made, tmp_path / "out", "--no-boxes", *SHARDS)
        assert run.returncode == 0, run.stderr
        assert len(shards(tmp_path / "out")) == len(shards(made))

    def test_a_rerun_does_nothing(self, small: RawSet, tmp_path: Path) -> None:
        tree = classic(small, tmp_path / "tree")
        assert from_tree(small, tree, tmp_path / "out").returncode == 0
        run = from_tree(small, tree, tmp_path / "out")
        assert run.returncode == 0
        assert "already complete" in run.stdout

    def test_what_is_finished_does_not_need_the_tree_any_more(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        tree, out = classic(small, tmp_path / "tree"), tmp_path / "out"
        assert from_tree(small, tree, out).returncode == 0
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
        run = from_tree(small, tree, tmp_path / "out")
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


class TestExtracting:
    def test_gives_what_tar_gives(self, raw_set: RawSet, out: Path, tmp_path: Path) -> None:
        run = prepare(raw_set, out, "--extract", "--until", "extract", "--no-boxes")
        assert run.returncode == 0, run.stderr
        tree = foldered(raw_set, tmp_path / "tree")
        for name in ("train", "val"):
            assert products(out / name) == products(tree / name)
        assert temporary_files(out) == []
        assert shardmill("verify", out).returncode == 0

    def test_is_not_done_twice(self, small: RawSet, out: Path) -> None:
        assert prepare(small, out, "--extract").returncode == 0
        run = prepare(small, out, "--extract")
        assert run.returncode == 0
        assert "already complete" in run.stdout

    def test_makes_an_image_again_that_was_deleted_or_cut_short(
        self, small: RawSet, out: Path
    ) -> None:
        assert prepare(small, out, "--extract").returncode == 0
        before = products(out)
        one, other = sorted((out / "train").glob("*/*.JPEG"))[:2]
        kept = {path: path.stat().st_ino for path in (out / "train").glob("*/*.JPEG")}
        one.unlink()
        other.write_bytes(b"short")
        run = prepare(small, out, "--extract")
        assert run.returncode == 0, run.stderr
        assert products(out) == before
        now = {path: path.stat().st_ino for path in (out / "train").glob("*/*.JPEG")}
        assert {path for path in kept if kept[path] != now[path]} <= {one, other}

    @pytest.mark.parametrize("name", ["00000.files.arrow", "00000.json"])
    def test_outlives_damage_to_its_own_records(self, small: RawSet, out: Path, name: str) -> None:
        assert prepare(small, out, "--extract").returncode == 0
        before = products(out)
        for record in (out / ".shardmill" / "trees").glob(f"*/{name}"):
            content = bytearray(record.read_bytes())
            content[len(content) // 2] ^= 1
            record.write_bytes(content)
        run = prepare(small, out, "--extract")
        assert run.returncode == 0, run.stderr
        assert products(out) == before

    def test_refuses_a_class_folder_that_holds_something_else(
        self, small: RawSet, out: Path
    ) -> None:
        assert prepare(small, out, "--extract").returncode == 0
        folder = next((out / "val").iterdir())
        (folder / "notes.txt").write_text("mine")
        next(folder.glob("*.JPEG")).unlink()
        run = prepare(small, out, "--extract")
        assert run.returncode == 2
        assert str(folder / "notes.txt") in run.stderr
        assert (folder / "notes.txt").read_text() == "mine"

    def test_refuses_folders_that_somebody_else_put_there(self, small: RawSet, out: Path) -> None:
        (out / "train" / "mine").mkdir(parents=True)
        run = prepare(small, out, "--extract")
        assert run.returncode == 2
        assert str(out / "train") in run.stderr
        assert list((out / "train").iterdir()) == [out / "train" / "mine"]

    def test_of_other_classes_never_mixes_with_what_stands_there(
        self, small: RawSet, out: Path, tmp_path: Path
    ) -> None:
        assert prepare(small, out, "--extract").returncode == 0
        chosen = tmp_path / "classes"
        chosen.write_text((small.raw / "counts.tsv").read_text().split("\t")[0])
        before = products(out / "train")
        run = prepare(small, out, "--extract", "--classes", chosen)
        assert run.returncode == 2
        assert "--replace" in run.stderr
        run = prepare(small, out, "--extract", "--classes", chosen, "--replace")
        assert run.returncode == 2
        assert "do not belong" in run.stderr or "does not belong" in run.stderr
        assert products(out / "train") == before

    @pytest.mark.parametrize("damage", ["flip", "delete", "add"])
    def test_verify_names_what_is_not_as_it_was_written(
        self, small: RawSet, out: Path, damage: str
    ) -> None:
        assert prepare(small, out, "--extract").returncode == 0
        assert shardmill("verify", out).returncode == 0
        victim = next((out / "train").glob("*/*.JPEG"))
        content = victim.read_bytes()
        if damage == "flip":
            victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        elif damage == "delete":
            victim.unlink()
        else:
            victim = victim.with_name("more.JPEG")
            victim.write_bytes(content)
        run = shardmill("verify", out)
        assert run.returncode == 1
        assert str(victim) in run.stderr
        assert "1 problem\n" in run.stdout

    def test_of_a_split_without_classes_is_a_usage_error(self, small: RawSet, out: Path) -> None:
        run = prepare(small, out, "--extract", "--with", "test")
        assert run.returncode == 2
        assert "no classes" in run.stderr

    @pytest.mark.parametrize("name", ["../../escaped.JPEG", "/escaped.JPEG", "..", "a/b.JPEG"])
    def test_refuses_members_that_try_to_escape(
        self, small: RawSet, out: Path, tmp_path: Path, name: str
    ) -> None:
        hostile = small.copy(tmp_path / "hostile")
        _rename_member(hostile.raw / TRAIN, name)
        hostile.repin(TRAIN)
        run = prepare(hostile, out, "--extract", "--no-boxes")
        assert run.returncode == 3
        assert repr(name) in run.stderr or name in run.stderr
        assert not list(tmp_path.rglob("escaped.JPEG"))
        assert not (out / "train").exists()

    @pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_long_names_and_other_tar_formats_come_out_the_same(
        self, small: RawSet, tmp_path: Path, tar_format: int
    ) -> None:
        other = small.copy(tmp_path / "other")
        long = "n" * 150 + ".JPEG"
        _rename_member(other.raw / TRAIN, long, tar_format)
        other.repin(TRAIN)
        run = prepare(other, tmp_path / "out", "--extract", "--no-boxes")
        assert run.returncode == 0, run.stderr
        (found,) = (tmp_path / "out" / "train").glob(f"*/{long}")
        assert found.stat().st_size > 0


def _rename_member(archive: Path, name: str, tar_format: int = tarfile.GNU_FORMAT) -> None:
    """Pack the first class tar anew, its first image under another name."""
    made = io.BytesIO()
    with (
        tarfile.open(archive) as outer,
        tarfile.open(fileobj=made, mode="w", format=tar_format) as target,
    ):
        for number, member in enumerate(outer):
            content = outer.extractfile(member)
            assert content is not None
            data = content.read()
            if number == 0:
                data = _renamed(data, name, tar_format)
            member.size = len(data)
            target.addfile(member, io.BytesIO(data))
    archive.write_bytes(made.getvalue())


def _renamed(class_tar: bytes, name: str, tar_format: int) -> bytes:
    made = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(class_tar)) as inner,
        tarfile.open(fileobj=made, mode="w", format=tar_format) as target,
    ):
        for number, member in enumerate(inner):
            content = inner.extractfile(member)
            if number == 0:
                member.name = name
            target.addfile(member, content)
    return made.getvalue()


class TestReorganisingValidation:
    OPTIONS = ("--split", "validation", "--until", "extract", "--extract")

    @pytest.mark.parametrize("transfer", ["copy", "link", "symlink", "move"])
    def test_a_flat_folder_becomes_class_folders(
        self, sample: RawSet, tmp_path: Path, transfer: str
    ) -> None:
        unpack(sample.raw / VALIDATION, tmp_path / "tree" / "val")
        expected = foldered(sample, tmp_path / "expected") / "val"
        out = tmp_path / "out"
        run = from_tree(sample, tmp_path / "tree", out, *self.OPTIONS, "--transfer", transfer)
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
        again = from_tree(sample, tmp_path / "tree", out, *self.OPTIONS, "--transfer", transfer)
        assert again.returncode == 0, again.stderr
        assert "already complete" in again.stdout

    def test_in_place_by_moving(self, raw_set: RawSet, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        unpack(raw_set.raw / VALIDATION, tree / "val")
        refused = from_tree(raw_set, tree, tree, *self.OPTIONS)
        assert refused.returncode == 2
        assert "--transfer move" in refused.stderr
        run = from_tree(raw_set, tree, tree, *self.OPTIONS, "--transfer", "move")
        assert run.returncode == 0, run.stderr
        expected = foldered(raw_set, tmp_path / "expected") / "val"
        assert products(tree / "val") == products(expected)
        again = from_tree(raw_set, tree, tree, *self.OPTIONS, "--transfer", "move")
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
        assert prepare(small, out, "--extract").returncode == 0
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
