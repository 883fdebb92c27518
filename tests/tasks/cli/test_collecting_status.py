"""Status says how far the collecting of Open Images is, and what follows for its exit status."""

from __future__ import annotations

import shutil
from pathlib import Path

import inprocess
import pytest
from finishedoutputs import of_openimages


def prepare(
    monkeypatch: pytest.MonkeyPatch, openimages: Path, out: Path, *words: str
) -> inprocess.Ran:
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml", "--out", out)
    return inprocess.shardmill(monkeypatch, "openimages", *where, "--class", "Bear", *words)


@pytest.mark.parametrize(
    ("until", "said"),
    [
        ("metadata", "train: metadata: 2 of 2 files verified"),
        ("select", "train: 7 images selected, 9 objects"),
        ("images", "train: images: 7 of 7 collected"),
    ],
)
def test_a_command_that_ends_before_shards_is_complete(
    openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: str, said: str
) -> None:
    out = tmp_path / "out"
    ended = prepare(monkeypatch, openimages, out, "--until", until).status
    ran = inprocess.shardmill(monkeypatch, "status", out)
    assert (ran.status, said in ran.said) == (ended, True), ran.said
    assert "pending" not in ran.said


def test_what_is_not_there_any_more_is_said(
    openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(of_openimages(openimages), out, symlinks=True)
    ran = inprocess.shardmill(monkeypatch, "status", out)
    assert (ran.status, "list-train: complete" in ran.said) == (4, True), ran.said
    min((out / "images" / "train").iterdir()).unlink()
    ran = inprocess.shardmill(monkeypatch, "status", out)
    assert (ran.status, "collecting: not complete" in ran.said) == (1, True), ran.said
    assert "asked for earlier: train (tfrecord" in ran.said
