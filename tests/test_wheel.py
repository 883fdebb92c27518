"""The built wheel, in a clean environment, run from ``/``."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from support import ROOT


def run(*arguments: object, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        list(map(str, arguments)), cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_configuration_and_runs_anywhere(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path)
    (wheel,) = tmp_path.glob("shardmill-*.whl")
    environment = tmp_path / "clean"
    venv.create(environment, with_pip=True)
    programs = environment / "bin"
    run(programs / "python", "-m", "pip", "install", "--quiet", "--no-binary", "pillow-simd", wheel)
    root = Path("/")
    found = run(
        *(programs / "python", "-c"),
        "from pipeline.resources import shipped;"
        "print(shipped('config/ilsvrc2012.toml').stat().st_size, shipped('luigi.cfg'))",
        cwd=root,
    )
    assert str(environment) in found
    raw, out = tmp_path / "raw", tmp_path / "out"
    run(programs / "shardmill", "sample", raw, cwd=root)
    prepare = ("--raw", raw, "--config", raw / "sample.toml", "--out", out)
    assert "complete" in run(programs / "shardmill", "imagenet", *prepare, cwd=root)
    assert "as it was written" in run(programs / "shardmill", "verify", out, cwd=root)
    luigi = ("--module", "tasks", "PrepareImageNet", "--local-scheduler", *prepare)
    run(programs / "luigi", *luigi, cwd=root)
