"""Whole commands beside a finished output of other images: what they link, and what they say."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from commands import shardmill
from drawnlists import SPLIT, ListedSet, current, draw_list, encoded, lay
from ownarchives import class_tars

from pipeline import paths

FORMATS = ("tfrecord", "recordio", "webdataset")
WORDS = ("--format", ",".join(FORMATS), "--shards", 4, "--order", "list")
COUNTS = {"ant": 6, "bee": 9, "cat": 5}


def aged(paths: Iterable[Path]) -> None:
    """Have files look as if they lay there for long: their stamps are trusted then."""
    for path in paths:
        os.utime(path, ns=(0, time.time_ns() - 10**12))


@pytest.fixture
def listed(tmp_path: Path, out: Path) -> ListedSet:
    """A list of 24 images that a test may lengthen, and in `out` what was made of it."""
    drawn = draw_list(tmp_path / "drawn")
    aged(drawn.root.rglob("*.*"))
    ended = drawn.prepare_here(out, *WORDS)
    assert ended.returncode == 0, ended.stderr
    return drawn


def add(listed: ListedSet, name: Path) -> None:
    """Name one more image at the end of a list."""
    listed.add(f"500\t3.000000\t{lay(name, encoded(77))}")


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def marks(out: Path, digest: str) -> dict[str, bytes]:
    return files(paths.shard_marks(out, digest))


def inodes(folder: Path) -> set[tuple[str, int]]:
    return {(p.name, p.stat().st_ino) for p in folder.rglob("*-of-*")}


def test_shards_with_the_same_records_are_linked_in_every_format(
    listed: ListedSet, out: Path, tmp_path: Path
) -> None:
    before = {name: inodes(current(out, name)) for name in FORMATS}
    add(listed, tmp_path / "new.jpg")
    foreseen = listed.prepare_here(out, *WORDS, "--dry-run")
    assert foreseen.returncode == 0, foreseen.stderr
    ended = listed.prepare_here(out, *WORDS)
    assert ended.returncode == 0, ended.stderr
    assert listed.prepare_here(tmp_path / "anew", *WORDS).returncode == 0
    for name in FORMATS:
        folder, anew = current(out, name), current(tmp_path / "anew", name)
        assert files(folder) == files(anew)
        assert marks(out, folder.name) == marks(tmp_path / "anew", anew.name)
        kept = {file.partition(".")[0] for file, _ in inodes(folder) & before[name]}
        assert kept == {f"{SPLIT}-{number:05d}-of-00004" for number in (0, 1, 2)}
        would = f"{name}: of 4 shards, 3 would be linked to an earlier output, 1 written"
        assert would in foreseen.stdout
        assert f"{name}: 3 of 4 shards linked to an earlier output" in ended.stdout
    verified = shardmill("verify", out)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_what_is_linked_outlives_the_output_that_it_was_made_of(
    listed: ListedSet, out: Path, tmp_path: Path
) -> None:
    add(listed, tmp_path / "new.jpg")
    old = {name: current(out, name) for name in FORMATS}
    assert listed.prepare_here(out, *WORDS).returncode == 0
    assert shardmill("clean", out, "--yes").returncode == 0
    assert not any(folder.exists() for folder in old.values())
    verified = shardmill("verify", out)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "already complete" in listed.prepare_here(out, *WORDS).stdout


def test_without_hard_links_every_shard_is_written(
    listed: ListedSet, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "not here")

    monkeypatch.setattr(os, "link", refuse)
    before = {name: inodes(current(out, name)) for name in FORMATS}
    add(listed, tmp_path / "new.jpg")
    ended = listed.prepare_here(out, *WORDS)
    assert ended.returncode == 0, ended.stderr
    assert "linked" not in ended.stdout
    assert not any(inodes(current(out, name)) & before[name] for name in FORMATS)
    verified = shardmill("verify", out)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_part_links_as_a_whole_command_does(listed: ListedSet, out: Path, tmp_path: Path) -> None:
    before = inodes(current(out, "recordio"))
    add(listed, tmp_path / "new.jpg")
    assert listed.prepare_here(out, *WORDS, "--until", "plan").returncode == 0
    ended = listed.prepare_here(out, *WORDS, "--part", "0/1")
    assert ended.returncode == 0, ended.stderr
    assert len(inodes(current(out, "recordio")) & before) == 3 * 3
    assert listed.prepare_here(tmp_path / "anew", *WORDS).returncode == 0
    assert files(current(out, "recordio")) == files(current(tmp_path / "anew", "recordio"))


def prepared(raw: Path, out: Path, counts: dict[str, int], *options: object) -> str:
    """Prepare an archive of class tars, which is put there; return what was said."""
    lay(raw / "train.tar", class_tars(counts))
    config = raw.parent / "own.toml"
    about = ("--name", "own", "--out", config, "--replace")
    assert shardmill("describe", raw, *about).returncode == 0
    where = ("--raw", raw, "--config", config, "--out", out)
    how = ("--shards", "train=4", "--order", "name", "--replace")
    ended = shardmill("imagenet", *where, *how, *options)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("options", [(), ("--resize", 16)])
def test_of_an_archive_that_was_replaced_unchanged_shards_are_linked(
    tmp_path: Path, out: Path, options: tuple[object, ...]
) -> None:
    prepared(tmp_path / "raw", out, COUNTS, *options)
    before = inodes(current(out, "tfrecord", "train"))
    said = prepared(tmp_path / "raw", out, COUNTS | {"cat": 6}, *options)
    assert "train: tfrecord: 3 of 4 shards linked to an earlier output" in said
    assert len(inodes(current(out, "tfrecord", "train")) & before) == 2 * 3
    verified = shardmill("verify", out)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "images not compared" not in verified.stdout  # of the earlier one, either
    archives = out / ".shardmill/archives"
    assert len(list(archives.glob("*.members.arrow"))) == 2
    cleaned = shardmill("clean", out, "--yes")
    assert f"kept of source files, and needed by no output: {archives}, 2 files" in cleaned.stdout
    assert len(list(archives.glob("*.members.arrow"))) == 1
    assert shardmill("verify", out).returncode == 0
