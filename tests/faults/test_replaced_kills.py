"""A command that is killed while it puts a replaced image into its outputs."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from drawnlists import encoded, lay, stored
from drawntrees import put_another_in_place
from filetimes import age
from killing import kill_tree
from support import command, products, shardmill, temporary_files

from pipeline import paths

FORMATS = ("recordio", "webdataset")
OPTIONS = ("--shards", 12, "--workers", 2, *(f"--format={name}" for name in FORMATS))
ROUNDS = 2


def start_and_kill(images: Path, out: Path, pause: float) -> None:
    """Start the command and kill all of it, a moment after the first manifest is gone."""
    manifests = [paths.manifest(path) for path in out.glob("*/img/*") if path.name != "current"]
    assert len(manifests) == len(FORMATS)
    started = psutil.Popen(
        command("imagelist", images, "--out", out, *OPTIONS),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while started.poll() is None and all(path.exists() for path in manifests):
        time.sleep(0.0005)
    time.sleep(pause)
    psutil.wait_procs(kill_tree(started))


@pytest.mark.usefixtures("hurried")
def test_leaves_no_format_complete_with_the_old_one(tmp_path: Path, chance: random.Random) -> None:
    images = tmp_path / "img"
    for number in range(36):
        lay(images / f"{number}.jpg", encoded(number))
    age(images)
    finished = tmp_path / "finished"
    run = shardmill("imagelist", images, "--out", finished, *OPTIONS)
    assert run.returncode == 0, run.stderr
    replaced = [images / f"{number}.jpg" for number in range(3, 36, 4)]
    old = {path.read_bytes() for path in replaced}
    new = {put_another_in_place(path, 0) for path in replaced}
    run = shardmill("imagelist", images, "--out", tmp_path / "fresh", *OPTIONS)
    assert run.returncode == 0, run.stderr
    for number in range(ROUNDS):
        out = tmp_path / f"out-{number}"
        shutil.copytree(finished, out, symlinks=True)
        start_and_kill(images, out, chance.uniform(0, 1.5 * number))  # the first time at once
        for name in FORMATS:
            current = paths.current(out, name, "img")
            if paths.manifest(current).exists() and not paths.withdrawal(out).exists():
                held = {image for _, image in stored(out, name, "img")}
                assert new <= held
                assert not old & held
        run = shardmill("imagelist", images, "--out", out, *OPTIONS)
        assert run.returncode == 0, run.stderr
        assert products(out) == products(tmp_path / "fresh")
        assert temporary_files(out) == []
