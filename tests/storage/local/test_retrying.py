"""System errors that may pass: another attempt is made, and what remains is said."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import storage
from pipeline.errors import NoPermission, TransientError, Vanished
from pipeline.storage import FileInfo, RangeReader, SourceReader
from pipeline.storage.local import retrying

PASSING = (errno.ESTALE, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETIMEDOUT)
COUNT = 20


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "WAITS", (0.0, 0.0, 0.0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(COUNT):
        (tmp_path / f"{number}.jpg").write_bytes(b"%03d" % number)
    return tmp_path


class Failing:
    """A system call that fails with an error, the first few times."""

    def __init__(self, call: str, number: int, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real: Callable[..., object] = getattr(os, call)
        self._number, self._left = number, times
        self.calls = 0
        monkeypatch.setattr(os, call, self)

    def __call__(self, *arguments: object, **options: object) -> object:
        self.calls += 1
        if self._left:
            self._left -= 1
            raise OSError(self._number, os.strerror(self._number))
        return self._real(*arguments, **options)


def readers(folder: Path) -> Iterator[Callable[[], object]]:
    """Each way to look at a file or to read it."""
    yield lambda: storage.stat(folder / "1.jpg")
    yield lambda: storage.kind(folder / "1.jpg")
    yield lambda: storage.file_sizes(folder, ["1.jpg"])
    yield lambda: storage.real_folder(folder)
    yield lambda: sorted(storage.entries(folder))
    yield lambda: SourceReader(folder).now("1.jpg").size
    yield lambda: bytes(SourceReader(folder).read("1.jpg", 0, 3))
    yield lambda: bytes(RangeReader(folder / "1.jpg").read(0, 3))


@pytest.mark.parametrize("number", PASSING)
@pytest.mark.parametrize("call", ["open", "stat", "preadv", "scandir"])
def test_an_error_that_passes_is_not_met(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    for read in readers(folder):
        expected = read()
        with monkeypatch.context() as patched:
            Failing(call, number, 3, patched)
            assert read() == expected


@pytest.mark.parametrize("number", PASSING)
def test_an_error_that_stays_is_said_in_the_words_of_the_system(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    for call, read in (("stat", storage.stat), ("open", RangeReader)):
        with monkeypatch.context() as patched:
            failing = Failing(call, number, 99, patched)
            with pytest.raises(TransientError) as error:
                read(folder / "1.jpg")
        assert os.strerror(number) in error.value.what
        assert error.value.file == str(folder / "1.jpg")
        assert failing.calls == 4


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EACCES, NoPermission), (errno.ENAMETOOLONG, Vanished)]
)
def test_an_error_that_lasts_is_met_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    failing = Failing("stat", number, 99, monkeypatch)
    with pytest.raises(kind):
        storage.stat(folder / "1.jpg")
    assert failing.calls == 1


def test_a_file_whose_handle_went_stale_is_opened_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SourceReader(folder) as sources:
        assert bytes(sources.read("1.jpg", 0, 3)) == b"001"
        (folder / "new").write_bytes(b"new")
        (folder / "new").replace(folder / "1.jpg")
        Failing("preadv", errno.ESTALE, 1, monkeypatch)
        assert bytes(sources.read("1.jpg", 0, 3)) == b"new"


@pytest.mark.parametrize("most", [1, 5])
def test_few_descriptors_are_enough(
    folder: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """As under ``ulimit -n``: one more open file than allowed is refused."""
    held: set[int] = set()
    opened, closed = os.open, os.close

    def open_one(*arguments: object, **options: object) -> int:
        if len(held) >= most:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        fd = opened(*arguments, **options)  # type: ignore[arg-type]
        held.add(fd)
        return fd

    def close_one(fd: int) -> None:
        held.discard(fd)
        closed(fd)

    monkeypatch.setattr(os, "open", open_one)
    monkeypatch.setattr(os, "close", close_one)
    with SourceReader(folder) as sources:
        for number in range(COUNT):
            sources.will_need(f"{number}.jpg", 0, 3)
        for number in reversed(range(COUNT)):
            assert bytes(sources.read(f"{number}.jpg", 0, 3)) == b"%03d" % number
    assert not held


@pytest.mark.parametrize(("allowed", "most"), [(64, 16), (8, 2), (2, 1), (1 << 20, COUNT)])
def test_a_reader_leaves_descriptors_for_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch, allowed: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    before = len(os.listdir("/proc/self/fd"))
    with SourceReader(folder) as sources:
        for number in range(COUNT):
            sources.read(f"{number}.jpg", 0, 3)
        assert len(os.listdir("/proc/self/fd")) == before + most


def test_what_a_path_leads_to_is_known(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("1.jpg")
    (folder / "loop").symlink_to("loop")
    names = ("1.jpg", "link", ".", "pipe", "loop", "absent", "1.jpg/below", "n" * 300)
    kinds = [storage.kind(folder / name) for name in names]
    assert kinds == ["file", "file", "folder", "special file", None, None, None, None]
    assert storage.stat(folder / "1.jpg") == FileInfo.of((folder / "1.jpg").stat())
