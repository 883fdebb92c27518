"""The first pass over archives: what it counts, and what it refuses to record."""

from __future__ import annotations

from pathlib import Path

import pytest
from ownarchives import class_tars, images, lay, tar_of

from pipeline import manifest
from pipeline.documents.records import RecordedArchive, RecordedCounts
from pipeline.errors import ArchiveMissing, ArchiveRefused
from pipeline.job.options import Job
from pipeline.state import first_pass

CONFIG = """dataset = "own"
[labels]
table = "table.tsv"
[archives.a]
file = "a.tar"
url = "-"
[splits.a]
archive = "a"
shards = 1
"""
BY_CLASS = 'layout = "class-tars"\n'
FLAT = "layout = \"flat\"\nmember = '(\\d+)\\.jpg'\n"
LABELLED = FLAT + 'labels = "labels.txt"\n'


def job_of(folder: Path, archive: bytes, split: str) -> Job:
    lay(folder / "raw", {"a.tar": archive} if archive else {})
    lay(folder, {"table.tsv": b"wnid\twords\nx\tx\ny\ty\n", "labels.txt": b"x\ny\nx\n"})
    (folder / "own.toml").write_text(CONFIG + split)
    return Job(str(folder / "raw"), str(folder / "out"), str(folder / "own.toml"))


def recorded(job: Job) -> RecordedArchive:
    (archive,) = first_pass.unread(job)
    read = list[int]()
    first_pass.read(job, archive, read.append)
    assert first_pass.unread(job) == ()
    (path,) = Path(job.out).rglob("*.recorded.json")
    return manifest.read(path, RecordedArchive)


@pytest.mark.parametrize(
    ("archive", "split", "found"),
    [
        (class_tars({"x": 2, "y": 1}), BY_CLASS, RecordedCounts(counts={"x": 2, "y": 1})),
        (tar_of(images(2)), FLAT, RecordedCounts(images=2)),
        (tar_of(images(2)), LABELLED, RecordedCounts(images=2)),
        (tar_of(images(2, first=2)), LABELLED, RecordedCounts(counts={"x": 1, "y": 1})),
    ],
    ids=["classes", "numbers", "labels", "gaps"],
)
def test_images_are_counted_as_the_layout_says(
    archive: bytes, split: str, found: RecordedCounts, tmp_path: Path
) -> None:
    assert [*recorded(job_of(tmp_path, archive, split)).counts.values()] == [found]


def test_another_layout_of_a_read_archive_is_counted_from_its_index(tmp_path: Path) -> None:
    job = job_of(tmp_path, tar_of(images(2)), FLAT)
    first = recorded(job)
    (tmp_path / "own.toml").write_text(CONFIG + LABELLED)
    (archive,) = first_pass.unread(job)
    read = list[int]()
    first_pass.read(job, archive, read.append)
    assert read == []
    (path,) = Path(job.out).rglob("*.recorded.json")
    assert manifest.read(path, RecordedArchive).counts.keys() > first.counts.keys()


@pytest.mark.parametrize(
    ("archive", "split", "what"),
    [
        (tar_of(images(2, first=2)), FLAT, "a member that does not belong there"),
        (class_tars({"x": 1, "z": 1}), BY_CLASS, "a member that does not belong there"),
        (tar_of({"x.tar": b"\x1f\x8b" + bytes(600)}), BY_CLASS, "gzip data, and no tar archive"),
        (class_tars({"x": 2})[:3000], BY_CLASS, "ends too early"),
    ],
    ids=["gaps", "class", "packed", "cut"],
)
def test_what_a_job_would_refuse_is_not_recorded(
    archive: bytes, split: str, what: str, tmp_path: Path
) -> None:
    job = job_of(tmp_path, archive, split)
    with pytest.raises(ArchiveRefused, match=what):
        recorded(job)
    assert [*map(str, Path(job.out).rglob("*.recorded.json"))] == []


def test_an_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveMissing, match=r"a\.tar"):
        recorded(job_of(tmp_path, b"", BY_CLASS))
