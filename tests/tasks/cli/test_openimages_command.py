"""`shardmill openimages`: two phases, what each run asks for, what it says, and how it ends."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree as ET

import inprocess
import pytest
from luigi.task_register import Register
from openimagesbucket import Bucket, answer, denied, held

import tasks  # noqa: F401 - registers Luigi's roots
from pipeline import paths, storage
from pipeline.errors import NoPermission
from pipeline.images import opencv
from pipeline.sources.openimages.tables import GROUP
from pipeline.state import run_end

Run = Callable[..., inprocess.Ran]


@pytest.fixture
def bucket(openimages: Path) -> Iterator[Bucket]:
    with Bucket(openimages / "bucket", openimages / "raw") as bucket:
        yield bucket


@pytest.fixture
def run(bucket: Bucket, openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command, whose metadata is in a folder and whose images come from the server."""
    config = bucket.configure(openimages, tmp_path / "config")

    def command(*words: object, out: Path = tmp_path / "out") -> inprocess.Ran:
        storage.renew()
        given = ("--config", config, "--raw", openimages / "raw", "--out", out)
        return inprocess.shardmill(monkeypatch, "openimages", *given, *words)

    return command


def images(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.glob("images/*/*.jpg")}


def asked(bucket: Bucket, since: int = 0) -> list[str]:
    return sorted(seen.path for seen in bucket.log[since:] if seen.path.endswith(".jpg"))


def files_of(out: Path) -> dict[str, bytes]:
    """What lies in OUT, but for what says of a host, a time or a place."""
    paths = (path for path in out.rglob("*") if path.is_file() and ".shardmill" not in path.parts)
    kept = (path for path in paths if "failures" not in path.parts and path.name != "manifest.json")
    return {str(path.relative_to(out)): path.read_bytes() for path in kept}


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


class TestWhatDoesNotCome:
    def test_images_without_an_answer_leave_it_incomplete_and_the_same_command_goes_on(
        self, run: Run, bucket: Bucket, tmp_path: Path
    ) -> None:
        bucket.rule("train/4", answer(503))
        first = run("--class", "Bear", "--tries", "2", "--until", "images")
        assert first.status == 1
        assert "no answer for 1 image" in first.said
        there = set(images(tmp_path / "out"))
        assert len(there) >= 5
        bucket.forget()
        assert run("--class", "Bear", "--tries", "2", "--until", "images").status == 4
        assert [path for path in asked(bucket) if f"images/{path}" in there] == []
        assert there < set(images(tmp_path / "out"))

    def test_a_split_none_of_whose_images_is_there_does_not_stop_the_others(
        self, run: Run, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bucket.rule("test/", answer(404))
        words = ("--class", "Bear", "--split", "test", "--split", "validation")
        for how in ("complete", "already complete"):
            ended = run(*words)
            assert ended.status == 4, ended.said
            assert f"validation: {how}, " in ended.said
            assert "test: none of its " in ended.said
        assert (tmp_path / "out/tfrecord/validation/current").exists()
        assert not (tmp_path / "out/tfrecord/test").exists()
        said = inprocess.shardmill(monkeypatch, "status", tmp_path / "out")
        assert said.status == 4, said.said
        refused = run(*words, "--on-bad-image", "fail")
        assert refused.status == 3, refused.said

    def test_a_bucket_that_gives_nothing_out_is_named(self, run: Run, bucket: Bucket) -> None:
        bucket.rule("", denied)
        classes = (word for name in ("Bear", "Waffle", "Car") for word in ("--class", name))
        ended = run(*classes, "--until", "images")
        assert ended.status == 2
        assert "no image is given out" in ended.said
        assert bucket.images in ended.said

    def test_offline_names_every_missing_file_at_once(
        self, run: Run, bucket: Bucket, tmp_path: Path
    ) -> None:
        ended = run("--class", "Bear", "--offline", "--raw", tmp_path / "empty")
        assert ended.status == 3
        assert ended.said.count(" bytes) from http") >= 4
        assert bucket.log == []


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


def test_another_command_at_work_is_left_alone_when_that_is_asked_for(
    run: Run, bucket: Bucket, tmp_path: Path
) -> None:
    with storage.shared_lock(paths.run_lock(tmp_path / "out"), claim=True):
        ended = run("--class", "Bear", "--no-overlap")
    assert (ended.status, bucket.log) == (10, [])
    assert "another command is at work" in ended.said


def test_a_finished_output_that_may_not_be_written_is_complete(
    run: Run, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def not_permitted(path: Path, *_: object, **__: object) -> NoReturn:
        raise NoPermission("not permitted (Read-only file system)", file=str(path))

    for until in ("images", "shards"):
        given = ("--class", "Bear", "--split", "train", "--until", until)
        assert run(*given).status == 4  # one image is absent
        before = len(bucket.log)
        next(tmp_path.rglob("failures/train.txt")).unlink()  # as another selection has others
        with monkeypatch.context() as patch:
            for name in ("shared_lock", "StagedFile"):
                patch.setattr(storage, name, not_permitted)
            again = run(*given)
        assert (again.status, bucket.log[before:]) == (4, []), again.said
        assert "already complete" in again.said


def test_an_interrupted_command_goes_on_where_it_was(
    run: Run, bucket: Bucket, openimages: Path, tmp_path: Path
) -> None:
    gate = threading.Event()
    bucket.rule("train/", held(gate))
    given = ("--class", "Bear", "--until", "images", "--raw", openimages / "raw")
    words = [*given, "--config", tmp_path / "config/openimages.toml", "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "tasks.cli", "openimages", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        deadline = time.monotonic() + 60
        while not bucket.requests("train/") and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        time.sleep(1.0)
        gate.set()
        said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 130, said
    assert "the same command goes on" in said
    assert run("--class", "Bear", "--until", "images").status == 4


def test_what_preparing_refuses_is_the_end_of_the_command_and_skipping_fetches_nothing(
    run: Run, bucket: Bucket, tmp_path: Path
) -> None:
    given = ("--class", "Bear", "--split", "train")
    refused = run(*given, "--on-bad-image", "fail")
    assert (refused.status, "1 image has no file" in refused.said) == (3, True)
    end = run_end.last(tmp_path / "out")
    assert end is not None
    assert (end.status, "1 image has no file" in end.reason) == (3, True)
    before = len(bucket.log)
    assert run(*given).status == 4
    assert bucket.log[before:] == []


def test_each_step_is_a_root_of_luigi(
    openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"raw": str(openimages / "raw"), "config": str(openimages / "openimages.toml")}
    family: Any = Register.get_task_cls("SelectOpenImages")  # type: ignore[no-untyped-call]
    root = family(out=str(tmp_path / "out"), classes=_classes(tmp_path), **given)
    monkeypatch.setenv("SHARDMILL_RUN", "20260101-000000-host-1")
    assert not root.complete()
    inprocess.build([root])
    assert root.complete()
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {
        *(".shardmill", "csv")
    }


def _classes(folder: Path) -> str:
    (folder / "classes.txt").write_text("Bear\n")
    return str(folder / "classes.txt")


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


def test_failures_are_those_of_the_command_that_ran_last(run: Run, tmp_path: Path) -> None:
    words = ("--split", "validation", "--until", "images", "--class")
    listed = tmp_path / "out" / "failures" / "validation.txt"
    assert run(*words, "Bear").status == 0
    assert (run(*words, "Car").status, listed.read_text()) == (4, "validation/f2bd962f35aa664d\n")
    assert (run(*words, "Bear").status, listed.read_text()) == (0, "")  # nothing to collect
    assert (run(*words, "Car").status, listed.read_text()) == (4, "validation/f2bd962f35aa664d\n")


def test_no_task_fails_where_luigi_runs_all_steps(openimages: Path, tmp_path: Path) -> None:
    """A split's tasks are known when it is selected: Luigi fails one that then requires more."""
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml")
    words = ("--out", tmp_path / "out", "--class", "Bear", "--split", "test", "--local-scheduler")
    command = [sys.executable, "-m", "luigi", "--module", "tasks", "PrepareOpenImages"]
    ran = subprocess.run(
        [*command, *map(str, (*where, *words))], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, "no failed tasks" in ran.stderr) == (0, True), ran.stderr
