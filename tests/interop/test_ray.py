"""Ray behind the seam of the Dask cluster, as docs/scale.md shows it, where it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import documentation
import pytest
from finishedoutputs import kept
from support import RawSet, prepare, products

FIRST = "import ray"
_CONFIG = "import pipeline.job.build; pipeline.job.build.default_config = lambda: {!r}\n"


def test_ray_is_ten_lines() -> None:
    lines = documentation.snippet(FIRST).splitlines()
    assert len([line for line in lines if line and not line.startswith(("import", "from"))]) <= 10


def test_ray_writes_the_shards_as_documented(
    small: RawSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RAW").symlink_to(small.raw)
    here = RawSet(tmp_path / "RAW", small.config)
    assert prepare(here, tmp_path / "OUT", "--until", "plan").returncode == 0
    code = _CONFIG.format(str(small.config)) + documentation.snippet(FIRST)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert len(list((tmp_path / "OUT").rglob("*-of-*"))) > 0
    whole = prepare(here, tmp_path / "OUT")
    assert "shards: " not in whole.stdout  # there was nothing left to write
    assert products(tmp_path / "OUT") == products(kept(small).out)
