"""``shardmill status``: done, missing, what would run."""

from __future__ import annotations

from pathlib import Path

from commands import prepare, shardmill
from finishedoutputs import prepared
from support import RawSet


def test_a_finished_output_is_said_to_be_complete(small: RawSet, out: Path) -> None:
    prepared(small, out)
    run = shardmill("status", out)
    assert run.returncode == 0
    assert run.stdout.count("complete, ") == 2
    assert "would run" not in run.stdout
    assert "no command is at work" in run.stdout


def test_what_is_missing_is_counted_and_what_would_run_is_said(small: RawSet, out: Path) -> None:
    prepared(small, out)
    next((out / "tfrecord/train/current/").glob("train-00001-*")).unlink()
    run = shardmill("status", out)
    assert run.returncode == 1
    assert "3 of 4 shards" in run.stdout
    assert "would run: write 1 shard, write the manifest" in run.stdout


def test_it_speaks_of_the_job_that_was_started_last(small: RawSet, out: Path) -> None:
    prepared(small, out, "--split", "train")
    assert prepare(small, out, "--split", "validation").returncode == 0
    lines = shardmill("status", out).stdout.splitlines()
    train = [line for line in lines if "train" in line]
    assert len(train) == 1
    assert train[0].startswith("asked for earlier: train (tfrecord")


def test_a_folder_that_knows_no_job_is_a_usage_error(tmp_path: Path) -> None:
    run = shardmill("status", tmp_path)
    assert run.returncode == 2
    assert "--out" in run.stderr
