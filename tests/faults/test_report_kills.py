"""A report that is killed goes on where it was, and comes to the same bytes."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import finishedoutputs
import psutil
import pytest
from killing import kill_tree
from support import RawSet, command, shardmill, temporary_files

PAUSES = (0.0, 0.1, 0.4)


def files(out: Path) -> dict[str, bytes]:
    """Return what stands under final names, but for commands and costs."""
    found = {str(path.relative_to(out)): path for path in (out / "report").rglob("*.*")}
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if path.is_file() and path.name != "run.html" and not path.name.startswith(".")
    }


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("words", [(), ("--duplicates",)], ids=["pages", "duplicates"])
def test_a_killed_report_goes_on_to_the_same_bytes(
    words: tuple[str, ...], sample: RawSet, tmp_path: Path
) -> None:
    whole, out, killed = tmp_path / "whole", tmp_path / "out", 0
    for folder in (whole, out):
        finishedoutputs.prepared(sample, folder)
    run = shardmill("report", whole, *words)
    assert run.returncode == 0, run.stderr
    undisturbed = files(whole)
    for pause in PAUSES:
        said = subprocess.DEVNULL
        started = psutil.Popen(command("report", out, *words), stdout=said, stderr=said)
        while started.poll() is None and not any((out / ".shardmill/report").glob("*/*.json")):
            time.sleep(0.002)
        time.sleep(pause)
        killed += started.poll() is None
        psutil.wait_procs(kill_tree(started))
        assert files(out).items() <= undisturbed.items()
    assert killed
    run = shardmill("report", out, *words)
    assert run.returncode == 0, run.stderr
    assert files(out) == undisturbed
    assert temporary_files(out) == []
    assert shardmill("verify", out).returncode == 0
