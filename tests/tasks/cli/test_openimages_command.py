"""`shardmill openimages`: two phases, what each run asks for, what it says, and how it ends."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import inprocess
import pytest
from openimagesbucket import Bucket, answer
from openimagesruns import Run, asked, files_of, images

from pipeline import storage
from pipeline.images import opencv
from pipeline.sources.openimages.tables import GROUP

pytest_plugins = ("openimagesfixtures",)


class TestARunAndTheNext:
    def test_one_command_makes_all_and_the_same_one_asks_for_nothing(
        self, run: Run, bucket: Bucket, tmp_path: Path
    ) -> None:
        first = run("--class", "Bear", "--masks")
        assert first.status == 4, first.said  # one image is absent
        assert "train: complete: 6 images" in first.said
        assert "--retry-absent" in first.said
        assert "train: train:" not in first.said
        assert (tmp_path / "out/tfrecord/train/current/manifest.json").exists()
        before, found = len(bucket.log), files_of(tmp_path / "out")
        again = run("--class", "Bear", "--masks")
        assert (again.status, asked(bucket, before)) == (4, [])
        assert "already complete" in again.said
        assert files_of(tmp_path / "out") == found

    def test_a_second_class_fetches_only_what_is_new(
        self, run: Run, bucket: Bucket, tmp_path: Path
    ) -> None:
        assert run("--class", "Bear", "--until", "images").status == 4
        before, had = len(bucket.log), set(images(tmp_path / "out"))
        assert run("--class", "Bear", "--class", "Waffle").status == 4
        new = [f"images/{path}" for path in asked(bucket, before)]
        assert new
        assert had.isdisjoint(new)

    def test_a_deleted_image_is_fetched_again_alone(
        self, run: Run, bucket: Bucket, tmp_path: Path
    ) -> None:
        assert run("--class", "Bear", "--until", "images").status == 4
        lost = min((tmp_path / "out/images/train").iterdir())
        content = lost.read_bytes()
        lost.unlink()
        before = len(bucket.log)
        assert run("--class", "Bear", "--until", "images").status == 4
        assert asked(bucket, before) == [f"train/{lost.name}"]
        assert lost.read_bytes() == content

    def test_an_absent_image_is_asked_for_again_when_that_is_said(
        self, run: Run, bucket: Bucket, tmp_path: Path
    ) -> None:
        assert run("--class", "Bear", "--until", "images").status == 4
        failed = (tmp_path / "out/failures/train.txt").read_text().split()
        (absent,) = [f"{each}.jpg" for each in failed]
        bucket.objects[absent] = next(iter(images(tmp_path / "out").values()))
        before = len(bucket.log)
        assert run("--class", "Bear", "--until", "images", "--retry-absent").status == 0
        assert asked(bucket, before) == [absent]
        assert (tmp_path / "out/failures/train.txt").read_text() == ""

    def test_splits_one_by_one_give_the_same_files_as_together(
        self, run: Run, tmp_path: Path
    ) -> None:
        together, apart = tmp_path / "together", tmp_path / "apart"
        words = ("--class", "Bear", "--masks", "--export", "yolo,croissant")
        assert run(*words, out=together).status == 4
        for split in ("test", "train", "validation"):
            run(*words, "--split", split, out=apart)
        assert files_of(apart) == files_of(together)

    def test_a_split_of_other_classes_is_named(self, run: Run, tmp_path: Path) -> None:
        words = ("--export", "yolo", "--split")
        assert run("--class", "Bear", *words, "test").status == 0
        ended = run("--class", "Bear", "--class", "Waffle", *words, "validation")
        assert ended.status == 0, ended.said
        assert "test: made with other classes than these, by an earlier command: " in ended.said
        assert "yolo_test.txt" not in (tmp_path / "out/data.yaml").read_text()
        ended = run("--class", "Bear", "--class", "Waffle", *words, "test")
        assert "other classes" not in ended.said
        assert "yolo_validation.txt" in (tmp_path / "out/data.yaml").read_text()


class TestClassFolders:
    def test_they_are_made_once_found_again_verified_and_mended(
        self, run: Run, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out, classes = tmp_path / "out", ("--class", "Bear", "--class", "Waffle")
        words = (*classes, "--format", "none", "--export", "class-tree")
        first = run(*words)
        assert first.status == 4, first.said
        assert "class folders, train: " in first.said
        folders = out / "class_folders/train"
        assert {path.name for path in folders.iterdir()} == {"bear_m01dws", "waffle_m01dwsz"}
        linked = sorted(folders.glob("*/*.jpg"))
        assert all(path.samefile(out / "images/train" / path.name) for path in linked)
        assert "already complete" in run(*words).said
        said = inprocess.verify(monkeypatch, out)
        assert (said.status, "classtree-train: " in said.said) == (0, True), said.said
        strangers = [folders / "mine", folders / "notes.txt", linked[1].with_name("mine.jpg")]
        strangers[0].mkdir()
        for file in strangers[1:]:
            file.write_bytes(b"mine")
        linked[0].unlink()
        said = inprocess.verify(monkeypatch, out)
        assert said.status == 1
        assert [str(path) in said.said for path in (linked[0], *strangers)] == [True] * 4
        strangers[0].rmdir()
        for file in strangers[1:]:
            file.unlink()
        before = len(bucket.log)
        assert run(*words).status == 4
        assert (sorted(folders.glob("*/*.jpg")), bucket.log[before:]) == (linked, [])
        assert inprocess.shardmill(monkeypatch, "status", out).status == 4

    def test_those_of_another_class_take_their_place(self, run: Run, tmp_path: Path) -> None:
        words = ("--split", "test", "--format", "none", "--export", "class-tree")
        folder = tmp_path / "out/class_folders/test"
        ended = run("--class", "Bear", *words)
        assert (ended.status, f"complete: {folder}\n" in ended.said) == (0, True), ended.said
        assert [path.name for path in folder.iterdir()] == ["bear_m01dws"]
        assert run("--class", "Waffle", *words).status == 0
        assert [path.name for path in folder.iterdir()] == ["waffle_m01dwsz"]


def test_documents_of_voc_name_images_that_are_there_by_a_link(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--split", "test", "--format", "none", "--export", "voc")
    assert run("--class", "Bear", *words).status == 0
    voc = tmp_path / "out/voc"
    (voc / "JPEGImages").symlink_to("../images")
    documents = sorted(voc.glob("Annotations/test/*.xml"))
    assert documents
    for document in documents:
        root = ET.parse(document).getroot()  # noqa: S314 - written here
        image = voc / (root.findtext("folder") or "") / (root.findtext("filename") or "")
        assert (image.is_file(), image.stem) == (True, document.stem)
    assert inprocess.verify(monkeypatch, tmp_path / "out").status == 0


class TestHowFarItGoes:
    @pytest.mark.parametrize(
        ("until", "there"),
        [
            ("metadata", {".shardmill"}),
            ("select", {".shardmill", "csv"}),
            ("masks", {".shardmill", "csv", "masks"}),
            ("images", {".shardmill", "csv", "masks", "images", "failures"}),
        ],
    )
    def test_it_stops_after_a_step(
        self, run: Run, bucket: Bucket, tmp_path: Path, until: str, there: set[str]
    ) -> None:
        ended = run("--class", "Bear", "--masks", "--until", until)
        assert ended.status == (4 if until == "images" else 0), ended.said
        assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == there
        assert bool(asked(bucket)) == (until == "images")

    def test_status_speaks_of_what_was_asked_for_last_though_it_was_complete(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bear = ("--class", "Bear", "--split", "validation", "--until")
        assert run(*bear, "images").status == 0
        for until in ("metadata", "select", "images"):
            ended = run(*bear, until)
            assert (ended.status, "already complete" in ended.said) == (0, until != "select")
            said = inprocess.shardmill(monkeypatch, "status", tmp_path / "out").said
            assert f"--until {until}" in said

    def test_a_dry_run_fetches_nothing_and_says_how_much_it_would_be(
        self, run: Run, bucket: Bucket, tmp_path: Path
    ) -> None:
        said = run("--class", "Bear", "--masks", "--dry-run")
        assert said.status == 0
        assert "train: Bear (/m/01dws): 7 images, 9 boxes, 7 masks" in said.said
        assert "train: masks to collect: up to 7, of 6 archives, nothing to fetch" in said.said
        assert "train: images to ask for: 7, about 2.06 MB" in said.said
        assert "to fetch: about 3.25 MB" in said.said
        assert (bucket.log, (tmp_path / "out").exists()) == ([], False)

    def test_a_dry_run_knows_what_is_there(self, run: Run, bucket: Bucket, tmp_path: Path) -> None:
        given = ("--class", "Bear", "--split", "train", "--until", "images")
        assert run(*given).status == 4
        before = len(bucket.log)
        said = run(*given, "--dry-run").said
        assert "train: images to ask for: none; 7 others are there, or known not to be" in said
        assert "to fetch: nothing" in said
        lost = min((tmp_path / "out" / "images" / "train").iterdir())
        lost.unlink()
        said = run(*given, "--dry-run").said
        assert "train: images to ask for: 1, about " in said
        said = run(*given, "--class", "Waffle", "--dry-run").said
        assert "train: images to ask for: 6, " in said  # 12, less those that are known
        lost.write_bytes((bucket.folder / "train" / lost.name).read_bytes())
        said = run(*given, "--class", "Waffle", "--dry-run").said
        assert len(bucket.log) == before
        assert run(*given, "--class", "Waffle").status == 4
        assert f"train: images to ask for: {len(asked(bucket, before))}, " in said

    def test_too_little_room_is_refused_before_the_first_image_is_fetched(
        self, run: Run, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(storage, "free_bytes", lambda _folder: 1_000_000)
        ended = run("--class", "Bear", "--until", "images")
        assert (ended.status, "too little space" in ended.said) == (1, True), ended.said
        assert "3,245,000 of images" in ended.said
        assert (tmp_path / "out" / "csv").exists()  # they are selected
        again = run("--class", "Bear", "--until", "images")
        assert (again.status, "too little space" in again.said) == (1, True)
        assert asked(bucket) == []

    def test_status_says_how_far_collecting_is(
        self, run: Run, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bucket.rule("train/", answer(503))
        assert run("--class", "Bear", "--tries", "1").status == 1
        said = inprocess.shardmill(monkeypatch, "status", tmp_path / "out")
        assert said.status == 1
        assert "train: images: 0 of 7 collected" in said.said
        assert "the same command goes on" in said.said


class TestUsage:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ((), "no class is chosen"),
            (("--class", "Bare"), "Bear"),
            (("--class", "Bear", "--no-boxes"), "--by masks or --by labels"),
            (("--class", "Bear", "--until", "masks"), "say --masks"),
            (("--class", "Bear", "--with-subclasses", "--merge-subclasses"), "contradict"),
            (("--class", "Bear", "--mask-size", "image"), "with --masks only"),
            (("--class", "Bear", "--out", "s3://bucket/x"), "s3://bucket/x"),
            (("--class", "Bear", "--until", "select", "--export", "coco"), "after the shards"),
            (("--class", "Bear", "--split", "trian"), "trian"),
            (("--class", "Bear", "--export", "imagefolder"), "is not one of"),
            (("--class", "Bear", "--export", "yolo-segments"), "say --masks"),
            (("--class", "Bear", "--masks", "--export", "yolo,yolo-segments"), "the same names"),
        ],
    )
    def test_what_cannot_be_is_refused_before_anything_is_asked_for(
        self, run: Run, bucket: Bucket, words: tuple[str, ...], said: str
    ) -> None:
        ended = run(*words)
        assert ended.status == 2, ended.said
        assert said in ended.said
        assert bucket.log == []

    def test_polygons_without_opencv_are_refused_before_anything_is_asked_for(
        self, run: Run, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "cv2", None)
        opencv.cv2.cache_clear()
        ended = run("--class", "Bear", "--masks", "--export", "yolo-segments")
        opencv.cv2.cache_clear()
        assert (ended.status, "pip install '.[opencv]'" in ended.said) == (2, True), ended.said
        assert bucket.log == []

    def test_no_image_at_all_is_a_usage_error(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "ids.txt").write_text("train/0000000000000000\n")
        ended = run("--class", "Bear", "--split", "train", "--ids", tmp_path / "ids.txt")
        assert ended.status == 2
        assert "no image is selected" in ended.said


def test_a_group_is_of_many_images() -> None:
    assert GROUP == 512  # a task an image would be a million tasks


def test_finished_images_are_known_without_their_metadata(
    run: Run, bucket: Bucket, openimages: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(openimages / "raw", raw)
    given = ("--class", "Bear", "--raw", raw, "--until", "images")
    assert run(*given).status == 4
    for csv in raw.glob("*annotations*.csv"):
        csv.unlink()
    before = len(bucket.log)
    assert run(*given).status == 4
    assert bucket.log[before:] == []


def test_a_split_that_is_named_twice_is_done_and_said_once(run: Run) -> None:
    said = run("--class", "Bear", "--split", "test,test", "--until", "select").said
    lines = [line for line in said.splitlines() if line.startswith("test: ")]
    assert lines
    assert len({*lines}) == len(lines)


def test_the_workers_reach_the_bucket_as_the_job_says(
    run: Run, bucket: Bucket, openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of their own, as a worker is: it knows nothing but the job."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    del run
    given = ("--class", "Bear", "--split", "test", "--until", "images", "--out", tmp_path / "out")
    store = ("--bucket", "s3://open-images-dataset", "--s3-endpoint", bucket.url)
    places = ("--raw", openimages / "raw", "--config", tmp_path / "config/openimages.toml")
    command = ["-m", "tasks.cli", "openimages", *map(str, (*given, *store, *places))]
    ended = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert asked(bucket)
    assert not any("authorization" in seen.headers for seen in bucket.log)
