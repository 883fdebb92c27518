"""Shards that are tars packed as a whole: read once, unpacked once beside them, removed again."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import inprocess
import pyarrow as pa
import pytest
from drawnlists import encoded
from drawnshards import tar
from support import products

from pipeline import storage
from pipeline.archives import plain_tars
from pipeline.errors import NoPermission, UsageError
from pipeline.job.resolve import resolve
from pipeline.sources.shardset import packed_tars
from pipeline.state import raw_archives, status, unpacked_archives
from pipeline.verification import outputcheck, packed_against
from pipeline.verification.outputcheck import FinishedOutput

PACK: Final[dict[str, Callable[[bytes], bytes]]] = {
    ".tar.gz": gzip.compress,
    ".tgz": gzip.compress,
    ".TAR.GZ": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
    ".tar.zst": partial(pa.compress, codec="zstd", asbytes=True),
    ".tzst": partial(pa.compress, codec="zstd", asbytes=True),
}


def samples(first: int, count: int = 4) -> list[tuple[str, bytes]]:
    """The members of a tar of WebDataset's samples."""
    numbers = range(first, first + count)
    parts = (
        ((f"{n}.jpg", encoded(n)), (f"{n}.cls", str(n % 3).encode()), (f"{n}.txt", b"a"))
        for n in numbers
    )
    return [member for part in parts for member in part]


def packed(path: Path, first: int = 0) -> Path:
    """Write a packed tar, as its name says it."""
    plain = tar(path.with_name("plain"), samples(first))
    path.write_bytes(PACK["".join(path.suffixes)](plain.read_bytes()))
    plain.unlink()
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, out: Path) -> Callable[..., inprocess.Ran]:
    def ran(*words: object, status: int = 0) -> inprocess.Ran:
        ended = inprocess.shardmill(monkeypatch, *words, "--out", out)
        assert ended.status == status, ended.said
        return ended

    return ran


Run = Callable[..., inprocess.Ran]


def shards(out: Path) -> dict[str, str]:
    return {Path(name).name: found for name, found in products(out).items() if "-of-" in name}


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("end", PACK)
def test_it_gives_the_bytes_of_the_plain_tar_and_leaves_none(
    run: Run, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    path = packed(tmp_path / f"photos{end}")
    said = run("imagelist", path, "--shards", 2).said
    assert f"removed, no command needs it: {tmp_path / 'photos.tar'}" in said
    plain = tar(tmp_path / "in/photos.tar", samples(0))
    words = ("imagelist", plain, "--out", tmp_path / "plain", "--shards", 2)
    assert inprocess.shardmill(monkeypatch, *words).status == 0
    assert shards(out) == shards(tmp_path / "plain")
    assert not (tmp_path / "photos.tar").exists()


def test_a_folder_of_many_becomes_its_splits(
    run: Run, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    for place, split in enumerate(("train", "val")):
        (folder / split).mkdir(parents=True)
        packed(folder / split / "00000.tar.gz", 10 * place)
        tar(folder / split / "00001.tar", samples(10 * place + 4))
    before = names(folder)
    planned = run("reshard", folder, "--dry-run").said
    assert f"would be unpacked beside it: {folder / 'train/00000.tar.gz'}" in planned
    assert names(folder) == before
    said = run("reshard", folder).said
    assert "train: complete, 8 records" in said
    assert "val: complete, 8 records" in said
    assert names(folder) == before
    assert "already complete" in run("reshard", folder).said
    assert inprocess.verify(monkeypatch, out).status == 0
    assert "verify: 2 tasks" in run("reshard", folder, "--format", "recordio").said
    assert names(folder) == before


def test_of_many_only_a_few_are_named(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(5):
        packed(folder / f"a-{number}.tar.gz", 4 * number)
    planned = run("reshard", folder, "--dry-run").said
    assert planned.count("would be unpacked beside it: ") == 3
    assert "would be unpacked likewise: 2 more, into more than " in planned
    said = run("reshard", folder).said
    assert said.count("removed, no command needs it: ") == 3
    assert "removed likewise: 2 more" in said


def test_what_is_seen_of_it_stays_when_it_is_unpacked(run: Run, tmp_path: Path, out: Path) -> None:
    path = packed(tmp_path / "a.tar.gz")
    run("imagelist", path, "--until", "plan")
    job = status.recorded_jobs(out)[-1]
    resolved = resolve.reading(job)
    assert (tmp_path / "a.tar").exists()
    assert raw_archives.seen(resolved) == {"a.tar": path.stat().st_size}


@pytest.mark.parametrize("end", [".tar.gz", ".TAR.GZ"])
def test_verify_unpacks_it_for_as_long_as_it_compares(
    run: Run, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    path = packed(tmp_path / f"in{end}")
    run("imagelist", path)
    before = names(tmp_path)
    compared = inprocess.verify(monkeypatch, out, "--against", tmp_path)
    assert compared.status == 0, compared.said
    assert "4 compared with their sources" in compared.said
    assert names(tmp_path) == before
    linked = tmp_path / "links" / path.name
    linked.parent.mkdir()
    linked.symlink_to(path)
    compared = inprocess.verify(monkeypatch, out, "--against", linked.parent)
    assert "4 compared with their sources" in compared.said
    other = packed(tmp_path / "other.tar.gz", 5)
    path.write_bytes(other.read_bytes())
    differs = inprocess.verify(monkeypatch, out, "--against", tmp_path)
    assert differs.status == 1
    assert "source 4" in differs.said
    assert not (tmp_path / "in.tar").exists()


def test_of_two_commands_that_compare_with_it_the_last_removes_what_was_unpacked(
    run: Run, tmp_path: Path, out: Path
) -> None:
    given = packed(tmp_path / "in.tar.zst")
    run("reshard", given, "--format", "tfrecord")
    folder = (out / "tfrecord/in/current").resolve()
    output = outputcheck.open_output(out, folder)
    assert isinstance(output, FinishedOutput)
    before = names(tmp_path)
    with contextlib.ExitStack() as first:
        first.enter_context(packed_against.unpacked(tmp_path, [output]))
        with packed_against.unpacked(tmp_path, [output]):
            first.close()
            assert (tmp_path / "in.tar").exists()
    assert names(tmp_path) == before


def test_verify_says_where_it_cannot_be_unpacked(
    run: Run, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("imagelist", packed(tmp_path / "in.tar.gz"))

    def refuse(*_: object) -> None:
        raise NoPermission("not permitted", file=str(tmp_path))

    monkeypatch.setattr(unpacked_archives, "unpack_once", refuse)
    refused = inprocess.verify(monkeypatch, out, "--against", tmp_path)
    assert refused.status == 3
    assert "cannot be unpacked beside it" in refused.said
    assert "name that with --against" in " ".join(refused.said.split())


@pytest.mark.parametrize("damage", ["cut", "flipped", "plain", "under the name of a plain one"])
def test_a_damaged_one_is_refused_with_its_name(run: Run, tmp_path: Path, damage: str) -> None:
    path = packed(tmp_path / "in.tar.gz")
    content = bytearray(path.read_bytes())
    remedy = "compare its MD5"
    if damage == "cut":
        path.write_bytes(content[:-700])
    elif damage == "flipped":
        content[len(content) // 2] ^= 8
        path.write_bytes(content)
    elif damage == "plain":
        path.write_bytes(gzip.decompress(content))
        remedy = "a name in .tar"
    else:
        path = path.rename(tmp_path / "in.tar")
        remedy = "in.tar.gz: then it is unpacked once"
    refused = run("imagelist", path, status=3).said
    assert str(path) in refused
    assert remedy in " ".join(refused.split())
    assert names(tmp_path) == {path.name}


def test_one_that_changes_after_it_was_read_is_read_anew_by_the_next_command(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "in.tar.gz")
    verify = unpacked_archives.verify

    def changed(*given: object) -> object:
        before = path.stat()
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), mtime=1))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return verify(*given)  # type: ignore[arg-type] # as it was called

    monkeypatch.setattr(unpacked_archives, "verify", changed)
    refused = run("imagelist", path, status=3).said
    assert "is not what it was when it was read for its images" in refused
    assert not (tmp_path / "in.tar").exists()
    monkeypatch.setattr(unpacked_archives, "verify", verify)
    resolve.cache_clear()
    assert "complete, 4 records" in run("imagelist", path).said


def test_one_that_was_replaced_is_another_set_of_images(run: Run, tmp_path: Path) -> None:
    path = packed(tmp_path / "in.tar.gz")
    run("imagelist", path, "--until", "plan")
    assert (tmp_path / "in.tar").exists()
    packed(path, 20)
    resolve.cache_clear()
    storage.renew()
    assert "complete, 4 records" in run("imagelist", path).said
    assert not (tmp_path / "in.tar").exists()


def test_what_is_unpacked_is_no_shard_beside_what_it_is_of(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    packed(folder / "a-0.tar.gz")
    run("reshard", folder, "--until", "plan")
    assert names(folder) >= {"a-0.tar.gz", "a-0.tar"}
    resolve.cache_clear()
    assert "a: complete, 4 records" in run("reshard", folder).said


def test_a_tar_both_packed_and_plain_is_refused(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = packed(folder / "a.tar.gz")
    (folder / "a.tar").write_bytes(gzip.decompress(path.read_bytes()))
    said = run("reshard", folder, status=3).said
    assert "two files are the same tar by their names" in said
    said = run("reshard", path, status=2).said
    assert "a file lies where a packed archive is unpacked to" in said
    assert (folder / "a.tar").read_bytes() == gzip.decompress(path.read_bytes())
    run("reshard", folder / "*.tar", "--name", "a")


def test_room_and_permission_are_looked_at_before(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, probe = packed(tmp_path / "a.tar.gz"), storage.probe_writable

    def refuse(folder: Path) -> None:
        if folder == tmp_path:
            raise NoPermission("not permitted", file=str(folder))
        probe(folder)

    monkeypatch.setattr(storage, "probe_writable", refuse)
    refused = run("imagelist", path, status=1).said
    assert "a packed archive is unpacked beside it" in refused
    assert "--raw" not in refused
    monkeypatch.setattr(storage, "probe_writable", probe)
    monkeypatch.setattr(storage, "free_bytes", lambda at: 5 if at == tmp_path else 1 << 40)
    refused = run("imagelist", path, status=1).said
    assert "too little space for the plain tars of packed archives" in refused


def test_a_plain_tar_that_goes_bad_is_unpacked_again(run: Run, tmp_path: Path) -> None:
    path, plain = packed(tmp_path / "a.tar.gz"), tmp_path / "a.tar"
    run("imagelist", path, "--until", "plan")
    before, content = plain.stat(), bytearray(plain.read_bytes())
    content[700] ^= 1
    plain.write_bytes(content)
    os.utime(plain, ns=(before.st_atime_ns, before.st_mtime_ns))
    storage.renew()
    for words in (
        "is not what it was when the file that holds it was read",
        "a tar that was unpacked is not what it was; it is unpacked again",
    ):
        resolve.cache_clear()
        assert words in " ".join(run("imagelist", path, status=1).said.split())
    resolve.cache_clear()
    assert "complete, 4 records" in run("imagelist", path).said


def test_clean_removes_what_a_job_that_was_given_up_has_unpacked(
    run: Run, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "a.tar.gz")
    run("imagelist", path, "--until", "plan")
    planned = inprocess.shardmill(monkeypatch, "clean", out, "--dry-run")
    assert f"read by no command: {tmp_path / 'a.tar'}" in planned.said
    assert (tmp_path / "a.tar").exists()
    cleaned = inprocess.shardmill(monkeypatch, "clean", out, "--yes")
    assert "removed beside their archives: 1 tar" in cleaned.said
    assert names(tmp_path) - {f"out/{name}" for name in names(out)} == {"a.tar.gz"}
    assert "complete, 4 records" in run("imagelist", path).said


def test_clean_leaves_alone_what_a_command_reads(
    run: Run, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "a.tar.gz")
    run("imagelist", path, "--until", "plan")
    with storage.shared_lock(tmp_path / ".a.tar.in-use.lock"):
        said = inprocess.shardmill(monkeypatch, "clean", out, "--yes").said
    assert "read by no command" not in said
    assert (tmp_path / "a.tar").exists()


def test_clean_removes_the_locks_of_a_command_that_was_killed_while_it_unpacked(
    run: Run, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(tmp_path / "a.tar.gz")
    run("imagelist", tmp_path / "a.tar.gz", "--until", "plan")
    plain_tars.remove(tmp_path / "a.tar")
    locks = (tmp_path / ".a.tar.lock", tmp_path / ".a.tar.in-use.lock")
    with storage.shared_lock(locks[0]), storage.shared_lock(locks[1]):
        inprocess.shardmill(monkeypatch, "clean", out, "--yes")
        assert names(tmp_path) >= {lock.name for lock in locks}
    said = inprocess.shardmill(monkeypatch, "clean", out, "--yes").said
    assert all(f"lock file that nobody holds: {lock}" in said for lock in locks)
    assert names(tmp_path) - {f"out/{name}" for name in names(out)} == {"a.tar.gz"}


def test_clean_removes_such_locks_also_where_a_link_leads_to_the_folder(
    run: Run, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    given = packed(tmp_path / "link" / "a.tar.gz")
    run("imagelist", given, "--until", "plan")
    with storage.shared_lock(tmp_path / "real" / ".a.tar.lock"):
        pass
    inprocess.shardmill(monkeypatch, "clean", out, "--yes")
    assert names(tmp_path / "real") == {"a.tar.gz"}


def test_at_an_address_it_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="cannot be read at an address"):
        packed_tars.check_place(storage.parse("s3://bucket/in"), [["a.tar.gz"]])
