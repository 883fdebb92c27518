"""A finished job that is asked for once more, where its output folder cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

import inprocess
import pytest
from drawntrees import draw_tree
from filetimes import age

from pipeline.documents import fingerprint_tables
from pipeline.errors import NoPermission, NoSpace, ShardmillError


@pytest.mark.parametrize("error", [NoPermission, NoSpace])
def test_new_stamps_that_cannot_be_kept_are_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path, error: type[ShardmillError]
) -> None:
    drawn = draw_tree(tmp_path)
    age(drawn.tree)
    words = ("imagenet", "--tree", drawn.tree, "--config", drawn.config, "--split", "train")
    assert inprocess.shardmill(monkeypatch, *words, "--out", out).status == 0
    os.utime(drawn.image(1))

    def refused(*_: object, **__: object) -> None:
        raise error("nothing can be written")

    monkeypatch.setattr(fingerprint_tables, "publish", refused)
    run = inprocess.shardmill(monkeypatch, *words, "--out", out)
    assert run.status == 0, run.said
    assert "read again: 1" in run.said
    assert "already complete" in run.said
