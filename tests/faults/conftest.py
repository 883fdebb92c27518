"""What the fault tests share: an undisturbed run to compare with, and hurried Luigi settings."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from support import ROOT, RawSet, prepare, products

SHARDS = ("--shards", "train=48", "--shards", "validation=12")
_HURRIED = {"retry_delay": "1", "rpc_retry_wait": "1", "worker_disconnect_delay": "5"}


@pytest.fixture(scope="session")
def undisturbed(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The bytes of a run that nobody disturbs."""
    out = tmp_path_factory.mktemp("undisturbed")
    run = prepare(sample, out, *SHARDS)
    assert run.returncode == 0, run.stderr
    return products(out)


@pytest.fixture
def hurried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped Luigi settings with shorter waits, so that a killed task is tried again soon."""
    lines = []
    for line in (ROOT / "luigi.cfg").read_text().splitlines():
        name = line.partition(" = ")[0]
        lines.append(f"{name} = {_HURRIED[name]}" if name in _HURRIED else line)
    path = tmp_path / "hurried.cfg"
    path.write_text("\n".join(lines))
    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(path))
    return path


@pytest.fixture
def chance() -> random.Random:
    """Random choices, repeatable by SHARDMILL_SEED."""
    return random.Random(int(os.environ.get("SHARDMILL_SEED", "0")))
