"""A tar or tar.gz as a stream: whole members wherever pieces end, bounded memory, damage."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pytest
from support import mini_source

from pipeline.archives import decompression
from pipeline.archives.compressed import read_members, unpacked
from pipeline.archives.tar import Member
from pipeline.errors import ArchiveMissing, ArchiveRefused, TransientError

MIB = 1 << 20
CHECKED: Final = bytes.fromhex("28b52ffd0458910000746865206279746573206f662061207461724511629a")
"""What the program zstd packs `the bytes of a tar` into: a frame with a checksum."""
FILES = {f"{at % 7}/{at}.xml": b"%d" % at * at for at in range(60)}


def tar_of(files: dict[str, bytes], kinds: dict[str, bytes] | None = None) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, kind in (kinds or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "elsewhere"
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def contents(archive: Path, largest: int = MIB) -> dict[str, bytes | None]:
    return {member.name: content for member, content in read_members(archive, largest=largest)}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "a.tar.gz"


@pytest.mark.parametrize("packed", [False, True])
def test_members_are_whole_wherever_a_piece_of_the_archive_ends(
    archive: Path, packed: bool
) -> None:
    noise = np.random.default_rng(3)
    sizes = [0, 1, 511, 512, 513, 600_000, 3, MIB, 262_144, 200_000, 200_000, 5]
    files = {f"a/{at}.xml": noise.bytes(size) for at, size in enumerate(sizes)}
    content = tar_of(files)
    archive.write_bytes(gzip.compress(content) if packed else content)
    assert contents(archive) == files
    assert b"".join(unpacked(archive)) == content


def test_members_come_in_order_with_their_place_in_the_unpacked_archive(archive: Path) -> None:
    archive.write_bytes(gzip.compress(tar_of({"z": b"12345", "a": b"x"})))
    assert list(read_members(archive, largest=9)) == [
        (Member("", "z", 512, 5, "file"), b"12345"),
        (Member("", "a", 1536, 1, "file"), b"x"),
    ]


def test_only_folders_are_passed_over_and_only_regular_files_have_a_content(archive: Path) -> None:
    kinds = {
        "folder": tarfile.DIRTYPE,
        "symlink": tarfile.SYMTYPE,
        "hardlink": tarfile.LNKTYPE,
        "device": tarfile.CHRTYPE,
        "fifo": tarfile.FIFOTYPE,
    }
    archive.write_bytes(tar_of({"file": b""}, kinds))
    found = {member.kind: content for member, content in read_members(archive, largest=0)}
    assert found == {"symlink": None, "hardlink": None, "device": None, "fifo": None, "file": b""}


def test_what_is_larger_than_asked_for_comes_without_its_content(archive: Path) -> None:
    archive.write_bytes(tar_of({"a": bytes(10), "b": bytes(11), "c": b"c"}))
    assert contents(archive, largest=10) == {"a": bytes(10), "b": None, "c": b"c"}


def test_a_tar_in_a_tar_is_a_file(archive: Path) -> None:
    inner = tar_of({"a": b"a"})
    archive.write_bytes(tar_of({"inner.tar": inner}))
    assert contents(archive) == {"inner.tar": inner}


def test_gzip_is_recognised_whatever_the_name(tmp_path: Path) -> None:
    content = tar_of(FILES)
    (tmp_path / "a.tar").write_bytes(gzip.compress(content))
    (tmp_path / "b.tar.gz").write_bytes(content)
    assert contents(tmp_path / "a.tar") == contents(tmp_path / "b.tar.gz") == FILES


def test_gzip_streams_may_follow_one_another_and_zeros_the_last(archive: Path) -> None:
    content = tar_of(FILES)
    half = gzip.compress(content[:5000]) + gzip.compress(content[5000:])
    archive.write_bytes(half + bytes(1 << 19))
    assert contents(archive) == FILES


def test_a_file_that_expands_a_thousandfold_is_read_in_pieces(archive: Path) -> None:
    archive.write_bytes(gzip.compress(tar_of({"a": bytes(30 * MIB), "b": b"b"})))
    tracemalloc.start()
    try:
        assert max(map(len, unpacked(archive))) <= 1 << 18
        assert contents(archive) == {"a": None, "b": b"b"}
        assert tracemalloc.get_traced_memory()[1] < 3 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cut", [2, 5, 30, 400, -9, -1])
def test_a_truncated_gzip_file_is_refused(archive: Path, cut: int) -> None:
    whole = gzip.compress(tar_of(FILES))
    archive.write_bytes(whole[:cut])
    with pytest.raises(ArchiveRefused, match="ends too early") as caught:
        contents(archive)
    assert (caught.value.file, caught.value.found) == (str(archive), "the end of the file")
    assert str(caught.value.place).startswith(f"byte {len(whole[:cut])} ")


@pytest.mark.parametrize("at", [-5, -1])
def test_a_gzip_file_with_a_wrong_crc_or_length_is_refused(archive: Path, at: int) -> None:
    content = bytearray(gzip.compress(tar_of(FILES)))
    content[at] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ArchiveRefused, match="gzip stream is damaged") as caught:
        contents(archive)
    assert str(caught.value.found).startswith("damaged data: ")


def test_what_follows_a_gzip_stream_and_is_none_is_refused(archive: Path) -> None:
    archive.write_bytes(gzip.compress(tar_of(FILES)) + b"and more of it")
    with pytest.raises(ArchiveRefused, match="gzip stream is damaged"):
        contents(archive)


def zstd(content: bytes) -> bytes:
    """Pack as most libraries do: a frame without a checksum."""
    packed: bytes = pa.compress(content, codec="zstd", asbytes=True)
    return packed


SKIPPED: Final = b"\x50\x2a\x4d\x18\x04\x00\x00\x00size"
"""A frame that is to be skipped, as pzstd writes one before each of its own."""


def test_frames_of_zstd_may_follow_one_another_and_some_are_skipped(archive: Path) -> None:
    content = tar_of(FILES)
    parts = [content[first : first + 9000] for first in range(0, len(content), 9000)]
    assert len(parts) > 3
    archive.write_bytes(b"".join(SKIPPED + zstd(part) for part in parts))
    assert contents(archive) == FILES
    archive.write_bytes(b"".join(zstd(part) for part in parts))
    assert contents(archive) == FILES


@pytest.mark.parametrize("program", ["zstd", "pzstd"])
def test_what_the_programs_of_zstd_pack_is_read_and_its_damage_found(
    archive: Path, program: str
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not here")
    noise = np.random.default_rng(5)
    files = {f"{number}.jpg": noise.bytes(MIB) for number in range(3)}
    run = subprocess.run(
        [program, "-q", "-c"], input=tar_of(files), capture_output=True, check=True
    )
    archive.write_bytes(run.stdout)
    assert contents(archive) == files
    damaged = bytearray(run.stdout)
    damaged[MIB] ^= 1
    archive.write_bytes(damaged)
    with pytest.raises(ArchiveRefused, match="zstd stream is damaged"):
        contents(archive)


@pytest.mark.parametrize("cut", [4, 5, 30, 400, -9, -1])
def test_a_truncated_zstd_file_is_refused(archive: Path, cut: int) -> None:
    whole = zstd(tar_of(FILES))
    archive.write_bytes(whole[:cut])
    with pytest.raises(ArchiveRefused, match="zstd stream is damaged or ends too early") as caught:
        contents(archive)
    assert caught.value.file == str(archive)
    assert str(caught.value.place).startswith(f"byte {len(whole[:cut])} ")


def test_a_zstd_file_without_its_last_frames_is_refused(archive: Path) -> None:
    content = tar_of(FILES)
    archive.write_bytes(zstd(content[:3000]))
    with pytest.raises(ArchiveRefused, match="tar archive ends too early"):
        contents(archive)


@pytest.mark.parametrize("more", [b"and more of it", zstd(b"")[:3]])
def test_what_follows_a_frame_of_zstd_and_is_none_is_refused(archive: Path, more: bytes) -> None:
    archive.write_bytes(zstd(tar_of(FILES)) + more)
    with pytest.raises(ArchiveRefused, match="zstd stream is damaged"):
        contents(archive)


def test_a_checksum_of_zstd_that_is_wrong_is_refused(archive: Path) -> None:
    content = bytearray(CHECKED)
    archive.write_bytes(content)
    assert b"".join(unpacked(archive)) == b"the bytes of a tar"
    content[-1] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ArchiveRefused, match="zstd stream is damaged") as caught:
        list(unpacked(archive))
    assert "checksum" in str(caught.value.found)


def test_what_happens_while_zstd_is_unpacked_comes_through(archive: Path) -> None:
    archive.write_bytes(zstd(tar_of(FILES)))

    def changed(_: memoryview) -> None:
        raise TransientError("it was changed", file="a")

    with pytest.raises(TransientError):
        list(unpacked(archive, changed))


def test_a_window_of_zstd_that_takes_too_much_memory_is_refused(archive: Path) -> None:
    head = CHECKED[:4] + b"\x00\x98"  # a window of 512 MiB
    archive.write_bytes(head + CHECKED[6:-4])
    with pytest.raises(ArchiveRefused, match="zstd stream is damaged") as caught:
        list(unpacked(archive))
    assert "memory" in str(caught.value.found)


@pytest.mark.parametrize("content", [b"", b"\x1f", b"<html>" * 200, tar_of(FILES)[:3000]])
def test_what_is_no_whole_tar_is_refused(archive: Path, content: bytes) -> None:
    archive.write_bytes(content)
    with pytest.raises(ArchiveRefused) as caught:
        contents(archive)
    assert caught.value.file == str(archive)


def test_a_whole_gzip_stream_of_half_a_tar_is_refused(archive: Path) -> None:
    archive.write_bytes(gzip.compress(tar_of(FILES)[:3000]))
    with pytest.raises(ArchiveRefused, match="tar archive ends too early"):
        contents(archive)


@pytest.mark.parametrize("read", [contents, lambda path: list(unpacked(path))])
def test_a_missing_archive_is_said_to_be_missing(
    archive: Path, read: Callable[[Path], object]
) -> None:
    for path in (archive, archive.parent):
        with pytest.raises(ArchiveMissing) as caught:
            read(path)
        assert caught.value.file == str(path)


def test_the_compressed_archives_of_the_mini_set_are_read_as_tarfile_reads_them() -> None:
    source = mini_source()
    if source is None:
        pytest.skip("the mini set is not there")
    archives = [*source.glob("*.tar.gz"), *source.glob("*.tgz")]
    assert len(archives) == 3
    for path in archives:
        with tarfile.open(path) as tar:
            expected = {
                info.name: file.read()
                for info in tar
                if (file := tar.extractfile(info)) is not None
            }
        assert contents(path, largest=8 * MIB) == expected


def test_a_stream_that_stands_for_far_more_than_it_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decompression, "_ALWAYS_UNPACKED", 1 << 20)
    path = tmp_path / "a.tgz"
    path.write_bytes(gzip.compress(bytes(8 << 20), mtime=0))
    with pytest.raises(ArchiveRefused, match="stands for far more bytes") as refusal:
        list(unpacked(path))
    assert "unpacked, as a plain tar" in (refusal.value.remedy or "")
    path.write_bytes(gzip.decompress(path.read_bytes()))
    assert sum(map(len, unpacked(path))) == 8 << 20
