"""Ray behind the seam of the Dask cluster, as docs/scale.md shows it, where it is installed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import documentation
import pytest
from finishedoutputs import kept
from support import RawSet, prepare, products

FIRST = "import ray"
HOST = "127.0.0.2"
"""Bound to 127.0.0.1, Ray sends whoever connects to another address of the machine."""
_CONFIG = "import pipeline.job.build; pipeline.job.build.default_config = lambda: {!r}\n"


@pytest.fixture
def ray(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A node of Ray with two processes; yields the environment of who uses it."""
    pytest.importorskip("ray")
    with socket.create_server((HOST, 0)) as probe:
        address = f"{HOST}:{probe.getsockname()[1]}"
    surroundings = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_ADDRESS": address}
    words = ["start", "--head", "--block", "--node-ip-address", HOST, "--num-cpus", "2"]
    port = ["--port", address.partition(":")[2], "--include-dashboard", "false"]
    place = ["--temp-dir", str(tmp_path.parents[-2] / f"ray-{os.getpid()}")]  # a short path
    program = [sys.executable, "-m", "ray.scripts.scripts", *words, *port, *place]
    with subprocess.Popen(program, env=surroundings, start_new_session=True) as node:
        yield surroundings
        os.killpg(node.pid, signal.SIGTERM)
        node.wait()


def test_ray_is_ten_lines() -> None:
    lines = documentation.snippet(FIRST).splitlines()
    assert len([line for line in lines if line and not line.startswith(("import", "from"))]) <= 10


def test_ray_writes_the_shards_as_documented(
    small: RawSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ray: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RAW").symlink_to(small.raw)
    here = RawSet(tmp_path / "RAW", small.config)
    assert prepare(here, tmp_path / "OUT", "--until", "plan").returncode == 0
    code = _CONFIG.format(str(small.config)) + documentation.snippet(FIRST)
    words = [sys.executable, "-c", code]
    run = subprocess.run(words, env=ray, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    whole = prepare(here, tmp_path / "OUT")
    assert "shards: " not in whole.stdout  # there was nothing left to write
    assert products(tmp_path / "OUT") == products(kept(small).out)
