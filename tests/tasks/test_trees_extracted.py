"""Trees of class folders through the DAG: made of archives."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from commands import prepare, shardmill
from finishedoutputs import prepared
from support import RawSet, products, temporary_files
from unpackedsets import (
    TRAIN,
    foldered,
)


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
        prepared(small, out, "--extract")
        run = prepare(small, out, "--extract")
        assert run.returncode == 0
        assert "already complete" in run.stdout

    def test_makes_an_image_again_that_was_deleted_or_cut_short(
        self, small: RawSet, out: Path
    ) -> None:
        prepared(small, out, "--extract")
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
        prepared(small, out, "--extract")
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
        prepared(small, out, "--extract")
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
        prepared(small, out, "--extract")
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
        prepared(small, out, "--extract")
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
