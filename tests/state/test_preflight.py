"""What is looked at before the first byte is read."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from finishedoutputs import empty_manifest
from support import RawSet

from pipeline import manifest, paths, storage
from pipeline.errors import ArchiveMissing, ArchiveRefused, NoPermission, NoSpace, OutputConflict
from pipeline.images.prepare import ImageOptions
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.shards import finish as outputs
from pipeline.state import preflight
from pipeline.state import raw_archives as rawarchives

TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"


@pytest.fixture
def own(small: RawSet, tmp_path: Path) -> RawSet:
    """A copy of the sample, for tests that break it."""
    return small.copy(tmp_path / "raw")


def finish(resolved: ResolvedJob, split: str) -> None:
    """Publish a manifest that names no files: a finished output, as far as anyone looks."""
    (output,) = resolved.splits[split].outputs
    content = empty_manifest(split, output.digest)
    storage.publish_bytes(paths.manifest(output.folder), content)
    assert outputs.document(output) is not None


def verify(resolved: ResolvedJob, name: str) -> None:
    archive = resolved.dataset.archives[name]
    info = storage.stat(resolved.raw_file(archive))
    assert info is not None
    look = {"size": info.size, "stamp": info.stamp, "md5": archive.md5}
    mark = {"archive": archive.file, **look, "files": []}
    path = paths.archive_mark(resolved.out, archive.file, info.look)
    storage.publish_bytes(path, manifest.serialise(mark))


def archive_size(raw_set: RawSet, name: str) -> int:
    return (raw_set.raw / name).stat().st_size


class TestArchives:
    def test_that_are_all_there_pass(self, small: RawSet, out: Path) -> None:
        preflight.check(resolve(small.job(out)))

    def test_that_are_missing_are_all_named_at_once(self, own: RawSet, out: Path) -> None:
        (own.raw / TRAIN).unlink()
        (own.raw / VALIDATION).unlink()
        (own.raw / VALIDATION).mkdir()
        with pytest.raises(ArchiveMissing) as refusal:
            preflight.check(resolve(own.job(out)))
        error = refusal.value
        assert "2 archives are" in error.what
        assert error.file == str(own.raw)
        for name in (TRAIN, VALIDATION):
            assert str(own.raw / name) in str(error.expected)
        assert str(error.expected).count("from drawn by shardmill sample") == 2
        assert not out.exists()

    def test_of_other_splits_are_not_asked_for(self, own: RawSet, out: Path) -> None:
        (own.raw / TRAIN).unlink()
        preflight.check(resolve(own.job(out, splits=("validation",))))
        with pytest.raises(ArchiveMissing, match="an archive is not there"):
            preflight.check(resolve(own.job(out)))

    def test_of_finished_splits_may_be_gone(self, own: RawSet, out: Path) -> None:
        resolved = resolve(own.job(out, steps=("shards",), boxes=False))
        (own.raw / TRAIN).unlink()
        finish(resolved, "train")
        preflight.check(resolved)
        (own.raw / VALIDATION).unlink()
        with pytest.raises(ArchiveMissing, match=f"(?s)an archive is not there.*{VALIDATION}"):
            preflight.check(resolved)

    @pytest.mark.parametrize(("change", "guess"), [(-1, "broke off"), (1, "another archive")])
    def test_of_the_wrong_size_are_refused(
        self, own: RawSet, out: Path, change: int, guess: str
    ) -> None:
        size = archive_size(own, TRAIN)
        os.truncate(own.raw / TRAIN, size + change)
        with pytest.raises(ArchiveRefused) as refusal:
            preflight.check(resolve(own.job(out)))
        error = refusal.value
        assert error.file == str(own.raw / TRAIN)
        assert f"{size:,} bytes, MD5" in str(error.expected)
        assert error.found == f"{size + change:,} bytes"
        assert guess in str(error.remedy)

    def test_of_unknown_size_are_not_judged_by_it(self, own: RawSet, out: Path) -> None:
        text = own.config.read_text()
        own.config.write_text(text.replace(f"bytes = {archive_size(own, TRAIN)}\n", ""))
        os.truncate(own.raw / TRAIN, 1)
        preflight.check(resolve(own.job(out)))

    def test_stay_verified_until_they_change(self, own: RawSet, out: Path) -> None:
        resolved = resolve(own.job(out))
        train = resolved.dataset.archives["train"]
        assert rawarchives.verified(resolved, train) is None
        verify(resolved, "train")
        assert rawarchives.verified(resolved, train) is not None
        os.utime(own.raw / TRAIN, ns=(1, 1))
        assert rawarchives.verified(resolved, train) is None
        (own.raw / TRAIN).unlink()
        assert rawarchives.verified(resolved, train) is None


class TestRoom:
    def test_is_needed_for_each_split_that_is_not_finished(self, small: RawSet, out: Path) -> None:
        resolved = resolve(small.job(out))
        both = preflight.needed_bytes(resolved)
        sizes = [archive_size(small, name) for name in (TRAIN, VALIDATION)]
        assert sum(sizes) <= both <= 1.05 * sum(sizes)
        finish(resolved, "train")
        assert sizes[1] <= preflight.needed_bytes(resolved) <= 1.05 * sizes[1]

    def test_is_not_needed_for_what_is_written_already(self, small: RawSet, out: Path) -> None:
        resolved = resolve(small.job(out))
        before = preflight.needed_bytes(resolved)
        folder = resolved.splits["train"].outputs[0].folder
        storage.publish_bytes(folder / "train-00000-of-00008", bytes(5000))
        assert preflight.needed_bytes(resolved) == before - 5000

    def test_is_needed_for_the_chosen_classes_only(
        self, small: RawSet, out: Path, tmp_path: Path
    ) -> None:
        wnid = (small.raw / "counts.tsv").read_text().split("\t")[0]
        (tmp_path / "classes").write_text(wnid)
        every, one = (
            preflight.needed_bytes(resolve(small.job(out, splits=("train",), classes=classes)))
            for classes in ("", str(tmp_path / "classes"))
        )
        assert one == pytest.approx(every / 3, abs=1)

    def test_is_that_of_resized_images_larger_ones_too(self, small: RawSet, out: Path) -> None:
        share = preflight.needed_bytes(resolve(small.job(out)))
        needed = {
            (edge, never): preflight.needed_bytes(
                resolve(small.job(out, image=ImageOptions(edge, never_enlarge=never)))
            )
            for edge in (32, 1000, 2000)
            for never in (False, True)
        }
        assert needed[32, False] == needed[32, True] < share / 2
        assert needed[1000, True] == needed[2000, True] == share
        assert 2 * share < needed[1000, False] < 10 * share
        # Twice the edge is four times the pixels, and less than that in bytes.
        assert 2 * needed[1000, False] < needed[2000, False] < 3 * needed[1000, False]

    def test_that_is_too_little_is_refused(
        self, small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolved = resolve(small.job(out))
        needed = preflight.needed_bytes(resolved)
        monkeypatch.setattr(storage, "free_bytes", Mock(return_value=needed))
        preflight.check(resolved)
        monkeypatch.setattr(storage, "free_bytes", Mock(return_value=needed - 1))
        with pytest.raises(NoSpace) as refusal:
            preflight.check(resolved)
        error = refusal.value
        assert error.file == str(out)
        assert (error.expected, error.found) == (
            f"{needed:,} bytes free",
            f"{needed - 1:,} bytes free",
        )

    def test_on_the_way_to_a_store_is_two_shards_of_each_worker(
        self, small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolved = resolve(small.job(out, shards=(("train", 1), ("validation", 1))))
        largest = preflight.needed_bytes(resolve(small.job(out, splits=("train",))))
        monkeypatch.setattr(storage, "is_sent", Mock(return_value=True))
        monkeypatch.setattr(storage, "scratch_folder", Mock(return_value=out))
        free = Mock(return_value=None)
        monkeypatch.setattr(storage, "free_bytes", free)
        preflight.check(resolved, workers=3)
        monkeypatch.setattr(preflight, "check_readonly", lambda _: None)
        free.return_value = 6 * largest + 6
        preflight.check(resolved, workers=3)
        free.return_value = 6 * largest - 6
        with pytest.raises(NoSpace, match="on their way to the store"):
            preflight.check(resolved, workers=3)


class TestOutput:
    def test_that_may_not_be_written_is_refused(
        self, small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "open", Mock(side_effect=PermissionError(13, "injected")))
        with pytest.raises(NoPermission) as refusal:
            preflight.check(resolve(small.job(out)))
        assert str(refusal.value.file).startswith(str(out))

    def test_that_is_a_file_is_refused(self, small: RawSet, out: Path) -> None:
        out.write_text("not a folder")
        with pytest.raises(OutputConflict):
            preflight.check(resolve(small.job(out)))

    def test_is_left_as_it_was(self, small: RawSet, out: Path) -> None:
        preflight.check(resolve(small.job(out)))
        assert [path for path in out.rglob("*") if path.is_file()] == []
