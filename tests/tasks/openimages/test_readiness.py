"""What stands in the way of collecting is said at once: too little room, and files not there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import finishedoutputs
import pytest

from pipeline import storage
from pipeline.errors import InputRefused, NoSpace
from pipeline.job.options import Job
from pipeline.sources.openimages import published
from pipeline.sources.openimages.collection import Collection, collection_of
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.images.missing_images import IMAGE_BYTES
from pipeline.sources.openimages.pending import MASK_BYTES, pending
from pipeline.state import status
from tasks.openimages import readiness


@pytest.fixture
def job(openimages: Path, tmp_path: Path) -> Job:
    """A job that is finished, in an output folder of its own."""
    finished = finishedoutputs.of_openimages(openimages)
    shutil.copytree(finished, tmp_path / "out", symlinks=True)
    return replace(status.recorded_jobs(finished)[-1], out=str(tmp_path / "out"))


def free(monkeypatch: pytest.MonkeyPatch, sizes: dict[Path, int]) -> None:
    """Have each folder lie on a file system of its own that has so many bytes free."""
    monkeypatch.setattr(storage, "free_bytes", lambda folder: sizes[Path(str(folder))])
    monkeypatch.setattr(storage, "on_one_file_system", lambda one, other: one == other)


def fresh(job: Job, out: Path, **options: object) -> Collection:
    """Return the collection of the same classes in an output folder that is not there."""
    wanted = replace(job.openimages, **options)  # type: ignore[arg-type]
    return collection_of(replace(job, out=str(out), openimages=wanted))


class TestRoom:
    def test_none_is_needed_for_what_is_there(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        what = collection_of(job)
        free(monkeypatch, {what.out: 0, what.raw: 0})
        readiness.check(what)

    def test_that_of_a_deleted_image_is_what_it_had(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        what = collection_of(job)
        lost = min((what.out / "images" / "train").iterdir())
        size = lost.stat().st_size
        lost.unlink()
        free(monkeypatch, {what.out: size, what.raw: 0})
        readiness.check(what)
        free(monkeypatch, {what.out: size - 1, what.raw: 0})
        with pytest.raises(NoSpace, match=f"{size:,} of images") as refused:
            readiness.check(what)
        assert refused.value.found == f"{size - 1:,} bytes free"

    def test_that_of_metadata_is_needed_where_it_is_put(
        self, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = tmp_path / "raw"
        what = fresh(replace(job, raw=str(raw)), tmp_path / "new")
        files = {file for split in what.splits for file in what.every_file(split)}
        needed = sum(file.bytes or 0 for file in files)
        free(monkeypatch, {what.out: 0, raw: needed})
        readiness.check(what)
        free(monkeypatch, {what.out: 0, raw: needed - 1})
        with pytest.raises(NoSpace) as refused:
            readiness.check(what)
        assert refused.value.file == str(raw)
        assert refused.value.expected == f"{needed:,} bytes free: {needed:,} of metadata"
        assert "--raw" in (refused.value.remedy or "")

    def test_images_and_shards_are_counted_once_they_are_selected(self, job: Job) -> None:
        what = collection_of(job)
        before = pending(what, "")
        shutil.rmtree(what.out / "images")
        shutil.rmtree(what.out / ".shardmill" / "openimages" / "images")
        shutil.rmtree(what.out / "tfrecord")
        still = pending(what, "")
        images = sum(each.mark.images for each in still.known)
        assert (before.images, still.images) == (0, images * IMAGE_BYTES)
        assert still.images <= readiness.shard_bytes(what, still) <= 1.1 * still.images

    def test_shards_that_are_there_are_taken_into_account(self, job: Job) -> None:
        what = collection_of(job)
        shutil.rmtree(what.out / ".shardmill" / "openimages" / "images")
        still = pending(what, "")
        assert all(each.images.lying for each in still.known)
        assert (still.images > 0, still.images % IMAGE_BYTES) == (True, 0)  # absent ones alone
        expected = 0.0
        for each in still.known:
            paths = what.out.glob(f"tfrecord/{each.mark.split}/????????????/*")
            shards = sum(path.stat().st_size for path in paths if path.is_file())
            expected += max(0, 1.02 * (each.images.bytes + each.images.stored) - shards)
        assert readiness.shard_bytes(what, still) == pytest.approx(expected, abs=9)

    def test_masks_take_what_a_file_takes(self, job: Job, tmp_path: Path) -> None:
        what = collection_of(job)
        shutil.rmtree(what.out / "masks" / "test")
        masks = pending(what, "").splits["test"]
        assert masks is not None
        assert masks.masks.written == 2 * 4096 * masks.masks.masks > 0
        assert (masks.masks.fetched, masks.masks.whole) == (0, 0)  # their archives are there
        elsewhere = pending(collection_of(replace(job, raw=str(tmp_path))), "", surveys=True)
        assert elsewhere.splits["test"] is None  # the classes are not known any more


class TestArchives:
    def test_a_part_of_one_is_fetched_by_ranges_and_most_of_one_is_fetched_whole(
        self, job: Job, openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = tmp_path / "raw"
        without_archives(openimages, raw)
        what = fresh(replace(job, raw=str(raw)), tmp_path / "new")
        of_test = pending(what, "", surveys=True).splits["test"]
        assert of_test is not None
        assert of_test.masks.whole == sum(file.bytes or 0 for file in of_test.masks.archives)
        monkeypatch.setattr("pipeline.sources.openimages.pending.MASK_BYTES", 1)
        of_test = pending(what, "", surveys=True).splits["test"]
        assert of_test is not None
        lists = sum(int((file.bytes or 0) * 0.05) for file in of_test.masks.archives)
        assert (of_test.masks.whole, of_test.masks.fetched) == (0, of_test.masks.masks + lists)
        assert MASK_BYTES > 1


def without_archives(openimages: Path, raw: Path) -> None:
    shutil.copytree(openimages / "raw", raw, ignore=shutil.ignore_patterns("*.zip"))


class TestOffline:
    def test_metadata_is_named_and_that_archives_may_be_needed_too(
        self, job: Job, tmp_path: Path
    ) -> None:
        what = fresh(replace(job, raw=str(tmp_path / "raw")), tmp_path / "new", offline=True)
        with pytest.raises(InputRefused) as refused:
            readiness.check(what)
        files = {file.name for split in what.splits for file in what.every_file(split)}
        lines = str(refused.value.expected).splitlines()
        assert {line.split(" ")[0] for line in lines[:-1]} == files
        assert "of 48 mask archives (train-masks-0.zip … test-masks-f.zip)" in lines[-1]
        assert "not there, and --offline" in str(refused.value)

    def test_only_what_is_certain_is_refused(
        self, job: Job, openimages: Path, tmp_path: Path
    ) -> None:
        raw = tmp_path / "raw"
        without_archives(openimages, raw)
        what = fresh(replace(job, raw=str(raw)), tmp_path / "new", offline=True)
        readiness.check(what)
        assert "48 mask archives" in readiness.archives_note(what)
        assert readiness.archives_note(fresh(job, tmp_path / "new", masks=False)) == ""

    def test_when_all_is_selected_the_archives_of_all_splits_are_named_at_once(
        self, job: Job, openimages: Path
    ) -> None:
        what = collection_of(replace(job, openimages=replace(job.openimages, offline=True)))
        for split in what.splits:
            shutil.rmtree(what.out / "masks" / split)
        hidden = {file.name: openimages / "raw" / file.name for file in _archives(what)}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(published, "find", lambda file, raw: _unless(hidden, file.name, raw))
            with pytest.raises(InputRefused) as refused:
                readiness.check(what)
        lines = str(refused.value.expected).splitlines()
        assert [line.split(" ")[0] for line in lines] == list(hidden)
        assert {line.split("-")[0] for line in lines} == set(what.splits)

    def test_rows_of_what_is_selected_are_not_needed(self, job: Job, tmp_path: Path) -> None:
        what = collection_of(replace(job, openimages=replace(job.openimages, offline=True)))
        rows = {file.name: tmp_path for split in what.splits for file in what.csv_files(split)}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(published, "find", lambda file, raw: _unless(rows, file.name, raw))
            readiness.check(what)


def _archives(what: Collection) -> list[PublishedFile]:
    marks = [(split, what.whole(split)) for split in what.splits]
    return [what.mask_archive(split, each) for split, mark in marks for each in what.digits(mark)]


def _unless(hidden: dict[str, Path], name: str, raw: Path) -> Path | None:
    return None if name in hidden else raw / name
