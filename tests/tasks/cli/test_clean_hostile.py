"""Removal in an output folder where somebody else has planted links, marks and folders."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

import inprocess
import pytest
from support import write_catalog

from pipeline import manifest, paths, storage
from pipeline.state import withdrawal
from pipeline.storage.local import owner

OLD, NEW = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
SHARD = "train-00000-of-00001"
_COUNTS = ("boxes", "bytes", "images", "left_out", "records", "repaired", "without_boxes")
MANIFEST = manifest.serialise({"files": [], "shards": [], "counts": dict.fromkeys(_COUNTS, 0)})


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Somebody else's folder, whose files have the names of ours; never to be touched."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("00000.json", "00000.facts.arrow", SHARD, "thesis.tex"):
        (folder / name).write_text("precious")
    (folder / "manifest.json").write_bytes(MANIFEST)
    return folder


@pytest.fixture
def twice(out: Path) -> Path:
    """An output folder in which one output has taken the place of another."""
    for digest in (OLD, NEW):
        folder = paths.output(out, "tfrecord", "train", digest)
        storage.publish_bytes(folder / SHARD, bytes(100))
        storage.publish_bytes(folder / "idx" / SHARD, bytes(20))
        storage.publish_bytes(paths.manifest(folder), MANIFEST)
        storage.publish_bytes(paths.shard_mark(out, digest, 0), b"{}")
    storage.point(paths.current(out, "tfrecord", "train"), NEW)
    return out


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def clean(monkeypatch: pytest.MonkeyPatch, out: Path) -> str:
    ran = inprocess.shardmill(monkeypatch, "clean", out, "--yes")
    assert ran.status == 0, ran.said
    return ran.said


def test_a_link_among_the_marks_removes_nothing_where_it_leads(
    out: Path, foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = paths.output(out, "tfrecord", "train", NEW)
    storage.publish_bytes(paths.manifest(folder), MANIFEST)
    storage.point(paths.current(out, "tfrecord", "train"), NEW)
    paths.output(out, "tfrecord", "train", OLD).mkdir()
    paths.shard_marks(out, OLD).parent.mkdir(parents=True)
    paths.shard_marks(out, OLD).symlink_to(foreign)
    before = tree(foreign)
    assert "nothing to remove" in clean(monkeypatch, out)
    assert tree(foreign) == before
    assert paths.shard_marks(out, OLD).is_symlink()


@pytest.mark.parametrize(
    "place",
    [
        "tfrecord",
        "tfrecord/train",
        f"tfrecord/train/{OLD}",
        f"tfrecord/train/{OLD}/idx",
        f"tfrecord/train/{OLD}/{SHARD}",
        f".shardmill/shards/{OLD}",
        ".shardmill/shards",
    ],
)
def test_a_link_at_any_level_is_left_alone_with_all_that_it_leads_to(
    twice: Path, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.rename(twice / place, tmp_path / "moved")
    (twice / place).symlink_to(tmp_path / "moved")
    whole = [tmp_path / "moved"] if (tmp_path / "moved").is_file() else []
    before = tree(tmp_path / "moved"), [path.read_bytes() for path in whole]
    clean(monkeypatch, twice)
    assert (tree(tmp_path / "moved"), [path.read_bytes() for path in whole]) == before
    assert (twice / place).is_symlink()
    assert (paths.output(twice, "tfrecord", "train", NEW) / SHARD).exists()


def test_a_current_link_that_leads_away_supersedes_nothing(
    twice: Path, foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = paths.current(twice, "tfrecord", "train")
    link.unlink()
    link.symlink_to(foreign)
    before = tree(twice)
    assert "nothing to remove" in clean(monkeypatch, twice)
    assert tree(twice) == before


def test_the_output_folder_itself_may_be_a_link(
    twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(twice)
    clean(monkeypatch, tmp_path / "link")
    assert not paths.output(twice, "tfrecord", "train", OLD).exists()


def test_what_is_shown_is_what_goes(twice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = paths.output(twice, "tfrecord", "train", OLD) / "notes.lst"
    notes.write_text("precious")
    before = tree(twice)
    said = clean(monkeypatch, twice)
    gone = before.keys() - tree(twice).keys()
    size = sum(len(before[name]) for name in gone)
    assert len(gone) == 4
    assert f"4 files, {size} B\n" in said
    assert f"removed: 4 files, {size} B\n" in said
    assert f"left alone: {notes} " in said


def test_what_changes_while_it_asks_stays(twice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = paths.output(twice, "tfrecord", "train", OLD) / SHARD

    def confirm(_: str) -> bool:
        shard.write_bytes(b"written by somebody else meanwhile")
        (shard.parent / "idx" / "new").touch()
        return True

    monkeypatch.setattr("click.confirm", confirm)
    ran = inprocess.shardmill(monkeypatch, "clean", twice)
    assert f"left alone: {shard} has changed" in ran.said
    left = {path.name for path in shard.parent.rglob("*") if path.is_file()}
    assert left == {SHARD, "new"}


def test_a_folder_that_only_looks_temporary_is_not_emptied(
    twice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = socket.gethostname().replace(".", "_")
    tail = f"{host}-99999-deadbeef.tmp"
    storage.publish_bytes(paths.product_mark(twice, "tree-train"), b"{}")
    write_catalog(twice, ["n01440764/1.JPEG"])
    mine = [twice / f".docs.{tail}", twice / "train" / f".n01440764.{tail}"]
    ours = twice / "train" / f".n01440764.{tail.replace('beef', 'f00d')}"
    for folder in (*mine, ours):
        folder.mkdir(parents=True)
        (folder / "1.JPEG").write_bytes(b"half")
    for folder in mine:
        (folder / "thesis.tex").write_text("precious")
    notes, long = (twice / f".{name}.{tail}" for name in ("thesis.tex", "thesis" * 25))
    for path in (notes, long):
        path.write_text("precious")
    said = clean(monkeypatch, twice)
    assert not ours.exists()
    assert [(folder / "thesis.tex").read_text() for folder in mine] == ["precious"] * 2
    assert (mine[0] / "1.JPEG").exists()
    for path in (notes, long):
        assert path.read_text() == "precious"
    for path in (*(folder / "thesis.tex" for folder in mine), notes, long):
        assert f"left alone: {path} " in said


def forged(out: Path, mark: Path, *names: str) -> None:
    """Write a well-sealed mark that names files with hashes that are not theirs."""
    files = [{"file": name, "bytes": 8, "xxh3_128": "0" * 32} for name in names]
    of_plan = {"rows": 0, "shards": []}
    document = {"digest": NEW, "finished": True, "made_of": {}, "files": files, **of_plan}
    storage.publish_bytes(mark, manifest.serialise(document))


def test_a_forged_mark_removes_no_file_that_is_not_ours(
    out: Path, foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged(out, paths.product_mark(out, "labels"), "mynotes.txt", "lists/labels.tsv")
    forged(out, paths.plan_mark(out, "train", OLD), ".shardmill/mine.json", "away/thesis.tex")
    (out / "away").symlink_to(foreign)
    (out / "lists").mkdir()
    for name in ("mynotes.txt", ".shardmill/mine.json", "lists/labels.tsv"):
        (out / name).write_text("precious")
    before = tree(foreign)
    ran = inprocess.verify(monkeypatch, out, "--remove-damaged")
    assert ran.status == 1
    assert f"removed: {out / 'lists/labels.tsv'}\n" in ran.said
    assert ran.said.count("removed: ") == 1
    for name in ("mynotes.txt", ".shardmill/mine.json", "away/thesis.tex"):
        assert f"left alone: {out / name}\n" in ran.said
        assert (out / name).read_text() == "precious"
    assert tree(foreign) == before


def test_a_forged_withdrawal_removes_nothing_outside(out: Path, foreign: Path) -> None:
    family = os.path.relpath(foreign, paths.tree_marks(out, ""))
    document = {"parts": {family: [0]}, "files": []}
    storage.publish_bytes(paths.withdrawal(out), manifest.serialise(document))
    withdrawal.resume(out)  # it names no part that could be one
    assert not withdrawal.pending(out)
    assert (foreign / "00000.json").read_text() == "precious"


@pytest.mark.parametrize("by", ["a file", "a folder"])
def test_what_a_reader_holds_of_a_process_that_is_gone_is_kept_and_so_said(
    twice: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = paths.state(twice) / f".job.json.{owner.host()}-4194304-01234567.tmp"
    place.touch() if by == "a file" else place.mkdir()
    reader = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(reader, fcntl.LOCK_SH)
        said = clean(monkeypatch, twice)
        assert f"kept: {place} is locked by process {os.getpid()} on {owner.host()}" in said
        assert "which made it, is gone" in said
        assert place.exists()
    finally:
        os.close(reader)
    if by == "a file":
        clean(monkeypatch, twice)
        assert not place.exists()
