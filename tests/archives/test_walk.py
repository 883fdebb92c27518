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
from pipeline.archives import walk as walking
from pipeline.archives.member import Member
from pipeline.archives.tar import TarScanner
from pipeline.archives.walk import WalkedArchive, walk_index, walked_members
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
    before, before_cached = RangeReader.read, RangeReader.read_cached

    def noted(self: RangeReader, offset: int, length: int) -> memoryview:
        read.append(length)
        return before(self, offset, length)

    def cached(self: RangeReader, offset: int, length: int) -> memoryview | None:
        view = before_cached(self, offset, length)
        read.extend([length] * (view is not None))
        return view

    monkeypatch.setattr(RangeReader, "read", noted)
    monkeypatch.setattr(RangeReader, "read_cached", cached)
    walked(archive, tmp_path / "walked")
    assert len(read) < 2 * 22
    assert max(read) <= 2 * 4096


class FromDisk:
    """An archive of which nothing is in memory, but what was announced and read: it counts."""

    def __init__(self, content: bytes, *, are_cached: bool = False) -> None:
        self._content = content
        self._are_cached = are_cached
        self.under_way = set[int]()
        self.most = 0
        self.waits = 0  # reads that began when nothing had been announced for them

    def will_need(self, offset: int, length: int) -> None:
        assert not self._are_cached or offset + length > len(self._content)
        self.under_way.add(offset)
        self.most = max(self.most, len(self.under_way))

    def read(self, offset: int, length: int) -> memoryview:
        self.waits += offset not in self.under_way
        self.under_way.discard(offset)
        return memoryview(self._content)[offset : offset + length]

    def read_cached(self, offset: int, length: int) -> memoryview | None:
        if not self._are_cached or offset + length > len(self._content):
            return None
        return memoryview(self._content)[offset : offset + length]


def class_tars(classes: int, images: int) -> bytes:
    one = {f"{number}.JPEG": bytes(5000) for number in range(images)}
    inner = packed(one, tarfile.USTAR_FORMAT)
    return packed({f"n{number}.tar": inner for number in range(classes)}, tarfile.USTAR_FORMAT)


def scanned(content: bytes) -> list[Member]:
    """Return the members of an archive whose headers are read one by one; an error is raised."""
    scanner, members = TarScanner("a.tar", nested=True), list[Member]()
    while scanner.end is None:
        at, need = scanner.next_range
        if at > scanner.size:
            scanner.skip_to(at)
        view = content[scanner.size : -(-(at + need) // 4096) * 4096]
        if not view:
            break
        members += scanner.feed(view)
    scanner.finish()
    return members


def all_of(headers: FromDisk) -> list[Member]:
    return [member for some in walked_members("a.tar", headers) for member in some]


def test_many_reads_are_under_way_in_a_tar_of_tars() -> None:
    content = class_tars(40, 60)
    headers = FromDisk(content)
    assert all_of(headers) == scanned(content)
    assert headers.most == walking._AT_A_TIME
    assert (headers.waits, headers.under_way) == (0, set())


def test_a_flat_tar_is_one_chain() -> None:
    content = packed({f"{number}": bytes(5000) for number in range(50)}, tarfile.USTAR_FORMAT)
    headers = FromDisk(content)
    assert all_of(headers) == scanned(content)
    assert headers.most == 1


def test_what_is_in_memory_is_not_announced() -> None:
    content = class_tars(5, 400)
    assert all_of(FromDisk(content, are_cached=True)) == scanned(content)


@pytest.mark.parametrize("are_cached", [False, True])
def test_few_members_wait_for_those_before_them(
    monkeypatch: pytest.MonkeyPatch, are_cached: bool
) -> None:
    monkeypatch.setattr(walking, "_HELD", 50)
    monkeypatch.setattr(walking, "_TURN", 4)
    content = class_tars(20, 40)
    headers, most = FromDisk(content, are_cached=are_cached), 0
    held = list[walking._Chain]()
    before = walking._Chain.follow

    def noted(self: walking._Chain, *given: object, **named: object) -> None:
        nonlocal most
        held.extend([self] * (self not in held))
        before(self, *given, **named)  # type: ignore[arg-type] # as it was given
        most = max(most, sum(len(chain.members) for chain in held))

    monkeypatch.setattr(walking._Chain, "follow", noted)
    assert all_of(headers) == scanned(content)
    assert 0 < most < 50 + walking._AT_A_TIME * walking._TURN


@pytest.mark.parametrize("are_cached", [False, True])
def test_the_first_fault_is_said_as_by_reading_one_header_after_the_other(
    chance: random.Random, are_cached: bool
) -> None:
    whole, refused = drawn(chance, tarfile.PAX_FORMAT), 0
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(chance.choice((0, 1, 3))):
            content[chance.randrange(len(content) // 512) * 512 + chance.randrange(512)] ^= 1
        del content[chance.choice((len(content), chance.randrange(len(content)))) :]
        try:
            members: list[Member] | str = scanned(bytes(content))
        except ArchiveRefused as error:
            members, refused = str(error), refused + 1
        try:
            found: list[Member] | str = all_of(FromDisk(bytes(content), are_cached=are_cached))
        except ArchiveRefused as error:
            found = str(error)
        assert found == members
    assert 20 < refused < 150


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
    before = index.IndexWriter.finish

    def replaced(self: index.IndexWriter) -> None:
        before(self)
        archive.write_bytes(bytes(1 << 16))

    monkeypatch.setattr(index.IndexWriter, "finish", replaced)
    with pytest.raises(TransientError, match="changed while"):
        walked(archive, tmp_path / "walked")


def test_a_header_is_not_skipped() -> None:
    scanner = TarScanner("a.tar")
    assert scanner.next_range == (0, 512)
    scanner.feed(bytes(100))
    for offset in (50, 100, 512, 1024):
        with pytest.raises(ValueError, match="cannot be skipped"):
            scanner.skip_to(offset)
