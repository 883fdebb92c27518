"""Reports in a real Chromium: nothing fails, no network is asked, everybody can read them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import finishedoutputs
import pytest
from commands import shardmill
from drawnduplicates import drawn
from drawnlists import encoded, lay
from support import ROOT, RawSet

PYTHON = os.environ.get("SHARDMILL_BROWSER_PYTHON", str(ROOT / ".venv-browser/bin/python"))
READER = Path(__file__).with_name("readers") / "read_report.py"
HOSTILE = '"><script>alert(1)<;script><img src=x onerror=alert(2)>'


def read(out: Path, shots: Path) -> dict[str, Any]:
    """Return what a browser finds in the report of an output."""
    shots.mkdir()
    words: list[str | Path] = [PYTHON, READER, out / "report/index.html", shots]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def check(found: dict[str, Any]) -> None:
    """Check what holds of every report."""
    assert found["problems"] == []
    assert found["requests"] == ["file"]
    assert found["axe"] == []
    assert found["wide"] == []
    assert found["target"] == found["key"]
    assert found["readout"].endswith("images")
    assert found["readout by keys"].endswith("images")
    assert found["log"]


@pytest.mark.parametrize("name", ["sample", "mini"])
def test_a_report_of_imagenet(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    raw: RawSet = request.getfixturevalue(name)
    out = tmp_path / "out"
    finishedoutputs.prepared(raw, out)
    finishedoutputs.reported(out)
    found = read(out, tmp_path / "shots")
    check(found)
    assert found["boxes"][0] > 0
    assert found["boxes"][1] == 0


def test_a_report_of_open_images_with_masks(openimages: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finishedoutputs.of_openimages(openimages), out, symlinks=True)
    finishedoutputs.reported(out)
    check(read(out, tmp_path / "shots"))


def test_a_report_of_hostile_names_and_of_damage(tmp_path: Path) -> None:
    for number in range(3):
        lay(tmp_path / "root" / HOSTILE / f"{number}{HOSTILE}.jpg", encoded(number))
    lay(tmp_path / "root" / "plain" / "a.jpg", encoded(9))
    out = tmp_path / "out"
    run = shardmill("imagelist", tmp_path / "root", "--recursive", "--out", out)
    assert run.returncode == 0, run.stderr
    (shard,) = (path for path in out.glob("tfrecord/root/current/root-*") if path.is_file())
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    assert shardmill("report", out).returncode == 1
    found = read(out, tmp_path / "shots")
    check(found)
    assert HOSTILE in found["key"]


def test_a_report_with_duplicates(tmp_path: Path) -> None:
    for name, content in drawn().items():
        lay(tmp_path / "root" / name, content)
    out = tmp_path / "out"
    run = shardmill("imagelist", tmp_path / "root", "--recursive", "--out", out)
    assert run.returncode == 0, run.stderr
    finishedoutputs.reported(out, "--duplicates")
    found = read(out, tmp_path / "shots")
    check(found)
    assert "duplicates" in found["kinds"]
