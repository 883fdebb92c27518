"""Archives that are verified beside the shards: nothing is done before their MD5 is right."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import inprocess
import pytest
from commands import prepare
from inprocess import Ran
from support import RawSet

from pipeline import manifest, paths, storage
from pipeline.errors import ArchiveRefused, NotVerifiedYet, TransientError
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.shards import finish
from pipeline.state import cleaning, unverified
from pipeline.state.inventory import Inventory
from tasks.artifact_tasks import tasks_of
from tasks.run.supervisor import Supervisor

ARCHIVE = "ILSVRC2012_img_val.tar"
SHARDS = "shards-validation"
OPTIONS = ("--split", "validation", "--no-boxes", "--shards", "validation=2", "--workers", "2")
REFUSED = "the archive does not have the published MD5"
IN_ORDERS = pytest.mark.parametrize("order", ["before", "beside"])


@pytest.fixture
def mine(small: RawSet, tmp_path: Path) -> RawSet:
    """A copy of the sample that a test may change."""
    return small.copy(tmp_path / "raw")


@pytest.fixture
def right(small: RawSet, tmp_path: Path) -> dict[str, bytes]:
    """What a command gives that verifies first."""
    out = tmp_path / "right"
    assert prepare(small, out, *OPTIONS).returncode == 0
    return files(out)


def run(monkeypatch: pytest.MonkeyPatch, mine: RawSet, out: Path, order: str) -> Ran:
    where = ("--raw", mine.raw, "--config", mine.config, "--out", out)
    ended = inprocess.shardmill(monkeypatch, "imagenet", *where, *OPTIONS, "--verify", order)
    cleaning.sweep(resolve(job(mine, out)))  # as a command does whose tasks others have done
    return ended


def job(mine: RawSet, out: Path, verify: str = "before") -> Job:
    """Return the job of `run`."""
    shards = (("validation", 2),)
    return mine.job(out, splits=("validation",), boxes=False, shards=shards, verify=verify)


def begin(mine: RawSet, out: Path, *names: str) -> ResolvedJob:
    """Do what a command has done that verifies beside the shards and is killed before the MD5."""
    inprocess.forget()
    resolved = resolve(job(mine, out, "beside"))
    inprocess.build(tasks_of(resolved, names or (SHARDS,)))
    return resolved


def flip(mine: RawSet, *, unseen: bool = True) -> None:
    """Flip a bit of an image; the archive keeps its size, and its time if that is to be unseen."""
    path = mine.raw / ARCHIVE
    content, before = bytearray(path.read_bytes()), path.stat()
    content[content.index(b"\xff\xd8\xff") + 800] ^= 1
    path.write_bytes(content)
    if unseen:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def files(out: Path) -> dict[str, bytes]:
    """Return what an output folder holds, but how and where it came about."""
    found = sorted(path for path in out.rglob("*") if path.is_file() or path.is_symlink())
    named = {path.relative_to(out).as_posix(): path for path in found}
    apart = (".shardmill/runs/", ".shardmill/job", ".shardmill/leases/")
    return {
        name: path.read_bytes() if path.is_file() else b""
        for name, path in named.items()
        if not name.startswith(apart) and not name.endswith(".lock")
    }


def of_archives(found: dict[str, bytes]) -> dict[str, bytes]:
    """Return all but the marks of archives, whose names have the time of the file."""
    return {name: each for name, each in found.items() if ".tar." not in name}


def test_shards_are_there_before_the_md5_and_nothing_counts_as_done(
    mine: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = begin(mine, out)
    (output,) = resolved.splits["validation"].outputs
    mark = finish.shard_document(out, output, 1)
    assert mark is not None
    assert mark.unverified is not None
    assert mark.unverified.archives == (ARCHIVE,)
    assert not Inventory(resolved).complete
    with pytest.raises(TransientError, match="not verified yet"):
        finish.finish(resolved, resolved.splits["validation"], output)
    assert storage.stat(paths.manifest(output.folder)) is None
    pending = {each.name for each in Inventory(resolve(job(mine, out))).pending()}
    assert {f"archive-{ARCHIVE}", "catalog-validation", "plan-validation", SHARDS} <= pending
    inprocess.forget()
    assert inprocess.shardmill(monkeypatch, "status", out).status != 0


@IN_ORDERS
def test_a_command_that_was_killed_before_the_md5_is_finished_with_the_same_bytes(
    mine: RawSet, out: Path, right: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    begin(mine, out)
    shard = next(out.glob("tfrecord/validation/*/validation-00000-of-00002"))
    before = shard.stat().st_ino
    ended = run(monkeypatch, mine, out, order)
    assert ended.status == 0, ended.said
    assert shard.stat().st_ino == before  # it was not written again
    assert files(out) == right


@pytest.mark.parametrize("last", [f"walked-{ARCHIVE}", "catalog-validation", "plan-validation"])
@IN_ORDERS
def test_so_is_one_that_was_killed_earlier(
    mine: RawSet,
    out: Path,
    right: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    order: str,
    last: str,
) -> None:
    begin(mine, out, last)
    assert run(monkeypatch, mine, out, order).status == 0
    assert files(out) == right


@IN_ORDERS
@pytest.mark.parametrize("begun", [False, True])
def test_a_flipped_bit_is_refused_in_both_orders_and_nothing_of_it_is_left(
    mine: RawSet,
    out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    order: str,
    begun: bool,
) -> None:
    flip(mine)
    refused = run(monkeypatch, mine, tmp_path / "first", "before")
    if begun:
        begin(mine, out)
        assert list(out.glob("tfrecord/validation/*/validation-*"))
    ended = run(monkeypatch, mine, out, order)
    assert ended.status == refused.status == 3
    assert REFUSED in ended.said
    assert ended.said[ended.said.index(REFUSED) :] == refused.said[refused.said.index(REFUSED) :]
    left, expected = files(out), files(tmp_path / "first")
    assert left.keys() == expected.keys()
    assert not (out / "tfrecord").exists()


@IN_ORDERS
def test_a_bit_that_is_flipped_after_the_shards_were_written_is_refused(
    mine: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    begin(mine, out)
    flip(mine)
    assert run(monkeypatch, mine, out, order).status == 3
    assert not (out / "tfrecord").exists()
    assert not list((out / ".shardmill").glob("*/*.parquet"))


@IN_ORDERS
@pytest.mark.parametrize("unseen", [False, True])
def test_shards_of_other_bytes_are_made_anew_once_the_archive_is_right(
    mine: RawSet,
    out: Path,
    right: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    order: str,
    unseen: bool,
) -> None:
    kept = mine.raw / "kept"
    shutil.copy2(mine.raw / ARCHIVE, kept)
    flip(mine, unseen=unseen)
    begin(mine, out)
    kept.replace(mine.raw / ARCHIVE)
    while (ended := run(monkeypatch, mine, out, order)).status == 1:  # a worker would try again
        assert "made of an archive that has been replaced" in ended.said
        assert not list(out.glob("tfrecord/validation/*/manifest.json"))
    assert ended.status == 0, ended.said
    assert files(out) == right


@IN_ORDERS
def test_a_plan_of_another_archive_is_made_anew(
    mine: RawSet, out: Path, right: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    begin(mine, out)
    for mark in (*out.glob(".shardmill/catalogs/*.json"), *out.glob(".shardmill/plans/*.json")):
        document = json.loads(mark.read_text())
        assert document["indexes"].keys() == {ARCHIVE}
        mark.write_bytes(manifest.serialise(document | {"indexes": {ARCHIVE: "0" * 32}}))
    while (ended := run(monkeypatch, mine, out, order)).status == 1:
        assert "made of an archive that has been replaced" in ended.said
    assert ended.status == 0, ended.said
    assert files(out) == right


def test_shards_that_are_published_after_their_archive_was_refused_are_removed(
    mine: RawSet, out: Path
) -> None:
    begin(mine, out)
    marks = storage.documents(next(out.glob(".shardmill/shards/*")))
    storage.remove(out, unverified.walked_mark(out, ARCHIVE))
    unverified.discard(out, ARCHIVE)  # nothing says that it was walked: all of it was removed
    assert all(mark.exists() for mark in marks)
    unverified.discard(out, ARCHIVE, again=True)
    assert not (out / "tfrecord").exists()
    assert not any(mark.exists() for mark in marks)


def test_what_is_wrong_with_an_archive_that_is_not_verified_waits_for_its_md5(
    mine: RawSet, out: Path
) -> None:
    path = mine.raw / ARCHIVE
    content = bytearray(path.read_bytes())
    content[:8] = b"damaged!"  # the header of the first member
    path.write_bytes(content)
    with pytest.raises(TransientError, match="is not known yet"):
        begin(mine, out, f"walked-{ARCHIVE}")


def test_what_waited_for_the_md5_is_not_said_beside_what_became_of_the_archive(
    mine: RawSet, out: Path
) -> None:
    waited, refused = NotVerifiedYet("a header is none"), ArchiveRefused("the MD5 is wrong")
    supervisor = Supervisor(job(mine, out), 2, name="mine")
    supervisor._reported = {"a": waited}
    assert supervisor.failures() == (waited,)
    supervisor._reported["b"] = refused
    assert supervisor.failures() == (refused,)


def test_luigis_own_command_leaves_nothing_of_a_refused_archive_either(
    mine: RawSet, out: Path
) -> None:
    begin(mine, out)
    flip(mine)
    with pytest.raises(ArchiveRefused, match=REFUSED):
        begin(mine, out, f"archive-{ARCHIVE}")
    assert not (out / "tfrecord").exists()
    assert not storage.documents(out / ".shardmill/plans")


def test_it_says_why_archives_are_verified_first(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--raw", small.raw, "--config", small.config, "--out", out, "--dry-run")
    options = ("--split", "validation", "--no-boxes", "--workers", "1", "--verify", "beside")
    ended = inprocess.shardmill(monkeypatch, "imagenet", *where, *options)
    assert "archives are verified before the shards: one worker cannot do both" in ended.said
