"""Archives that are not there, or were refused before: what is said, and that it helps."""

from __future__ import annotations

import io
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import inprocess
import pytest
from support import RawSet

from pipeline import manifest, storage
from pipeline.errors import ArchiveMissing, ArchiveRefused
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state import preflight, refusals, status
from tasks.archives import VerifyArchive

TRAIN = "ILSVRC2012_img_train.tar"


@pytest.fixture
def own(small: RawSet, tmp_path: Path) -> RawSet:
    """A copy of the sample, for tests that break it."""
    return small.copy(tmp_path / "raw")


def test_a_folder_of_class_tars_is_recognised_and_the_remedy_reads_it(
    own: RawSet, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tars = tmp_path / "tars"
    tars.mkdir()
    with tarfile.open(own.raw / TRAIN) as archive:
        archive.extractall(tars, filter="data")
    job = Job(str(tars), str(out), str(own.config), splits=("train",), boxes=False)
    with pytest.raises(ArchiveMissing) as refusal:
        preflight.check_readonly(resolve(job))
    assert str(refusal.value.found).startswith("3 tars of classes, such as n0")
    name_as_one = str(refusal.value.remedy).split("`")[1]
    assert name_as_one == 'file = "all.tars"'
    lines = own.config.read_text().splitlines()
    start = lines.index(f'file = "{TRAIN}"')
    stop = next(number for number in range(start, len(lines)) if not lines[number])
    lines[start:stop] = [name_as_one, 'url = "-"']
    own.config.write_text("\n".join(lines))
    words = ("--raw", tars, "--config", own.config, "--out", out, "--split", "train", "--no-boxes")
    ended = inprocess.shardmill(monkeypatch, "imagenet", *words, "--until", "plan")
    assert ended.status == 0, ended.said


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


class Broken:
    """A job whose archive of training images is another one of the same size."""

    def __init__(self, own: RawSet, out: Path) -> None:
        self.path = own.raw / TRAIN
        content = bytearray(self.path.read_bytes())
        content[700] ^= 1
        self.path.write_bytes(content)
        self.job = own.job(out, splits=("train",))
        self.config = resolve(self.job).dataset.archive(TRAIN)

    def verify(self, *, replaced: bool = False) -> ArchiveRefused:
        job = replace(self.job, replace=replaced)
        task = VerifyArchive(out=job.out, archive=TRAIN, md5=self.config.md5, job=job)
        with pytest.raises(ArchiveRefused) as caught:
            task.make()
        return caught.value


@pytest.fixture
def broken(own: RawSet, out: Path) -> Broken:
    """A refused archive that is not known yet."""
    return Broken(own, out)


def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    opened: list[Path] = []
    plain = storage.RangeReader.__init__

    def noted(self: storage.RangeReader, path: Path) -> None:
        opened.append(path)
        plain(self, path)

    monkeypatch.setattr(storage.RangeReader, "__init__", noted)
    return opened


def test_a_refused_archive_is_not_read_again(
    broken: Broken, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, opened = broken.verify(), reads(monkeypatch)
    again = broken.verify()
    assert (again.what, again.found, again.expected) == (first.what, first.found, first.expected)
    assert "was not read again: --replace, or to touch it" in str(again.remedy)
    with pytest.raises(ArchiveRefused, match="does not have the published MD5"):
        preflight.check_readonly(resolve(broken.job))
    (said,) = status.refused_archives(resolve(broken.job))
    assert said.found == first.found
    assert broken.path not in opened


@pytest.mark.parametrize("how", ["replace", "touch", "another md5"])
def test_it_is_read_again_on_request_or_when_something_changed(
    broken: Broken, out: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    broken.verify()
    if how == "touch":
        os.utime(broken.path, ns=(1, 1))
    if how == "another md5":
        other = replace(broken.config, md5="0" * 32)
        assert refusals.recall(out, broken.path, broken.config) is not None
        assert refusals.recall(out, broken.path, other) is None
        return
    opened = reads(monkeypatch)
    assert "was not read again" not in str(broken.verify(replaced=how == "replace").remedy)
    assert broken.path in opened


def test_a_right_archive_in_its_place_is_taken(broken: Broken, small: RawSet, out: Path) -> None:
    broken.verify()
    broken.path.write_bytes((small.raw / TRAIN).read_bytes())
    os.utime(broken.path, ns=(2, 2))
    VerifyArchive(out=str(out), archive=TRAIN, md5=broken.config.md5, job=broken.job).make()
    preflight.check_readonly(resolve(broken.job))
    assert status.refused_archives(resolve(broken.job)) == []


@pytest.mark.parametrize("how", ["in place", "renamed"])
def test_a_file_that_is_restored_with_its_size_and_time_is_read_again(
    broken: Broken, small: RawSet, out: Path, how: str
) -> None:
    right, wrong = (small.raw / TRAIN).read_bytes(), broken.path.stat()
    broken.verify()
    restored = broken.path if how == "in place" else broken.path.with_suffix(".restored")
    restored.write_bytes(right)
    os.utime(restored, ns=(wrong.st_atime_ns, wrong.st_mtime_ns))
    restored.rename(broken.path)
    now = broken.path.stat()
    assert (now.st_size, now.st_mtime_ns) == (wrong.st_size, wrong.st_mtime_ns)
    preflight.check_readonly(resolve(broken.job))
    VerifyArchive(out=str(out), archive=TRAIN, md5=broken.config.md5, job=broken.job).make()
    assert status.refused_archives(resolve(broken.job)) == []


def test_a_refusal_that_an_earlier_version_has_noted_is_one_of_the_file_of_that_size_and_time(
    broken: Broken, out: Path
) -> None:
    broken.verify()
    (record,) = (out / ".shardmill" / "archives").glob("*.refused.json")
    document = json.loads(record.read_bytes())
    del document["placed"]
    manifest.publish_alone(record, document)
    broken.path.chmod(0o600)
    assert refusals.recall(out, broken.path, broken.config) is not None


def test_what_is_refused_at_its_first_bytes_is_looked_at_each_time(
    broken: Broken, out: Path
) -> None:
    broken.path.write_bytes(b"<html>" + broken.path.read_bytes()[6:])
    for _ in range(2):
        assert "a web page, and no tar archive" in broken.verify().what
    assert refusals.recall(out, broken.path, broken.config) is None


def test_a_class_tar_that_is_none_is_remembered_with_the_archive(broken: Broken, out: Path) -> None:
    one = io.BytesIO()
    with tarfile.open(fileobj=one, mode="w") as class_tar:
        add(class_tar, "a_1.JPEG", bytes(2 << 20))
    with tarfile.open(broken.path) as archive:
        names = archive.getnames()
    with tarfile.open(broken.path, "w") as archive:
        add(archive, names[0], one.getvalue())
        add(archive, names[1], b"<html>" + bytes(2000))
    assert "a web page, and no tar archive" in str(broken.verify().found)
    assert refusals.recall(out, broken.path, broken.config) is not None


def test_a_damaged_record_of_a_refusal_is_no_refusal(broken: Broken, out: Path) -> None:
    broken.verify()
    (record,) = (out / ".shardmill" / "archives").glob("*.refused.json")
    record.write_bytes(b"{}")
    assert refusals.recall(out, broken.path, broken.config) is None
