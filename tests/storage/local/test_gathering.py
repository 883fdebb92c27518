"""What is appended to a staged file may wait for more; what is read may stay until then."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import xxhash

from pipeline import storage
from pipeline.errors import NoPermission, NoSpace
from pipeline.storage import StagedFile

Change = Callable[[StagedFile], object]

_RECORD = 4 + (1 << 17)


def watched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which each call of the system adds the bytes that it was given."""
    calls = list[int]()
    writev = os.writev

    def write(fd: int, buffers: list[bytes]) -> int:
        calls.append(sum(map(len, buffers)))
        return writev(fd, buffers)

    monkeypatch.setattr(os, "writev", write)
    return calls


def test_buffers_are_written_together_once_there_is_a_mebibyte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = watched(monkeypatch)
    with StagedFile(tmp_path / "file") as staged:
        staged.write(b"head")
        staged.gather()
        for _ in range(20):
            staged.write(b"abcd", bytes(1 << 17))
        assert calls == [4, 8 * _RECORD, 8 * _RECORD]
        assert staged.size == 4 + 20 * _RECORD
        storage.publish(staged)
    assert sum(calls) == (tmp_path / "file").stat().st_size == staged.size
    assert (tmp_path / "file").read_bytes() == b"head" + 20 * (b"abcd" + bytes(1 << 17))


@pytest.mark.parametrize(
    "change",
    [
        lambda staged: staged.write_at(0, b"<>"),
        lambda staged: staged.content_hash,
        lambda staged: staged.flush(),
        lambda staged: staged.sync(),
        lambda staged: staged.follow(staged.size),
        lambda staged: staged.stream().__enter__().close(),
        lambda staged: staged.is_there(),
    ],
)
def test_whatever_comes_between_the_bytes_are_in_their_order(
    tmp_path: Path, change: Change
) -> None:
    with StagedFile(tmp_path / "file") as staged:
        staged.gather()
        staged.write(b"abcd", b"", memoryview(b"ef"))
        change(staged)
        staged.write(b"gh")
        with staged.stream() as stream:
            stream.write(b"ij")
        staged.write(b"kl")
        said = staged.content_hash
        storage.publish(staged)
    content = (tmp_path / "file").read_bytes()
    assert content in {b"abcdefghijkl", b"<>cdefghijkl"}
    assert said == xxhash.xxh3_128_hexdigest(content)


def test_more_buffers_are_written_than_the_system_takes_at_once(tmp_path: Path) -> None:
    buffers = [b"%d," % number for number in range(2500)]
    with StagedFile(tmp_path / "file") as staged:
        staged.write(*buffers)
        staged.gather()
        staged.write(*buffers)
        for buffer in buffers:
            staged.write(buffer)
        storage.publish(staged)
    assert (tmp_path / "file").read_bytes() == 3 * b"".join(buffers)


def test_a_bytearray_may_be_filled_again_at_once(tmp_path: Path) -> None:
    filled = bytearray()
    with StagedFile(tmp_path / "file") as staged:
        staged.gather()
        for content in (b"abc", b"de"):
            filled += content
            staged.write(filled)
            filled.clear()
        storage.publish(staged)
    assert (tmp_path / "file").read_bytes() == b"abcde"


def test_a_full_disk_is_said_when_what_waited_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, buffers: list[bytes]) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with StagedFile(tmp_path / "file") as staged:
        staged.gather()
        staged.write(b"abc")
        monkeypatch.setattr(os, "writev", full)
        with pytest.raises(NoSpace, match="no space left") as caught:
            staged.flush()
    assert caught.value.file == str(tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_a_file_that_lacks_what_waited_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(fd: int, buffers: list[bytes]) -> int:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    with StagedFile(tmp_path / "file") as staged:
        staged.gather()
        staged.write(b"abc")
        with monkeypatch.context() as once:
            once.setattr(os, "writev", refused)
            with pytest.raises(NoPermission):
                staged.flush()
        staged.write(b"def")
        with pytest.raises(NoPermission):
            storage.publish(staged)
    assert not list(tmp_path.iterdir())


def test_the_hash_of_a_file_that_is_hashed_at_its_end_is_that_of_its_bytes(tmp_path: Path) -> None:
    with StagedFile(tmp_path / "file") as staged:
        staged.hash_at_end()
        staged.write(b"______cdef")
        staged.write_at(0, b"abcdef")
        staged.write(b"gh")
        assert staged.content_hash == xxhash.xxh3_128_hexdigest(b"abcdefcdefgh")
        staged.write(b"ij")
        assert staged.content_hash == xxhash.xxh3_128_hexdigest(b"abcdefcdefghij")


def test_views_of_sources_last_until_it_is_said_that_they_end(tmp_path: Path) -> None:
    content = bytes(range(256)) * (3 << 12)  # 3 MiB
    (tmp_path / "file").write_bytes(content)
    kept, ended = list[tuple[int, memoryview]](), list[int]()

    def before_reuse() -> None:
        for offset, view in kept:
            assert view == content[offset : offset + len(view)]
        ended.append(len(kept))
        kept.clear()

    with storage.open_sources(tmp_path) as sources:
        assert sources.keep_views(before_reuse)
        for offset, length in [(number * 77, 300_000) for number in range(7)] + [(5, 2 << 20)]:
            view = sources.read("file", offset, length)
            kept.append((offset, view))
            assert view == content[offset : offset + length]
    assert ended == [3, 3, 1]
    before_reuse()
