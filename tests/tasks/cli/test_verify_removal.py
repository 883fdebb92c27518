"""``shardmill verify --remove-damaged``: what goes, what stays, and the command that mends it."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import click
import pytest
from commands import prepare, shardmill
from finishedoutputs import kept, prepared
from support import RawSet, products

from pipeline import paths, storage
from pipeline.images.prepare import ImageOptions
from pipeline.job import build
from pipeline.job.options import Job
from pipeline.state.ownership import Catalogued, is_owned
from tasks.cli.imagenet import imagenet
from tasks.cli.rerun_command import command_line


@pytest.fixture(scope="module")
def finished(small: RawSet) -> Path:
    return kept(small, "--extract").out


@pytest.fixture
def copied(small: RawSet, out: Path) -> Path:
    prepared(small, out, "--extract")
    return out


def flip(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes([content[100] ^ 4]) + content[101:])
    return path


def test_damaged_files_are_named_and_removed_and_the_command_makes_them_again(
    small: RawSet, finished: Path, copied: Path
) -> None:
    current = copied / "tfrecord/train/current"
    damaged = [
        flip(next(current.resolve().glob("train-00002-*"))),
        flip(current.resolve() / "facts.parquet"),
        flip(copied / "lists/train.lst"),
        flip(min((copied / "train").glob("*/*.JPEG"))),
    ]
    run = shardmill("verify", copied, "--remove-damaged")
    assert run.returncode == 1
    for path in damaged:
        assert str(path) in run.stderr
        assert f"removed: {path}\n" in run.stdout
        assert not path.exists()
    assert run.stdout.count("removed: ") == len(damaged)
    mending = run.stdout.splitlines()[-1].strip()
    assert shardmill(*shlex.split(mending)[1:]).returncode == 0
    assert products(copied) == products(finished)
    assert shardmill("verify", copied, "--against", small.raw).returncode == 0


def test_a_damaged_mark_of_a_product_stays_and_the_same_command_replaces_it(
    small: RawSet, finished: Path, copied: Path
) -> None:
    mark = flip(paths.product_mark(copied, "tree-train"))
    run = shardmill("verify", copied, "--remove-damaged")
    assert run.returncode == 1
    assert f"left alone: {mark}\n" in run.stdout
    assert prepare(small, copied, "--extract").returncode == 0
    assert products(copied) == products(finished)
    assert shardmill("verify", copied).returncode == 0


def test_every_file_that_a_job_leaves_is_known_as_its_own(finished: Path) -> None:
    kept = {"runs", "run.lock"}  # of commands, which nothing removes file by file
    written = [path for path in finished.rglob("*") if path.is_file() or path.is_symlink()]
    images = Catalogued(finished, {path.parent.name for path in written})
    assert len(written) > 60
    for path in written:
        image = (path.parent.name, path.name) in images
        assert image or kept & set(path.parts) or is_owned(finished, path), path


def test_nothing_is_removed_from_an_intact_output(copied: Path) -> None:
    before = products(copied)
    run = shardmill("verify", copied, "--remove-damaged")
    assert run.returncode == 0
    assert "removed: " not in run.stdout
    assert products(copied) == before


def test_nothing_is_removed_without_the_option(copied: Path) -> None:
    damaged = flip(copied / "lists/train.lst")
    assert shardmill("verify", copied).returncode == 1
    assert damaged.exists()


def test_nothing_is_removed_while_a_command_is_at_work(copied: Path) -> None:
    damaged = flip(copied / "lists/train.lst")
    with storage.shared_lock(paths.run_lock(copied)):
        run = shardmill("verify", copied, "--remove-damaged")
    assert run.returncode == 2
    assert "at work" in run.stderr
    assert damaged.exists()


def test_images_that_were_moved_there_are_never_removed(
    small: RawSet, tmp_path: Path, out: Path
) -> None:
    tree = tmp_path / "tree"
    made = prepare(small, tree, "--split", "train", "--extract", "--until", "extract")
    assert made.returncode == 0, made.stderr
    shutil.rmtree(tree / ".shardmill")
    moving = ("--transfer", "move", "--until", "extract", "--no-boxes", "--split", "train")
    options = ("--config", small.config, "--out", out, *moving)
    run = shardmill("imagenet", "--tree", tree, *options)
    assert run.returncode == 0, run.stderr
    damaged = flip(min((out / "train").glob("*/*.JPEG")))
    run = shardmill("verify", out, "--remove-damaged")
    assert run.returncode == 1
    assert f"left alone: {damaged}\n" in run.stdout
    assert damaged.exists()


def test_a_shard_whose_source_has_changed_is_not_removed(
    small: RawSet, copied: Path, tmp_path: Path
) -> None:
    raw = small.copy(tmp_path / "raw").raw
    archive = raw / "ILSVRC2012_img_val.tar"
    content = bytearray(archive.read_bytes())
    content[2000] ^= 1  # in the first image
    archive.write_bytes(content)
    before = products(copied)
    run = shardmill("verify", copied, "--against", raw, "--remove-damaged")
    assert run.returncode == 1
    assert "its source is not what it was when its archive was verified" in run.stderr
    assert products(copied) == before
    assert archive.read_bytes() == content


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"steps": ("verify",)},
        {"steps": ("boxes",)},
        {"steps": ("boxes", "lists", "extract"), "transfer": "copy"},
        {"steps": ("boxes", "lists", "extract", "shards"), "replace": True},
        {"steps": ("lists", "shards"), "boxes": False},
        {"splits": ("train", "validation"), "shards": (("train", 7), ("validation", 2))},
        {"order": "inception", "inception_threads": 4, "label_offset": 0},
        {"seed": 3, "on_bad_image": "skip", "skip_blacklisted": True, "extras": ("devkit",)},
        {"raw": "", "tree": "/a tree/of images", "classes": "/chosen.txt"},
        {"config": "/other.toml", "box_class_filter": True},
        {"formats": ("recordio", "webdataset"), "labels": "detection", "joined": True},
        {"image": ImageOptions(resize=256, quality=90, never_enlarge=True, color=0)},
    ],
)
def test_a_job_is_told_as_the_command_that_asks_for_it(options: dict[str, object]) -> None:
    given: dict[str, object] = {"raw": "/raw", "out": "/out", "config": build.default_config()}
    job = Job(**(given | options))  # type: ignore[arg-type]
    line = command_line(job)
    assert line is not None
    program, name, *words = shlex.split(line.offer)
    assert (program, name) == ("shardmill", "imagenet")
    context = imagenet.make_context(name, words, resilient_parsing=False)
    assert isinstance(context, click.Context)
    assert build.build_job(name, context.params) == job


def test_a_job_that_only_luigi_can_do_is_told_as_no_command() -> None:
    job = Job(raw="/raw", out="/out", config="", steps=("extract",), boxes=False)
    assert command_line(job) is None
