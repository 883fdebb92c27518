"""How the last command ended, where a later one found everything complete."""

from __future__ import annotations

from pathlib import Path

import inprocess
import pytest
from support import RawSet

from pipeline import paths, storage

TRAIN = "ILSVRC2012_img_train.tar"


def test_what_is_found_complete_again_after_a_refusal_is_the_last_end(
    monkeypatch: pytest.MonkeyPatch, small: RawSet, tmp_path: Path, out: Path
) -> None:
    own = small.copy(tmp_path / "own")
    where = ("imagenet", "--raw", own.raw, "--config", own.config, "--out", out)
    words = (*where, "--split", "train", "--no-boxes", "--format", "recordio")
    assert inprocess.shardmill(monkeypatch, *words).status == 0
    archive, shard = own.raw / TRAIN, next(out.glob("recordio/train/*/*.rec"))
    whole, aside = archive.rename(tmp_path / "whole"), shard.rename(tmp_path / "aside")
    archive.write_bytes(whole.read_bytes()[:700] + b"x" + whole.read_bytes()[701:])
    assert inprocess.shardmill(monkeypatch, *words).status == 3
    whole.rename(archive)
    aside.rename(shard)
    assert "last end: " in inprocess.shardmill(monkeypatch, "status", out).said
    runs = storage.folders(paths.runs(out))
    for _ in range(2):
        again = inprocess.shardmill(monkeypatch, *words)
        assert (again.status, "already complete" in again.said) == (0, True)
    said = inprocess.shardmill(monkeypatch, "status", out).said
    assert "status 0: complete" in said
    assert "status 3" not in said
    assert len(storage.folders(paths.runs(out))) == len(runs) + 1  # none for what was known
