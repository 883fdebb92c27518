"""The index of an archive by its headers alone: that which verifying it writes, to the byte."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path

import pytest
from support import RawSet

from pipeline import storage
from pipeline.archives import index
from pipeline.archives.tar import TarScanner
from pipeline.archives.walk import WalkedArchive, walk_index
from pipeline.errors import ArchiveRefused, TransientError
from pipeline.storage.local.ranges import RangeReader

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def drawn(chance: random.Random, tar_format: int) -> bytes:
    """Return a tar of tars and files, with names that need a header of their own."""
    return packed(
        {
            f"n{number:08d}.tar": packed(
                {
                    "long/" * chance.choice((0, 40)) + f"{each}.JPEG": chance.randbytes(
                        chance.choice((0, 1, 511, 512, 513, 3071, 9000, 70_000))
                    )
                    for each in range(12)
                },
                tar_format,
            )
            for number in range(5)
        }
        | {"empty.tar": b"", "readme": b"hello"},
        tar_format,
    )


def packed(files: dict[str, bytes], tar_format: int) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tar_format) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name if tar_format != tarfile.USTAR_FORMAT else name[-90:])
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def walked(archive: Path, place: Path) -> WalkedArchive:
    with storage.StagedFile(place) as staged:
        found = walk_index(archive, staged)
        storage.publish(staged)
    return found


def verified(archive: Path, place: Path) -> index.VerifiedArchive:
    with (
        storage.StagedFile(place) as staged,
        storage.StagedFile(place.with_suffix(".hashes")) as hashes,
    ):
        found = index.verify_and_index(archive, staged, hashes, expected_md5=None, nested=True)
        storage.publish(staged, hashes)
    return found


@pytest.mark.parametrize("tar_format", FORMATS)
def test_it_is_the_verified_index(tmp_path: Path, chance: random.Random, tar_format: int) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(drawn(chance, tar_format))
    by_headers = walked(archive, tmp_path / "walked")
    whole = verified(archive, tmp_path / "verified")
    assert (tmp_path / "walked").read_bytes() == (tmp_path / "verified").read_bytes()
    assert (by_headers.members, by_headers.info) == (whole.members, whole.info)


def test_so_it_is_of_the_sample(sample: RawSet, tmp_path: Path) -> None:
    for archive in sample.raw.glob("*.tar"):
        walked(archive, tmp_path / "walked")
        verified(archive, tmp_path / "verified")
        assert (tmp_path / "walked").read_bytes() == (tmp_path / "verified").read_bytes()


def test_most_of_an_archive_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "a.tar"
    images = {f"{number}.JPEG": bytes(300_000) for number in range(20)}
    archive.write_bytes(packed({"n1.tar": packed(images, tarfile.USTAR_FORMAT)}, FORMATS[0]))
    read = list[int]()
    before = RangeReader.read

    def noted(self: RangeReader, offset: int, length: int) -> memoryview:
        read.append(length)
        return before(self, offset, length)

    monkeypatch.setattr(RangeReader, "read", noted)
    walked(archive, tmp_path / "walked")
    assert len(read) < 2 * 22
    assert max(read) <= 2 * 4096


@pytest.mark.parametrize("left", [0, 100, 512, 5000, 60_000])
def test_an_archive_that_breaks_off_is_refused(
    tmp_path: Path, chance: random.Random, left: int
) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(drawn(chance, FORMATS[0])[:left])
    with pytest.raises(ArchiveRefused):
        walked(archive, tmp_path / "walked")
    assert not (tmp_path / "walked").exists()


def test_an_archive_that_changes_meanwhile_is_walked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(packed({"a": b"1"}, FORMATS[0]))
    before = TarScanner.finish

    def replaced(self: TarScanner) -> None:
        before(self)
        archive.write_bytes(bytes(1 << 16))

    monkeypatch.setattr(TarScanner, "finish", replaced)
    with pytest.raises(TransientError, match="changed while"):
        walked(archive, tmp_path / "walked")


def test_a_header_is_not_skipped() -> None:
    scanner = TarScanner("a.tar")
    assert scanner.next_range == (0, 512)
    scanner.feed(bytes(100))
    for offset in (50, 100, 512, 1024):
        with pytest.raises(ValueError, match="cannot be skipped"):
            scanner.skip_to(offset)
