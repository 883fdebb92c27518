"""`shardmill openimages`: how it ends where something does not come, and goes on after that."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

import inprocess
import pytest
from openimagesbucket import Bucket, answer, denied, held
from openimagesruns import Run, asked, images

from pipeline import paths, storage
from pipeline.errors import NoPermission
from pipeline.state import run_end

pytest_plugins = ("openimagesfixtures",)


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


def test_failures_are_those_of_the_command_that_ran_last(run: Run, tmp_path: Path) -> None:
    words = ("--split", "validation", "--until", "images", "--class")
    listed = tmp_path / "out" / "failures" / "validation.txt"
    assert run(*words, "Bear").status == 0
    assert (run(*words, "Car").status, listed.read_text()) == (4, "validation/f2bd962f35aa664d\n")
    assert (run(*words, "Bear").status, listed.read_text()) == (0, "")  # nothing to collect
    assert (run(*words, "Car").status, listed.read_text()) == (4, "validation/f2bd962f35aa664d\n")
