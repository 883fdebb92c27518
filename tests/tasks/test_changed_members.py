"""Archives that change under their size and time: what was verified is known member by member."""

from __future__ import annotations

import os
from pathlib import Path

import inprocess
import pytest
import support
from commands import prepare
from inprocess import Ran
from support import RawSet

from pipeline import paths
from pipeline.archives import member_hashes

ARCHIVE = "ILSVRC2012_img_val.tar"
OPTIONS = ("--split", "validation", "--no-boxes", "--shards", "validation=2")
DIFFERS = "an image is not what it was when its archive was verified"
NOT_KEPT = f"images not compared with what was verified: no hashes of {ARCHIVE} are kept"
WERE_NOT = NOT_KEPT.replace("images not", "images were not")


@pytest.fixture
def mine(small: RawSet, tmp_path: Path) -> RawSet:
    """A copy of the sample that a test may change."""
    return small.copy(tmp_path / "raw")


def run(monkeypatch: pytest.MonkeyPatch, mine: RawSet, out: Path, *words: object) -> Ran:
    where = ("--raw", mine.raw, "--config", mine.config, "--out", out)
    return inprocess.shardmill(monkeypatch, "imagenet", *where, *OPTIONS, *words)


def flip(mine: RawSet) -> None:
    """Flip a bit in the middle of an image; its archive keeps its size and time."""
    path = mine.raw / ARCHIVE
    content, before = bytearray(path.read_bytes()), path.stat()
    content[content.index(b"\xff\xd8\xff") + 800] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def files(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "tfrecord").rglob("*") if path.is_file())


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("words", [(), ("--extract", "--format", "none")])
def test_a_changed_image_has_its_archive_verified_again_in_the_same_command(
    mine: RawSet, out: Path, words: tuple[str, ...]
) -> None:
    assert prepare(mine, out, *OPTIONS, *words, "--until", "verify").returncode == 0
    flip(mine)
    ended = support.prepare(mine, out, *OPTIONS, *words)
    assert ended.returncode == 3
    assert "the archive does not have the published MD5" in ended.stderr
    assert not list(out.glob("*/validation/*/manifest.json"))


@pytest.mark.parametrize("words", [(), ("--resize", "16")])
def test_a_changed_image_is_in_no_shard_and_named(
    mine: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    assert run(monkeypatch, mine, out, *words, "--until", "verify").status == 0
    flip(mine)
    ended = run(monkeypatch, mine, out, *words)
    assert ended.status == 1
    for text in (
        DIFFERS,
        str(mine.raw / ARCHIVE),
        "ILSVRC2012_val_",
        "at offset 512",
        "read twice",
    ):
        assert text in ended.said
    assert ended.said.count("xxh3-128 ") == 2
    shards = [name for name in files(out) if name.startswith("validation-")]
    assert len(shards) < 4  # of two shards with their lists, the one that holds it is not written
    again = run(monkeypatch, mine, out, *words)
    assert again.status == 3  # its mark is gone: it was read once more
    assert "the archive does not have the published MD5" in again.said


def test_a_changed_image_that_is_no_image_any_more_is_not_left_out(
    mine: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, mine, out, "--until", "verify").status == 0
    path = mine.raw / ARCHIVE
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"\xff\xd8\xff", b"\xff\xd9\xff", 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    ended = run(monkeypatch, mine, out, "--on-bad-image", "skip")
    assert ended.status == 1
    assert DIFFERS in ended.said


def test_bytes_that_went_bad_once_are_read_again(
    mine: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.storage import SourceReader  # noqa: PLC0415  (patched here)

    assert run(monkeypatch, mine, out, "--until", "verify").status == 0
    read, dropped, bad = SourceReader.read, SourceReader.not_cached, list[int]()

    def badly(self: SourceReader, source: str, offset: int, length: int) -> memoryview:
        data = read(self, source, offset, length)
        if not bad:
            data[length // 2] ^= 1
            bad.append(offset)
        return data

    def counted(self: SourceReader, source: str, offset: int, length: int) -> None:
        bad.append(-offset)
        dropped(self, source, offset, length)

    monkeypatch.setattr(SourceReader, "read", badly)
    monkeypatch.setattr(SourceReader, "not_cached", counted)
    assert run(monkeypatch, mine, out).status == 0
    assert len(bad) == 2
    assert bad[0] == -bad[1]
    monkeypatch.undo()
    assert inprocess.verify(monkeypatch, out, "--against", mine.raw).status == 0


def test_verify_tells_a_changed_archive_from_a_changed_shard(
    mine: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in ((), ("--format", "none")):  # of facts alone, too
        assert run(monkeypatch, mine, out, *words).status == 0
    assert inprocess.verify(monkeypatch, out, "--against", mine.raw).status == 0
    flip(mine)
    ended = inprocess.verify(monkeypatch, out, "--against", mine.raw, "--remove-damaged")
    assert ended.status == 1
    assert ended.said.count("its source is not what it was when its archive was verified") == 2
    assert "removed:" not in ended.said


@pytest.mark.parametrize("lost", ["table", "mark", "both"])
def test_without_hashes_nothing_is_compared_and_each_command_says_so(
    mine: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    assert run(monkeypatch, mine, out, "--until", "verify").status == 0
    table = paths.member_hashes(out, ARCHIVE)
    mark = member_hashes.mark_of(table)
    for path in {"table": [table], "mark": [mark], "both": [table, mark]}[lost]:
        path.unlink()
    before = {path: path.stat().st_mtime_ns for path in table.parent.iterdir()}
    for words in ([], ["--extract", "--format", "none"]):
        ended = run(monkeypatch, mine, out, *words)
        assert ended.status == 0
        assert ended.said.count(WERE_NOT) == 1
    assert {path: path.stat().st_mtime_ns for path in table.parent.iterdir()} == before
    for words in ([], ["--export", "parquet"]):  # no image is read
        ended = run(monkeypatch, mine, out, *words)
        assert ended.status == 0
        assert WERE_NOT not in ended.said
    for words in ([], ["--against", str(mine.raw)]):
        ended = inprocess.verify(monkeypatch, out, *words)
        assert ended.status == 0
        assert NOT_KEPT in ended.said


def test_damaged_hashes_cost_no_work_and_are_made_again_as_the_remedy_says(
    mine: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, mine, out, "--until", "verify").status == 0
    table = paths.member_hashes(out, ARCHIVE)
    intact = table.read_bytes()
    table.write_bytes(intact[:-300] + bytes([intact[-300] ^ 1]) + intact[-299:])
    ended = run(monkeypatch, mine, out)
    assert ended.status == 0
    assert ended.said.count(WERE_NOT) == 1
    finished = {path: path.stat().st_mtime_ns for path in (out / "tfrecord").rglob("*")}
    ended = inprocess.verify(monkeypatch, out, "--remove-damaged")
    assert ended.status == 1
    assert f"removed: {table}" in ended.said
    assert "`touch` the archive and prepare it with --until verify" in ended.said
    os.utime(mine.raw / ARCHIVE)
    assert run(monkeypatch, mine, out, "--until", "verify").status == 0
    assert table.read_bytes() == intact
    ended = inprocess.verify(monkeypatch, out, "--against", mine.raw)
    assert ended.status == 0
    assert NOT_KEPT not in ended.said
    assert run(monkeypatch, mine, out).status == 0
    assert {path: path.stat().st_mtime_ns for path in (out / "tfrecord").rglob("*")} == finished
    ended = run(monkeypatch, mine, out, "--resize", "16")
    assert ended.status == 0
    assert WERE_NOT not in ended.said


def test_hashes_of_another_archive_of_the_same_name_are_not_compared(
    mine: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, mine, out, "--until", "verify").status == 0
    flip(mine)
    mine.repin(ARCHIVE)
    os.utime(mine.raw / ARCHIVE)
    assert run(monkeypatch, mine, out).status == 0
    assert inprocess.verify(monkeypatch, out, "--against", mine.raw).status == 0


def test_what_is_kept_of_archives_is_verified_before_anything_is_made_of_them(
    mine: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, mine, out, "--until", "verify").status == 0
    for words in ((), ("--against", mine.raw)):
        ended = inprocess.verify(monkeypatch, out, *words)
        assert ended.status == 0
        assert "nothing is made of 1 verified archive yet" in ended.said
        assert "everything is as it was written" in ended.said
    for path in (paths.archive_index(out, ARCHIVE), paths.member_hashes(out, ARCHIVE)):
        intact = path.read_bytes()
        path.write_bytes(intact[:-5] + b"x" + intact[-4:])
        ended = inprocess.verify(monkeypatch, out)
        assert ended.status == 1
        assert f"{path}: the file's hash is wrong" in ended.said
        path.write_bytes(intact)
