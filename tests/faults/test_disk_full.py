"""A disk that fills up half-way: a clear error, nothing finished lost, and the job goes on."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import SHARDS, RawSet, command, prepare, products, temporary_files


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_the_job_with_a_clear_error_and_it_goes_on_later(
    sample: RawSet, undisturbed: dict[str, str], small_disk: Path
) -> None:
    out, ballast = small_disk / "out", small_disk / "ballast"
    where = ("--raw", sample.raw, "--config", sample.config, "--out", out, *SHARDS)
    started = subprocess.Popen(
        command("imagenet", *where, "--workers", 1), stderr=subprocess.PIPE, text=True
    )
    while not list(out.glob("tfrecord/*/*/idx/*")):
        assert started.poll() is None
        time.sleep(0.005)
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    _, stderr = started.communicate(timeout=120)
    assert started.returncode == 1
    assert "no space left" in stderr
    assert "free some space" in stderr
    finished = products(out)
    assert finished.items() <= undisturbed.items()
    assert temporary_files(out) == []
    ballast.unlink()
    assert prepare(sample, out, *SHARDS).returncode == 0
    assert products(out) == undisturbed


def test_too_little_space_is_said_before_anything_is_read(sample: RawSet, small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(4 << 20))
    run = prepare(sample, small_disk / "out")
    assert run.returncode == 1
    assert "bytes free" in run.stderr
    assert not (small_disk / "out/.shardmill/archives").exists()
