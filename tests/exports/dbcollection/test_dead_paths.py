"""Absolute paths in exports are looked at when they are handed on, and by verify."""

from __future__ import annotations

import shutil
from pathlib import Path

import inprocess
import pytest
from support import RawSet

from pipeline.exports.dbcollection import dead_paths as deadpaths


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch, small: RawSet, tmp_path: Path) -> tuple[Path, Path]:
    """An output folder with dbcollection's file, and where it was moved to."""
    before, after = tmp_path / "before", tmp_path / "after"
    words = ("--raw", small.raw, "--config", small.config, "--out", before)
    exports = ("--no-boxes", "--format", "none", "--export", "dbcollection")
    assert inprocess.shardmill(monkeypatch, "imagenet", *words, *exports).status == 0
    monkeypatch.setenv("HOME", str(tmp_path))
    run = inprocess.shardmill(monkeypatch, "dbcollection-cache", before)
    assert (run.status, "warning" in run.said) == (0, False)
    assert "warning" not in inprocess.verify(monkeypatch, before).said
    shutil.move(before, after)
    return before, after


def test_an_output_folder_that_was_moved_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, small: RawSet, moved: tuple[Path, Path]
) -> None:
    before, after = moved
    for run in (
        inprocess.shardmill(monkeypatch, "dbcollection-cache", after),
        inprocess.verify(monkeypatch, after),
    ):
        assert run.status == 0
        assert f"names images in {before}, and that folder is not there" in run.said
        assert "--replace" in run.said
    words = ("--raw", small.raw, "--config", small.config, "--out", after, "--replace")
    exports = ("--no-boxes", "--format", "none", "--export", "dbcollection")
    assert inprocess.shardmill(monkeypatch, "imagenet", *words, *exports).status == 0
    assert "warning" not in inprocess.shardmill(monkeypatch, "dbcollection-cache", after).said


def test_images_that_are_gone_are_said(moved: tuple[Path, Path]) -> None:
    before, after = moved
    shutil.move(after, before)
    file = before / "dbcollection/classification.h5"
    assert deadpaths.warning(file) is None
    victim = next((before / "val").glob("*/*"))
    victim.unlink()
    assert f"not all of them are there: e.g. {victim}" in str(deadpaths.warning(file))
