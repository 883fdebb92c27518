"""Exports under kills: a folder of smaller images is complete or absent, a file is whole."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import psutil
import pytest
from killing import kill_tree
from support import RawSet, command, prepare, products, shardmill, temporary_files

from pipeline.sample.draw import draw_sample

EXPORTS = ("--format", "none", "--data-dir", "/data", "--export", "raw256", "--export", "croissant")
PAUSES = (0.0, 0.15, 0.4)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> RawSet:
    """A sample of more images, for smaller ones that take long enough to be killed."""
    raw = tmp_path_factory.mktemp("crowd")
    config = draw_sample(
        raw, train_classes=12, images_per_class=40, validation_images=120, quirks=False
    )
    return RawSet(raw, config)


@pytest.mark.usefixtures("hurried")
def test_a_killed_job_leaves_whole_classes_and_goes_on_to_the_same_bytes(
    crowd: RawSet, tmp_path: Path
) -> None:
    run = prepare(crowd, tmp_path / "undisturbed", *EXPORTS)
    assert run.returncode == 0, run.stderr
    undisturbed = products(tmp_path / "undisturbed")
    folders = {str(Path(name).parent) for name in undisturbed if "256/" in name}
    out, killed = tmp_path / "out", 0
    where = ("--raw", crowd.raw, "--config", crowd.config, "--out", out)
    for pause in PAUSES:
        started = psutil.Popen(
            command("imagenet", *where, *EXPORTS, "--workers", 2),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while started.poll() is None and not any(out.glob("*256")):
            time.sleep(0.0005)
        time.sleep(pause)
        killed += started.poll() is None
        psutil.wait_procs(kill_tree(started))
        hidden = {str(path.relative_to(out)) for path in temporary_files(out)}
        present = {
            name: content
            for name, content in products(out).items()
            if name not in hidden and "/." not in name
        }
        assert present.items() <= undisturbed.items()
        for folder in folders:
            wanted = {name for name in undisturbed if str(Path(name).parent) == folder}
            assert not wanted & present.keys() or wanted <= present.keys()
    assert killed
    last = prepare(crowd, out, *EXPORTS)
    assert last.returncode == 0, last.stderr
    assert products(out) == undisturbed
    assert temporary_files(out) == []
    assert shardmill("verify", out).returncode == 0
