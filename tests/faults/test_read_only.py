"""RAW on a file system that cannot be written; OUT on one that cannot either."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import RawSet, prepare, products, shardmill


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """Mount a small file system for a while."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("a file system can only be mounted by root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def read_only(sample: RawSet, tmp_path: Path) -> Iterator[RawSet]:
    """The sample on a file system that is mounted read-only."""
    folder = tmp_path / "disk"
    with mounted(folder):
        shutil.copytree(sample.raw, folder / "raw")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield RawSet(folder / "raw", folder / "raw" / sample.config.name)


def test_the_archives_may_lie_where_nothing_can_be_written(
    sample: RawSet, read_only: RawSet, tmp_path: Path
) -> None:
    assert prepare(sample, tmp_path / "usual").returncode == 0
    run = prepare(read_only, tmp_path / "out")
    assert run.returncode == 0, run.stderr
    assert products(tmp_path / "out") == products(tmp_path / "usual")


def test_an_output_folder_that_cannot_be_written_is_refused_at_once(read_only: RawSet) -> None:
    run = prepare(read_only, read_only.raw / "out")
    assert run.returncode == 1
    assert "Read-only file system" in run.stderr
    assert "to do:" in run.stderr


def test_a_finished_output_can_be_looked_at_and_read_back_where_nothing_can_be_written(
    sample: RawSet, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    with mounted(disk):
        assert prepare(sample, disk / "out").returncode == 0
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for command in ("status", "verify"):
            run = shardmill(command, disk / "out")
            assert run.returncode == 0, run.stderr
