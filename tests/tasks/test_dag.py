"""The DAG as Luigi sees it: alone, shared by two workers, and with nothing to do."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import forked
import inprocess
import pytest
from commands import prepare
from daemons import Luigid
from finishedoutputs import kept, prepared
from luigi.cmdline_parser import CmdlineParser
from support import (
    SHARDS,
    RawSet,
    command,
    products,
    temporary_files,
    timings,
)

from pipeline import storage
from pipeline.job.resolve import resolve
from pipeline.shards.write import UnpublishedShard
from tasks import (
    BoundingBoxes,
    ExtractClasses,
    ExtractTrain,
    ExtractTree,
    ImageList,
    Prepare,
    PrepareImageNet,
    ReorganiseValidation,
    SetCurrent,
    VerifyArchives,
    WriteManifest,
    WriteShards,
)
from tasks.prepare import leaf_tasks
from tasks.roots import prepare_task
from tasks.run import supervisor


def luigi_command(
    raw_set: RawSet, out: Path, *options: str, root: str = "PrepareImageNet"
) -> list[str]:
    return [
        *(sys.executable, "-m", "luigi", "--module", "tasks", root),
        *("--raw", str(raw_set.raw), "--config", str(raw_set.config), "--out", str(out)),
        *options,
    ]


def test_the_steps_one_by_one_make_what_the_whole_makes(small: RawSet, tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    roots = ("VerifyArchives", "BoundingBoxes", "ImageList", "ExtractTrain", "ReorganiseValidation")
    for name in (*roots, "PrepareImageNet"):
        words = luigi_command(small, steps, root=name)
        root = CmdlineParser(words[words.index(name) :]).get_task_obj()  # type: ignore[no-untyped-call]
        forked.forget_caches()
        inprocess.build([root])
        assert root.complete()
    assert products(steps) == products(kept(small, "--extract").out)


def test_two_workers_share_the_dag_through_a_luigid(small: RawSet, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    with Luigid(tmp_path) as luigid:
        arguments = ("--raw", small.raw, "--config", small.config, "--out", shared)
        scheduler = ("--scheduler-host", luigid.address, "--workers", "2")
        commands = [
            forked.ForkedPopen(
                command("imagenet", *arguments, *scheduler),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for started in commands:
            stdout, stderr = started.communicate(timeout=300)
            assert started.returncode == 0, stdout + stderr
    assert products(shared) == products(kept(small).out)
    assert temporary_files(shared) == []


def test_a_scheduler_that_dies_is_said_and_waited_for(
    small: RawSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_PROBE_S", 0.5)
    with Luigid(tmp_path) as luigid:
        where = ("--raw", small.raw, "--config", small.config, "--out", tmp_path / "out")
        shards = ("--shards", "train=12", "--shards", "validation=6")
        options = (*shards, "--workers", 1, "--scheduler-host", luigid.address)
        started = forked.ForkedPopen(
            command("imagenet", *where, *options), stderr=subprocess.PIPE, text=True
        )
        while not list((tmp_path / "out").glob("tfrecord/*/*/idx/*")):
            assert started.poll() is None
            time.sleep(0.01)
        luigid.kill()
        assert started.stderr is not None
        while "no Luigi scheduler answers" not in (line := started.stderr.readline()):
            assert line, "the command ended without a word"
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=60)
        assert started.returncode == 130


def test_two_identical_commands_at_once_both_succeed(small: RawSet, tmp_path: Path) -> None:
    together = tmp_path / "together"
    arguments = ("--raw", small.raw, "--config", small.config, "--out", together)
    commands = [
        forked.ForkedPopen(command("imagenet", *arguments), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for started in commands:
        _, stderr = started.communicate(timeout=300)
        assert started.returncode == 0, stderr
    assert products(together) == products(kept(small).out)
    assert temporary_files(together) == []


def test_luigi_does_not_try_again_what_will_not_pass(
    small: RawSet, tmp_path: Path, out: Path
) -> None:
    broken = small.copy(tmp_path / "broken")
    archive = broken.raw / "ILSVRC2012_img_train.tar"
    content = bytearray(archive.read_bytes())
    content[5000] ^= 1
    archive.write_bytes(content)
    run = forked.run(luigi_command(broken, out, "--local-scheduler", "--workers", "2"))
    assert run.returncode == 30, run.stderr
    started = [line for line in run.stderr.splitlines() if "running   VerifyArchive" in line]
    assert sum("img_train" in line for line in started) == 1


def test_a_leaf_requires_a_fixed_number_of_tasks(sample: RawSet, out: Path) -> None:
    tasks = leaf_tasks(sample.job(out, steps=("extract", "shards")))
    for (manifest,) in (task.requires() for task in tasks if isinstance(task, SetCurrent)):
        assert isinstance(manifest, WriteManifest)
        leaves = [leaf for leaf in manifest.requires() if isinstance(leaf, WriteShards)]
        assert len(leaves) == len(manifest.requires())
        assert all(len(leaf.requires()) == 3 for leaf in leaves)
        written = [shard for leaf in leaves for shard in range(leaf.first, leaf.stop)]
        assert written == list(range(manifest.split_job.shards))
    trees = [task for task in tasks if isinstance(task, ExtractTree)]
    assert [tree.split for tree in trees] == ["train", "validation"]
    groups = [group for tree in trees for group in tree.requires()]
    assert all(isinstance(leaf, ExtractClasses) and len(leaf.requires()) == 3 for leaf in groups)


def test_a_shard_is_published_while_the_next_one_is_written_where_it_is_sent(
    sample: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, threads = UnpublishedShard.publish, list[str]()

    def published(shard: UnpublishedShard) -> None:
        threads.append(threading.current_thread().name)
        publish(shard)

    monkeypatch.setattr(UnpublishedShard, "publish", published)
    assert prepare(sample, out, *SHARDS).returncode == 0
    assert {threading.main_thread().name} == set(threads)
    undisturbed = products(out)
    (out / "tfrecord/train/current/train-00000-of-00048").unlink()
    (out / "tfrecord/train/current/train-00001-of-00048").unlink()
    threads.clear()
    monkeypatch.setattr(storage, "is_sent", Mock(return_value=True))
    assert prepare(sample, out, *SHARDS).returncode == 0
    assert products(out) == undisturbed
    assert [name.startswith("publish") for name in threads] == [True, True]


def test_of_shards_that_share_a_task_only_the_one_that_is_gone_is_made_again(
    sample: RawSet, out: Path
) -> None:
    prepared(sample, out, *SHARDS)
    undisturbed = products(out)
    assert resolve(sample.job(out, shards=(("train", 48),))).splits["train"].shard_groups()[0] == (
        0,
        6,
    )
    for shard in (0, 3, 5):
        before = timings(out)
        (out / f"tfrecord/train/current/train-{shard:05d}-of-00048").unlink()
        assert prepare(sample, out, *SHARDS).returncode == 0
        assert products(out) == undisturbed
        made = [timing.name for timing in timings(out) if timing not in before]
        assert [name for name in made if name.startswith("train ")] == [f"train {shard}"]


def test_options_survive_the_way_through_luigis_parameters(sample: RawSet, out: Path) -> None:
    given = {
        "--raw": str(sample.raw),
        "--out": str(out),
        "--config": str(sample.config),
        "--split": "train,validation",
        "--shards": "train=16,validation=8",
        "--order": "inception",
        "--inception-threads": "4",
        "--label-offset": "0",
        "--extras": "validation-boxes",
        "--until": "lists",
        "--on-bad-image": "skip",
    }
    flags = ["--box-class-filter", "--skip-blacklisted", "--replace"]
    words = ["PrepareImageNet", *(word for pair in given.items() for word in pair), *flags]
    root = CmdlineParser(words).get_task_obj()  # type: ignore[no-untyped-call]
    assert isinstance(root, PrepareImageNet)
    assert root.job == sample.job(
        out,
        splits=("train", "validation"),
        steps=("boxes", "lists"),
        shards=(("train", 16), ("validation", 8)),
        order="inception",
        inception_threads=4,
        label_offset=0,
        extras=("validation-boxes",),
        box_class_filter=True,
        skip_blacklisted=True,
        replace=True,
        on_bad_image="skip",
    )
    job = root.job
    parameters = prepare_task(job).to_str_params()  # type: ignore[no-untyped-call]
    rebuilt = Prepare.from_str_params(parameters)  # type: ignore[no-untyped-call]
    assert rebuilt.job == job


@pytest.mark.parametrize(
    ("root", "made"),
    [
        (VerifyArchives, []),
        (BoundingBoxes, ["bboxes-train"]),
        (ImageList, ["list-train", "list-validation", "labels"]),
        (ExtractTrain, ["tree-train"]),
        (ReorganiseValidation, ["tree-validation"]),
        (
            PrepareImageNet,
            ["bboxes-train", "unmatched-train", "list-train", "list-validation", "labels"],
        ),
    ],
)
def test_each_step_is_a_root_of_its_own(
    sample: RawSet, out: Path, root: Any, made: list[str]
) -> None:
    task = root(raw=str(sample.raw), out=str(out), config=str(sample.config))
    assert sorted(p.name for p in resolve(task.job).products) == sorted(made)
    assert (root is PrepareImageNet) == task.job.wants("shards")


def test_tasks_of_jobs_that_make_the_same_are_the_same_task(
    sample: RawSet, out: Path, tmp_path: Path
) -> None:
    moved = sample.copy(tmp_path / "moved")
    first, second = (
        [task.task_id for task in leaf_tasks(raw_set.job(out))] for raw_set in (sample, moved)
    )
    assert first == second
