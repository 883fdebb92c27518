"""``--until plan``: everything but shards, of every source, known to who writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import prepare, shardmill
from drawnlists import draw_list
from support import RawSet

from pipeline import paths
from pipeline.formats.registry import FORMATS
from pipeline.job.build import build_job, command_words
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.job.table.option import LIST, OPEN, SET
from pipeline.shards import terms

PLAN = ("--until", "plan")


def shard_files(out: Path) -> set[str]:
    return {path.name for name in FORMATS for path in (out / name).rglob("*-of-*")}


def test_a_set_is_planned_and_no_shard_is_made(small: RawSet, out: Path) -> None:
    run = prepare(small, out, *PLAN, "--format", "tfrecord,recordio", "--shards", "train=3")
    assert run.returncode == 0, run.stderr
    assert "train: complete, planned: " in run.stdout
    assert " in 3 shards" in run.stdout
    assert (out / "bboxes.csv").exists()
    assert (out / "lists" / "train.lst").exists()
    assert shard_files(out) == set()
    job = small.job(out, formats=("tfrecord", "recordio"), shards=(("train", 3),))
    for split in resolve(job).splits.values():
        assert paths.plan_mark(out, split.name, split.plan_digest).exists()
        assert terms.kept(out, split) == terms.of(split)


def test_what_is_planned_is_said_again_and_then_taken(small: RawSet, out: Path) -> None:
    assert prepare(small, out, *PLAN).returncode == 0
    again = prepare(small, out, *PLAN)
    assert (again.returncode, again.stderr) == (0, "")
    assert "already complete, planned: " in again.stdout
    status = shardmill("status", out)
    assert status.returncode == 0
    assert "--until plan" in status.stdout
    assert "train (plan " in status.stdout
    assert "): complete, " in status.stdout
    dry = prepare(small, out, "--dry-run")
    assert "would run: write " in dry.stdout
    assert "plan," not in dry.stdout


def test_a_dry_run_says_what_a_plan_takes(small: RawSet, out: Path) -> None:
    dry = prepare(small, out, *PLAN, "--dry-run")
    assert dry.returncode == 0
    assert "): pending, " in dry.stdout
    assert "would run: verify the archive, build the catalog, plan, note what writes" in dry.stdout
    assert not out.exists()


def test_plans_are_told_to_programs(small: RawSet, out: Path) -> None:
    assert prepare(small, out, *PLAN, "--shards", "train=3").returncode == 0
    told = json.loads(shardmill("status", out, "--json").stdout)
    (train,) = (plan for plan in told["plans"] if plan["split"] == "train")
    assert (train["shards"], train["complete"], train["would_run"]) == (3, True, [])


def test_a_list_is_planned(tmp_path: Path, out: Path) -> None:
    drawn = draw_list(tmp_path / "drawn", images=8)
    words = (LIST, drawn.path, "--root", drawn.root, "--out", out, "--shards", 2)
    run = shardmill(*words, *PLAN)
    assert run.returncode == 0, run.stderr
    assert "complete, planned: 8 images in 2 shards" in run.stdout
    assert shard_files(out) == set()
    assert shardmill(*words).returncode == 0
    assert len(shard_files(out)) == 2


def test_exports_wait_for_the_shards(small: RawSet, out: Path) -> None:
    run = prepare(small, out, *PLAN, "--export", "parquet")
    assert run.returncode == 0, run.stderr
    assert shard_files(out) == set()
    assert not [mark for mark in paths.product_marks(out).iterdir() if "parquet" in mark.name]
    assert prepare(small, out, "--until", "lists", "--export", "parquet").returncode == 2


def test_open_images_are_collected_and_planned(openimages: Path, out: Path) -> None:
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml")
    run = shardmill(OPEN, *where, "--out", out, "--class", "Bear", *PLAN)
    assert run.returncode in {0, 4}, run.stdout + run.stderr
    assert "planned: " in run.stdout
    assert shard_files(out) == set()
    dry = shardmill(OPEN, *where, "--out", out, "--class", "Bear", "--dry-run")
    assert "would run: write " in dry.stdout
    assert "build the catalog" not in dry.stdout


@pytest.mark.parametrize(
    ("command", "given"),
    [
        (SET, {"raw": "/raw", "out": "/out"}),
        (SET, {"raw": "/raw", "out": "/out", "extract": True}),
        (OPEN, {"out": "/out", "class": ("Bear",)}),
    ],
)
def test_the_printed_command_says_it(command: str, given: dict[str, object]) -> None:
    words = command_words(build_job(command, {**given, "until": "plan"}))
    assert words is not None
    assert words[words.index("--until") + 1] == "plan"


def test_a_plan_changes_no_digest_of_what_is_planned(small: RawSet, out: Path) -> None:
    full = resolve(small.job(out))
    planned = resolve(small.job(out, steps=("boxes", "lists", "plan")))
    for name, split in full.splits.items():
        assert planned.splits[name].plan_digest == split.plan_digest
        assert planned.splits[name].outputs == split.outputs
    assert planned.digest != full.digest
    assert planned.digest != resolve(small.job(out, steps=("boxes", "lists"))).digest
    assert Job.from_json(planned.job.to_json()) == planned.job
