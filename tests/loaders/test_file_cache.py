"""Files that are fetched once into a folder: whole, right, and by many at once."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import manifest, storage
from pipeline.errors import NoSpace, OutputConflict, OutputDamaged
from pipeline.loaders import file_cache as caches
from pipeline.loaders.file_cache import FileCache
from pipeline.manifest import FileEntry
from pipeline.storage import RemoteOptions

CONTENT = bytes(range(256)) * 9000  # more than is written at once


def entry(content: bytes = CONTENT, name: str = "a-00000-of-00001.tar") -> FileEntry:
    return FileEntry(name, len(content), manifest.hash_bytes(content))


def opened(folder: Path) -> FileCache:
    return FileCache(folder, RemoteOptions())


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A folder with a file in it, as an output."""
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / entry().file).write_bytes(CONTENT)
    return tmp_path / "output"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is read of outputs."""
    real, seen = storage.open_ranges, list[object]()

    def open_ranges(location: Path) -> object:
        if location.name.startswith("a-"):
            seen.append(location)
        return real(location)

    monkeypatch.setattr(storage, "open_ranges", open_ranges)
    return seen


def test_a_file_is_fetched_once_and_named_by_its_content(
    output: Path, tmp_path: Path, fetched: list[object]
) -> None:
    cache = opened(tmp_path / "cache")
    path = cache.fetch(output, entry())
    assert path == tmp_path / "cache" / f"{entry().xxh3_128}.tar"
    assert path.read_bytes() == CONTENT
    assert cache.fetch(output, entry()) == path
    assert opened(tmp_path / "cache").fetch(output, entry()) == path  # as another process
    assert len(fetched) == 1
    assert [each.name for each in path.parent.iterdir()] == [path.name]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[:-1],
    "empty": lambda _: b"",
    "a bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "longer": lambda content: content + b"\0",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("again", [True, False])
def test_a_damaged_file_is_noticed_and_fetched_again(
    output: Path, tmp_path: Path, fetched: list[object], damage: str, again: bool
) -> None:
    cache = opened(tmp_path / "cache")
    path = cache.fetch(output, entry())
    path.write_bytes(DAMAGES[damage](CONTENT))
    if not again:
        cache = opened(tmp_path / "cache")
    assert cache.fetch(output, entry()).read_bytes() == CONTENT
    assert len(fetched) == 2


def test_other_bytes_than_the_manifest_says_are_not_kept(
    output: Path, tmp_path: Path, fetched: list[object]
) -> None:
    (output / entry().file).write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(OutputDamaged) as caught:
        opened(tmp_path / "cache").fetch(output, entry())
    assert caught.value.file == str(output / entry().file)
    assert entry().xxh3_128 in str(caught.value.expected)
    assert len(fetched) == 2  # once more: a bit may have flipped on the way
    assert not list(tmp_path.glob("cache/*"))


@pytest.mark.parametrize("in_the_way", ["a folder", "a folder of its size", "a file"])
def test_what_stands_in_the_way_is_said_to_be_in_the_cache(
    output: Path, tmp_path: Path, in_the_way: str
) -> None:
    cache, shard = opened(tmp_path / "cache"), entry()
    if in_the_way == "a file":
        cache.folder.write_bytes(b"")
    else:
        cache.path(shard).mkdir(parents=True)
    if in_the_way == "a folder of its size":
        shard = replace(shard, bytes=cache.path(shard).stat().st_size)
    with pytest.raises(OutputConflict) as caught:
        cache.fetch(output, shard)
    assert "cache" in str(caught.value.what)
    assert "another folder as the cache" in str(caught.value.remedy)
    assert "output" not in str(caught.value.remedy)


def test_a_full_disk_is_said_and_leaves_nothing(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", full)
        with pytest.raises(NoSpace, match="no space left"):
            opened(tmp_path / "cache").fetch(output, entry())
    assert not list(tmp_path.glob("cache/*"))
    assert opened(tmp_path / "cache").fetch(output, entry()).read_bytes() == CONTENT


def test_room_is_looked_for_before_anything_is_fetched(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, other = opened(tmp_path / "cache"), entry(b"other")
    every = [entry(), entry(), other]  # one of which is there twice
    monkeypatch.setattr(storage, "free_bytes", lambda _: len(CONTENT) + 4)
    with pytest.raises(NoSpace) as caught:
        cache.check_room(every)
    assert caught.value.expected == f"{len(CONTENT) + 5:,} bytes free"
    cache.fetch(output, entry())
    cache.check_room(every)


def children(number: int, work: Callable[[], object]) -> list[int]:
    """Have forked processes do the same at once; return how each ended."""
    read, write = os.pipe()
    pids = []
    for _ in range(number):
        pid = os.fork()
        if pid == 0:
            os.close(write)
            os.read(read, 1)  # until all are there
            try:
                work()
                os._exit(0)
            finally:
                os._exit(1)
        pids.append(pid)
    os.close(read)
    os.close(write)
    return [os.waitpid(pid, 0)[1] for pid in pids]


@pytest.mark.parametrize("locks", [True, False])
def test_processes_that_fetch_one_file_at_once_do_no_harm(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: bool
) -> None:
    if not locks:  # as on some network file systems: then it is fetched more than once
        monkeypatch.setattr("fcntl.flock", lambda *_: None)
    cache = opened(tmp_path / "cache")
    assert children(4, lambda: cache.fetch(output, entry())) == [0] * 4
    (path,) = (tmp_path / "cache").iterdir()
    assert path.read_bytes() == CONTENT


def test_another_process_that_fetches_the_file_is_waited_for(
    output: Path, tmp_path: Path, fetched: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, other = opened(tmp_path / "cache"), contextlib.ExitStack()
    path = cache.path(entry())

    def arrives(_: float) -> None:
        path.write_bytes(CONTENT)
        other.close()

    monkeypatch.setattr(time, "sleep", arrives)
    other.enter_context(storage.target_lock(path))
    assert cache.fetch(output, entry()) == path
    assert not fetched


def test_one_that_takes_too_long_is_not_waited_for(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = opened(tmp_path / "cache")
    monkeypatch.setattr(caches, "_PATIENCE_S", 0)
    monkeypatch.setattr(caches, "_LOOK_AGAIN_S", 0)
    with storage.target_lock(cache.path(entry())):
        assert cache.fetch(output, entry()).read_bytes() == CONTENT


def test_threads_fetch_one_after_another(output: Path, tmp_path: Path) -> None:
    cache, paths = opened(tmp_path / "cache"), list[Path]()

    def work() -> None:
        paths.append(cache.fetch(output, entry()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() for path in paths] == [CONTENT] * 4


def test_what_a_killed_process_has_left_is_removed(output: Path, tmp_path: Path) -> None:
    cache = opened(tmp_path / "cache")

    def dies() -> None:
        staged = storage.StagedFile(cache.path(entry()))
        staged.write(CONTENT[:1000])
        os.kill(os.getpid(), signal.SIGKILL)

    assert children(1, dies) == [signal.SIGKILL]
    assert len(list((tmp_path / "cache").iterdir())) == 1
    path = cache.fetch(output, entry())
    assert list((tmp_path / "cache").iterdir()) == [path]


def test_a_process_forked_while_a_thread_fetches_can_fetch(output: Path, tmp_path: Path) -> None:
    cache = opened(tmp_path / "cache")
    with caches._locks[0]:
        assert children(1, lambda: cache.fetch(output, entry())) == [0]
