"""A folder of tars has the bytes of the tar that GNU tar makes of it, at any range."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from pipeline import storage
from pipeline.errors import InputRefused, Vanished
from pipeline.storage.local import tar_folder

GNU_TAR = ["tar", "--format=ustar", "--owner=0", "--group=0", "--numeric-owner", "--mode=0644"]
GNU_TAR += ["--mtime=@0", "-h", "--hard-dereference", "-cf", "-"]
CONTENTS = {
    "n00000002.tar": bytes(10240),
    "n00000001.tar": b"one",
    "n00000010.tar": b"",
    "n00000009.tar": b"x" * 512,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of tars, and what is none of them."""
    place = tmp_path / "raw" / "classes"
    (place / "n00000077.tar").mkdir(parents=True)
    for name, content in CONTENTS.items():
        (place / name).write_bytes(content)
    (place / ".n08.tar").write_bytes(b"hidden")
    (place / "words.txt").write_bytes(b"n01\tone\n")
    (place / "n00000005.tar").symlink_to("n00000001.tar")
    return place


@pytest.fixture
def whole(folder: Path) -> bytes:
    """What GNU tar makes of it: of the file that a link leads to, too."""
    (folder / "n00000077.tar").rmdir()
    names = sorted(path.name for path in folder.glob("n*.tar"))
    return subprocess.run([*GNU_TAR, *names], cwd=folder, capture_output=True, check=True).stdout


def test_any_range_is_that_of_the_tar_that_gnu_tar_makes(folder: Path, whole: bytes) -> None:
    path = folder.with_name("classes.tars")
    assert storage.stat(path) == storage.FileInfo(len(whole), storage.placed(path))
    chance = random.Random(1)
    with storage.open_ranges(path) as reader:
        assert reader.info.size == len(whole)
        assert bytes(reader.read(0, len(whole) + 5)) == whole
        for _ in range(300):
            start = chance.randrange(len(whole) + 700)
            length = chance.choice((1, 100, 512, 700, 3000))
            reader.will_need(start, length)
            assert bytes(reader.read(start, length)) == whole[start : start + length]
    with storage.open_local(path) as local:
        cached = 0
        for start in range(0, len(whole), 100):
            length = chance.choice((1, 100, 512, 700, 3000))
            view = local.read_cached(start, length)
            cached += view is not None
            assert view in (None, whole[start : start + length])
        assert cached


def test_all_are_those_of_the_folder_that_it_would_lie_in(folder: Path, whole: bytes) -> None:
    assert storage.stat(folder / "any.tars") is None
    info = storage.stat(folder / "all.tars")
    assert info is not None
    assert info.size == len(whole)


def test_only_class_tars_of_a_folder_count_as_all_of_them(folder: Path, whole: bytes) -> None:
    for name in ("other.tar", "n1.tar", "n000000012.tar"):
        (folder / name).write_bytes(bytes(10240))
    info = storage.stat(folder / "all.tars")
    assert info is not None
    assert info.size == len(whole)
    every = storage.stat(folder.with_name("classes.tars"))
    assert every is not None
    assert every.size > len(whole)


def test_where_there_is_no_tar_there_is_no_archive(tmp_path: Path) -> None:
    assert storage.stat(tmp_path / "none.tars") is None
    assert storage.stat(tmp_path / "nowhere" / "none.tars") is None
    with pytest.raises(Vanished):
        storage.open_ranges(tmp_path / "none.tars")


def test_a_file_that_changes_is_noticed(folder: Path) -> None:
    path = folder.with_name("classes.tars")
    with storage.open_ranges(path) as reader:
        assert reader.now() == storage.stat(path) == reader.info
        before = (folder / "n00000002.tar").stat()
        os.utime(folder / "n00000002.tar", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        assert storage.stat(path) == reader.info  # what was seen counts for a while
        assert reader.now() != reader.info
        assert storage.stat(path) == reader.now()
    os.utime(folder / "n00000002.tar", ns=(before.st_atime_ns, before.st_mtime_ns))
    storage.renew()
    assert storage.stat(path) == reader.info


def test_a_file_that_is_cut_ends_what_is_read(folder: Path) -> None:
    with storage.open_ranges(folder.with_name("classes.tars")) as reader:
        os.truncate(folder / "n00000002.tar", 100)
        assert len(reader.read(0, 1 << 20)) < reader.info.size


def test_sizes_that_are_no_octal_number_are_written_as_gnu_tar_does() -> None:
    header = tar_folder._header(b"n01.tar", 9 << 30)
    assert header[124:136] == b"\x80" + (9 << 30).to_bytes(11, "big")
    assert int(header[148:154], 8) == sum(header) - sum(header[148:156]) + 8 * ord(" ")


def test_a_name_that_no_header_has_room_for_is_refused(folder: Path) -> None:
    (folder / f"{'n' * 97}.tar").write_bytes(b"")
    with pytest.raises(InputRefused, match="too long"):
        storage.stat(folder.with_name("classes.tars"))
