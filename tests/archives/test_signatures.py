"""Files with the name of a tar that are something else: recognised and named at once."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import shlex
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from indexing import verify_and_index

from pipeline.archives.signatures import recognise
from pipeline.errors import ArchiveRefused


def tar_of(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def zip_of(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.tar", content)
    return made.getvalue()


PLAIN = tar_of({"n01.tar": tar_of({"a.JPEG": b"a" * 2000})})
FOREIGN = {
    "gzip data": gzip.compress(PLAIN),
    "bzip2 data": bz2.compress(PLAIN),
    "xz data": lzma.compress(PLAIN),
    "zstd data": b"\x28\xb5\x2f\xfd" + bytes(700),
    "a zip archive": zip_of(PLAIN),
    "a 7z archive": b"7z\xbc\xaf\x27\x1c" + bytes(100),
    "a RAR archive": b"Rar!\x1a\x07\x01\x00" + bytes(900),
    "a web page": b"\n<!DOCTYPE html><title>Log in</title>",
    "a JSON document": b'{"error": "no such file"}',
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a torrent": b"d8:announce35:http://example.org/announce",
    "a JPEG image": b"\xff\xd8\xff\xe0" + bytes(3000),
}


def refused(archive: Path, content: bytes) -> ArchiveRefused:
    archive.write_bytes(content)
    listing = archive.with_name("index.parquet")
    with pytest.raises(ArchiveRefused) as caught:
        verify_and_index(
            archive, listing, expected_md5=hashlib.md5(content).hexdigest(), nested=True
        )
    assert not listing.exists()
    return caught.value


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_tar_is_named_and_never_called_damaged(tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "train.tar"
    for content in (FOREIGN[kind], tar_of({"n02.tar": PLAIN, "n01.tar": FOREIGN[kind]})):
        refusal = refused(archive, content)
        assert refusal.what == f"{kind}, and no tar archive"
        assert (refusal.file, refusal.found) == (str(archive), kind)
        assert "damaged:" not in str(refusal.remedy) or "nothing is damaged" in str(refusal.remedy)
        assert "download it again" not in str(refusal.remedy)
    assert str(refusal.place).endswith("after n01.tar")


@pytest.mark.parametrize("kind", ["gzip data", "bzip2 data", "xz data"])
def test_what_the_remedy_says_unpacks_the_archive(tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "my train.tar"
    command = str(refused(archive, FOREIGN[kind]).remedy).split("`")[1]
    program = shlex.split(command)[0]
    if subprocess.run(["which", program], capture_output=True, check=False).returncode:
        pytest.skip(f"{program} is not here")
    subprocess.run(["sh", "-c", command], check=True, cwd=tmp_path)
    assert (tmp_path / "PLAIN.tar").read_bytes() == PLAIN


def test_a_tar_whose_first_name_looks_like_something_else_is_a_tar(tmp_path: Path) -> None:
    archive = tmp_path / "train.tar"
    for name in ("BZh9", "<a", '{"', "LZIP", "PK\x03\x04"):
        archive.write_bytes(tar_of({name: b"x"}))
        found = verify_and_index(archive, tmp_path / "index", expected_md5=None, nested=True)
        assert found.members == 1


@pytest.mark.parametrize("head", [b"", b"P", b"no tar at all", bytes(512), b"\x1f"])
def test_other_bytes_are_not_recognised(head: bytes) -> None:
    assert recognise(head) is None
