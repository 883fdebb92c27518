"""The built wheel, run from ``/`` as people run it: it holds what it needs.

What it makes there is shown by `tests/interop/test_wheel_jobs.py`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from wheels import install, run

SHIPPED = """
from pipeline.resources import shipped

print(shipped("config/ilsvrc2012.toml").stat().st_size, shipped("luigi.cfg"))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that the wheel is installed in."""
    return install(tmp_path_factory.mktemp("wheel"))


def test_doctor_finds_all_that_is_needed_outside_the_checkout(
    environment: Path, tmp_path: Path
) -> None:
    """The wheel holds its configuration and Luigi's settings."""
    root = Path("/")
    assert str(environment) in run(environment / "bin" / "python", "-c", SHIPPED, cwd=root)
    said = run(environment / "bin" / "shardmill", "doctor", "--out", tmp_path, cwd=root)
    assert f"shardmill 0.1.0, in {environment}" in said
    assert said.endswith("all that is needed is there\n")


def test_another_package_of_that_name_is_said_to_be_in_the_way(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    words = [str(environment / "bin" / "shardmill"), "--version"]
    ended = subprocess.run(words, cwd="/", capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"called 'tasks', too, and is found first: {tmp_path / 'tasks'}" in ended.stderr
