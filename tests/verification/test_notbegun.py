"""What was asked for last and is not begun, where another output is current."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import inprocess
import pytest
from inprocess import Ran
from support import RawSet

from pipeline.annotations import bboxes
from pipeline.errors import ArchiveRefused
from pipeline.shards import work


def prepare(patch: pytest.MonkeyPatch, raw_set: RawSet, out: Path, *words: object) -> Ran:
    where = ("--raw", raw_set.raw, "--config", raw_set.config, "--out", out)
    return inprocess.shardmill(patch, "imagenet", *where, "--shards", "train=1", *words)


def refuse(*_: object, **__: object) -> Any:
    raise ArchiveRefused("not now")


def test_of_an_earlier_version_what_is_current_is_verified(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bboxes, "VERSION", bboxes.VERSION - 1)
        assert prepare(patch, small, out).status == 0
    current = (out / "tfrecord" / "train" / "current").readlink().name
    run = inprocess.verify(monkeypatch, out)
    assert run.status == 0, run.said
    assert run.said.count("asked for and not begun: ") == 1
    assert f"; {current} is current and made with the same options of the same files" in run.said
    assert f"{current}: 1 shard, 12 records" in run.said
    with (out / "tfrecord" / "train" / current / "train-00000-of-00001").open("r+b") as shard:
        shard.seek(100)
        shard.write(b"?????")
    assert inprocess.verify(monkeypatch, out).status == 1


@pytest.mark.parametrize("words", [("--seed", 5), ("--no-boxes",), ("--resize", 16)])
def test_with_other_options_or_files_it_is_not_what_was_asked_for(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...]
) -> None:
    usual = ("--split", "train", "--until", "shards")
    assert prepare(monkeypatch, small, out, *usual).status == 0
    with monkeypatch.context() as patch:
        patch.setattr(work, "write_shard", refuse)
        run = prepare(patch, small, out, *usual, "--replace", *words)
        assert run.status == 3, run.said
    run = inprocess.verify(monkeypatch, out)
    assert run.status == 1, run.said
    assert "the output was asked for and is not begun" in run.said
    assert "is current: made with other options, or of other files" in run.said
