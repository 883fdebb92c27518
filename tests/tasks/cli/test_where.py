"""``shardmill where``: the path of the finished output, and nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from commands import shardmill
from finishedoutputs import prepared
from support import RawSet

from pipeline import paths, storage


def test_the_folder_of_the_current_output_is_printed_and_nothing_else(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(small, out)
    for split in ("train", "validation"):
        current = out / "tfrecord" / split / "current"
        run = shardmill("where", out, split)
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout == f"{current.parent / os.readlink(current)}\n"
    monkeypatch.chdir(out.parent)
    assert shardmill("where", out.name, "validation", "--format", "tfrecord").stdout == run.stdout


def test_what_is_not_finished_has_no_place(small: RawSet, out: Path) -> None:
    prepared(small, out)
    folder = out / "tfrecord/train" / os.readlink(out / "tfrecord/train/current")
    left = {
        "no such file": next((folder / "idx").iterdir()),
        "not finished": folder / "manifest.json",
    }
    for said, path in left.items():
        path.unlink()
        run = shardmill("where", out, "train")
        assert (run.returncode, run.stdout) == (1, "")
        assert said in run.stderr
    assert shardmill("where", out, "validation").returncode == 0
    storage.publish_bytes(paths.withdrawal(out), b"{}")
    run = shardmill("where", out, "validation")
    assert (run.returncode, run.stdout) == (1, "")
    assert "withdrawn" in run.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("val",), "say 'validation'"),
        (("--split", "trian"), "say 'train'"),
        (("train", "--split", "train"), "a split is named twice"),
        ((), "no split is named"),
        (("train", "--format", "recordio"), "say --format tfrecord"),
        (("train", "--format", "tar"), "'tar' is not one of"),
    ],
)
def test_another_split_or_format_is_refused_with_those_that_are_there(
    small: RawSet, out: Path, words: tuple[str, ...], said: str
) -> None:
    prepared(small, out)
    run = shardmill("where", out, *words)
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr


def test_nothing_at_all_is_no_matter_of_words(out: Path) -> None:
    run = shardmill("where", out, "train")
    assert (run.returncode, run.stdout) == (1, "")
    assert "not finished" in run.stderr


def test_a_copy_that_has_a_folder_for_the_link_has_its_output_there(
    small: RawSet, out: Path, tmp_path: Path
) -> None:
    prepared(small, out)
    shutil.copytree(out, tmp_path / "copy")  # links followed
    run = shardmill("where", tmp_path / "copy", "train")
    assert run.stdout == f"{tmp_path / 'copy/tfrecord/train/current'}\n"


def test_a_path_that_cannot_be_printed_is_not_printed_as_another(
    small: RawSet, tmp_path: Path
) -> None:
    prepared(small, tmp_path / "out\nside")
    run = shardmill("where", tmp_path / "out\nside", "train")
    assert (run.returncode, run.stdout) == (2, "")
