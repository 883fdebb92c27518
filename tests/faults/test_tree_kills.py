"""Trees, boxes and lists under kills: a class folder is complete or absent, nothing is lost."""

from __future__ import annotations

import random
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from killing import kill_tree
from support import RawSet, command, prepare, products, shardmill, temporary_files

from pipeline.sample.draw import draw_sample

ROUNDS = 3
EXTRACT = ("--extract", "--no-boxes", "--until", "extract")
VALIDATION = "ILSVRC2012_img_val.tar"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> RawSet:
    """A sample of more images, for an extraction that takes long enough to be killed."""
    raw = tmp_path_factory.mktemp("crowd")
    config = draw_sample(
        raw, train_classes=12, images_per_class=60, validation_images=240, quirks=False
    )
    return RawSet(raw, config)


def appears(folder: Path, pattern: str) -> Callable[[], bool]:
    return lambda: any(folder.glob(pattern))


def start_and_kill(arguments: list[object], pause: float, begun: Callable[[], bool]) -> None:
    """Start a command and kill all of it a moment after it has begun."""
    said = subprocess.DEVNULL
    started = psutil.Popen(command(*arguments), stdout=said, stderr=said)
    while started.poll() is None and not begun():
        time.sleep(0.0005)
    time.sleep(pause)
    psutil.wait_procs(kill_tree(started))


@pytest.mark.usefixtures("hurried")
def test_a_class_folder_is_complete_or_absent_whenever_the_job_is_killed(
    crowd: RawSet, tmp_path: Path, chance: random.Random
) -> None:
    assert prepare(crowd, tmp_path / "undisturbed", *EXTRACT).returncode == 0
    undisturbed = products(tmp_path / "undisturbed")
    folders = {
        str(folder.relative_to(tmp_path / "undisturbed")): len(list(folder.iterdir()))
        for folder in (tmp_path / "undisturbed").glob("*/n*")
    }
    in_the_middle = 0
    for number in range(ROUNDS):
        pause = chance.uniform(0, 0.02 * number)  # the first time at once
        out = tmp_path / f"out-{number}"
        where = ("--raw", crowd.raw, "--config", crowd.config, "--out", out)
        start_and_kill(["imagenet", *where, *EXTRACT], pause, appears(out, "*/.n*.tmp"))
        in_the_middle += any(out.glob("*/.n*.tmp"))
        for name, count in folders.items():
            folder = out / name
            assert not folder.exists() or len(list(folder.iterdir())) == count
        run = prepare(crowd, out, *EXTRACT)
        assert run.returncode == 0, run.stderr
        assert products(out) == undisturbed
        assert not [*out.glob("*/.*"), *temporary_files(out)]
    assert in_the_middle > 0


@pytest.mark.usefixtures("hurried")
def test_a_move_that_is_killed_loses_no_image(
    crowd: RawSet, tmp_path: Path, chance: random.Random
) -> None:
    options = ("--split", "validation", *EXTRACT, "--transfer", "move")
    with tarfile.open(crowd.raw / VALIDATION) as tar:
        tar.extractall(tmp_path / "flat", filter="data")
    contents = {path.name: path.read_bytes() for path in (tmp_path / "flat").iterdir()}
    for number in range(ROUNDS):
        pause = chance.uniform(0, 0.02 * number)
        tree = tmp_path / f"tree-{number}"
        with tarfile.open(crowd.raw / VALIDATION) as tar:
            tar.extractall(tree / "val", filter="data")
        arguments = ["--tree", tree, "--config", crowd.config, "--out", tree, *options]
        start_and_kill(["imagenet", *arguments], pause, appears(tree, "val/.n*.tmp"))
        kept = {path.name: path.read_bytes() for path in (tree / "val").rglob("*.JPEG")}
        assert kept == contents
        run = shardmill("imagenet", *arguments)
        assert run.returncode == 0, run.stderr
        moved = {path.name: path.read_bytes() for path in (tree / "val").glob("n*/*.JPEG")}
        assert moved == contents
        assert [path for path in (tree / "val").iterdir() if not path.is_dir()] == []


@pytest.mark.usefixtures("hurried")
def test_boxes_and_lists_are_whole_or_absent_whenever_the_job_is_killed(
    crowd: RawSet, tmp_path: Path, chance: random.Random
) -> None:
    steps = ("--until", "lists")
    assert prepare(crowd, tmp_path / "undisturbed", *steps).returncode == 0
    undisturbed = products(tmp_path / "undisturbed")
    for number in range(ROUNDS):
        pause = chance.uniform(0, 0.02 * number)  # the first time at once
        out = tmp_path / f"out-{number}"
        where = ("--raw", crowd.raw, "--config", crowd.config, "--out", out)
        start_and_kill(["imagenet", *where, *steps], pause, appears(out, ".shardmill/products/*"))
        left = {name: value for name, value in products(out).items() if ".tmp" not in name}
        assert left.items() <= undisturbed.items()
        run = prepare(crowd, out, *steps)
        assert run.returncode == 0, run.stderr
        assert products(out) == undisturbed


@pytest.mark.usefixtures("hurried")
def test_two_identical_extractions_at_once_both_succeed(crowd: RawSet, tmp_path: Path) -> None:
    together, alone = tmp_path / "together", tmp_path / "alone"
    assert prepare(crowd, alone, *EXTRACT).returncode == 0
    where = ("--raw", crowd.raw, "--config", crowd.config, "--out", together)
    started = [
        subprocess.Popen(command("imagenet", *where, *EXTRACT), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for each in started:
        _, stderr = each.communicate(timeout=300)
        assert each.returncode == 0, stderr
    assert products(together) == products(alone)
    assert temporary_files(together) == []
