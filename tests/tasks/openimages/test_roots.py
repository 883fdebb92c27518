"""Open Images by Luigi's own command: each step by itself, and all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import inprocess
import pytest
from luigi.task_register import Register

import tasks  # noqa: F401 - registers Luigi's roots


def test_each_step_is_a_root_of_luigi(
    openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"raw": str(openimages / "raw"), "config": str(openimages / "openimages.toml")}
    family: Any = Register.get_task_cls("SelectOpenImages")  # type: ignore[no-untyped-call]
    root = family(out=str(tmp_path / "out"), classes=_classes(tmp_path), **given)
    monkeypatch.setenv("SHARDMILL_RUN", "20260101-000000-host-1")
    assert not root.complete()
    inprocess.build([root])
    assert root.complete()
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {
        *(".shardmill", "csv")
    }


def _classes(folder: Path) -> str:
    (folder / "classes.txt").write_text("Bear\n")
    return str(folder / "classes.txt")


def test_no_task_fails_where_luigi_runs_all_steps(openimages: Path, tmp_path: Path) -> None:
    """A split's tasks are known when it is selected: Luigi fails one that then requires more."""
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml")
    words = ("--out", tmp_path / "out", "--class", "Bear", "--split", "test", "--local-scheduler")
    command = [sys.executable, "-m", "luigi", "--module", "tasks", "PrepareOpenImages"]
    ran = subprocess.run(
        [*command, *map(str, (*where, *words))], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, "no failed tasks" in ran.stderr) == (0, True), ran.stderr
