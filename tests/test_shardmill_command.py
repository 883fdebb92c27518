"""The program starts shardmill's own packages, or says which others are in the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from drawnlists import lay
from support import ROOT

import shardmill_command


def started(home: Path, *path: Path) -> subprocess.CompletedProcess[str]:
    """Start the program as its console script does, with these folders first on the path."""
    code = f"import sys; sys.path[:0] = {[*map(str, path)]!r}; import shardmill_command"
    words = [sys.executable, "-I", "-c", f"{code}; shardmill_command.main()"]
    return subprocess.run(words, cwd=home, capture_output=True, text=True, check=False)


def test_its_own_packages_are_not_in_the_way() -> None:
    assert shardmill_command.in_the_way(ROOT) is None


@pytest.mark.parametrize("package", shardmill_command.PACKAGES)
@pytest.mark.parametrize("name", ["{}/__init__.py", "{}.py"])
def test_a_package_of_another_program_is_named_and_not_imported(
    package: str, name: str, tmp_path: Path
) -> None:
    other = lay(tmp_path / "a\x1b[2Jb" / name.format(package), b"raise SystemExit('imported')")
    run = started(tmp_path, tmp_path / "a\x1b[2Jb", ROOT)
    assert (run.returncode, run.stdout) == (1, "")
    assert f"called {package!r}, too" in run.stderr
    assert other.parent.name.replace("\x1b", r"\x1b") in run.stderr
    assert "pipx install ." in run.stderr
    assert "imported" not in run.stderr
    assert "\x1b" not in run.stderr


def test_a_package_that_is_gone_or_was_overwritten_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path / "shardmill_command.py", (ROOT / "shardmill_command.py").read_bytes())
    run = started(tmp_path, tmp_path)
    assert "'pipeline' is not installed" in run.stderr or "called 'pipeline'" in run.stderr
    lay(tmp_path / "pipeline" / "__init__.py", b"")
    run = started(tmp_path, tmp_path)
    assert run.returncode == 1
    assert "'pipeline' in" in run.stderr
    assert "was overwritten by another" in run.stderr
