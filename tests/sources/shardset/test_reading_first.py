"""Many shards are read one by one before anything is planned: by all workers, kept, resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import inprocess
import pytest
from drawnlists import encoded
from drawnshards import tar
from filetimes import age
from finishedoutputs import of_list_in_all_formats
from support import products

from pipeline import storage
from pipeline.archives.passage import Progress
from pipeline.job.resolve import resolve
from pipeline.sources import read_files
from pipeline.sources.shardset import collecting, data_set
from pipeline.sources.shardset.shard_reading import ShardReading
from pipeline.state import ownership
from pipeline.verification import statecheck
from tasks.roots import PrepareShards

Run = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three tars of two samples each, and a file that is passed over in the second."""
    for number in range(3):
        members = [
            (f"{n}{end}", content)
            for n in (2 * number, 2 * number + 1)
            for end, content in ((".jpg", encoded(n)), (".cls", str(n).encode()))
        ]
        more = [("notes.md", b"none")] if number == 1 else []
        tar(tmp_path / f"in/train-{number}.tar", [*members, *more])
    age(tmp_path / "in")
    return tmp_path / "in"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, out: Path) -> Run:
    monkeypatch.setattr(data_set, "READ_AT_ONCE", 0)

    def ran(*words: object, status: int = 0) -> str:
        resolve.cache_clear()
        ended = inprocess.shardmill(monkeypatch, *words, "--out", out)
        assert ended.status == status, ended.said
        return ended.said

    return ran


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the shards that are read, in order."""
    names, keep = list[str](), ShardReading.keep

    def noted(self: ShardReading, shard: str, progress: Progress) -> None:
        names.append(shard)
        keep(self, shard, progress)

    monkeypatch.setattr(ShardReading, "keep", noted)
    return names


def kept(out: Path) -> list[str]:
    return sorted(path.name for path in read_files.folder(out).glob("*.json"))  # type: ignore[union-attr] # a local one


def test_each_is_read_once_and_nothing_of_it_stays(
    run: Run, folder: Path, out: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = run("reshard", folder, "--dry-run")
    assert "would read first: 3 shards" in planned
    assert "nothing else is planned before that" in planned
    assert not out.exists()
    said = run("reshard", folder)
    assert "read: 3 tasks" in said
    assert "train: complete, 6 records" in said
    assert "passed over" in said
    assert read == ["train-0.tar", "train-1.tar", "train-2.tar"]
    assert kept(out) == []
    assert "already complete" in run("reshard", folder)
    assert len(read) == 3
    monkeypatch.setattr(data_set, "READ_AT_ONCE", 1 << 30)
    words = ("reshard", folder, "--out", out.with_name("at-once"))
    assert inprocess.shardmill(monkeypatch, *words).status == 0
    assert products(out) == products(out.with_name("at-once"))
    assert len(read) == 3


def test_what_was_read_before_a_refusal_is_not_read_again(
    run: Run, folder: Path, out: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    last = folder / "train-2.tar"
    whole = last.read_bytes()
    last.write_bytes(whole[:700])
    refused = run("reshard", folder, status=3)
    assert str(last) in refused
    assert len(kept(out)) == 2
    status = inprocess.shardmill(monkeypatch, "status", out)
    assert "not all of the shards were read yet" in status.said
    assert "2 that were read" in status.said
    assert status.status == 1
    assert statecheck.check_state(out, set()) == []
    read.clear()
    last.write_bytes(whole)
    age(folder)
    storage.renew()
    assert "2 others are read already" in run("reshard", folder, "--dry-run")
    assert "train: complete, 6 records" in run("reshard", folder)
    assert read == ["train-2.tar"]
    assert kept(out) == []


def test_a_shard_that_was_replaced_meanwhile_is_read_again(
    run: Run, folder: Path, out: Path, read: list[str]
) -> None:
    last = folder / "train-2.tar"
    whole = last.read_bytes()
    last.write_bytes(whole[:700])
    run("reshard", folder, status=3)
    last.write_bytes(whole)
    tar(folder / "train-0.tar", [("9.jpg", encoded(9)), ("9.cls", b"9")])
    storage.renew()
    read.clear()
    assert "train: complete, 5 records" in run("reshard", folder)
    assert read == ["train-0.tar", "train-2.tar"]


def test_of_shards_that_were_changed_a_moment_ago_what_was_read_stays_for_the_workers(
    run: Run, folder: Path, out: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in folder.iterdir():
        path.touch()
    assert "planned: 6 images" in run("reshard", folder, "--until", "plan")
    before = kept(out)
    assert len(before) == 3
    age(folder)
    storage.renew()
    run("reshard", folder)
    assert len(read) == 6
    assert kept(out) == before  # of how they looked then
    inprocess.shardmill(monkeypatch, "clean", out, "--yes")
    assert kept(out) == []


def test_damaged_tables_are_read_anew(
    run: Run, folder: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = folder / "train-2.tar"
    whole = last.read_bytes()
    last.write_bytes(whole[:700])
    run("reshard", folder, status=3)
    for table in sorted(out.rglob(".shardmill/read/*.parquet")):
        content = bytearray(table.read_bytes())
        content[len(content) // 2] ^= 1
        table.write_bytes(content)
    last.write_bytes(whole)
    storage.renew()
    assert "train: complete, 6 records" in run("reshard", folder)
    other = tmp_path / "other"
    assert inprocess.shardmill(monkeypatch, "reshard", folder, "--out", other).status == 0
    assert products(out) == products(other)


def test_clean_names_and_removes_what_was_read_for_a_job_that_was_given_up(
    run: Run, folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "train-2.tar").write_bytes(b"")
    run("reshard", folder, status=3)
    assert all(ownership.is_owned(out, path) for path in (out / ".shardmill/read").iterdir())
    said = inprocess.shardmill(monkeypatch, "clean", out, "--yes").said
    assert "kept of shards that were read one by one, and needed by no output" in said
    assert kept(out) == []


def test_an_output_of_this_program_is_read_so_too(
    run: Run, out: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = of_list_in_all_formats()[1]
    run("reshard", listed, "--format", "recordio", "--from", "tfrecord")
    assert read
    monkeypatch.setattr(data_set, "READ_AT_ONCE", 1 << 30)
    other = out.with_name("at-once")
    words = ("reshard", listed, "--format", "recordio", "--from", "tfrecord", "--out", other)
    assert inprocess.shardmill(monkeypatch, *words).status == 0
    assert products(out) == products(other)


def test_the_document_of_a_shard_says_what_was_passed_over(
    run: Run, folder: Path, out: Path
) -> None:
    (folder / "train-2.tar").write_bytes(b"")
    run("reshard", folder, status=3)
    documents = [storage.read_bytes(out / ".shardmill/read" / name).decode() for name in kept(out)]
    assert sum("notes.md" in each for each in documents) == 1


def test_luigis_own_root_reads_them_first(
    folder: Path, out: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_set, "READ_AT_ONCE", 0)
    resolve.cache_clear()
    prepare: Any = PrepareShards
    root = prepare(source=str(folder), out=str(out))
    assert not root.complete()
    inprocess.build([root])
    assert len(read) == 3
    assert prepare(source=str(folder), out=str(out)).complete()
    assert kept(out) == []


def test_a_worker_says_when_it_helps(
    run: Run, folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "train-2.tar").write_bytes(b"")
    run("reshard", folder, status=3)
    monkeypatch.setattr("tasks.run.scheduler.check_luigid", lambda _: None)
    resolve.cache_clear()
    words = ("worker", "--scheduler-host", "127.0.0.1:1", "--for", out)
    ended = inprocess.shardmill(monkeypatch, *words)
    assert ended.status == 3
    assert "not all of the shards were read yet" in ended.said
    assert "helps once the command has planned its shards" in ended.said


def test_what_was_read_of_a_shard_that_differs_is_forgotten(
    run: Run, folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "MOST_STAMPS", -1)  # what is kept of single shards stays, then
    run("reshard", folder, "--until", "plan")
    assert len(kept(out)) == 3
    content = bytearray((folder / "train-1.tar").read_bytes())
    content[700] ^= 1
    (folder / "train-1.tar").write_bytes(content)
    age(folder)
    refused = run("reshard", folder, status=1)
    assert "is not what it was when the file that holds it was read" in " ".join(refused.split())
    assert "train: complete, 6 records" in run("reshard", folder)
