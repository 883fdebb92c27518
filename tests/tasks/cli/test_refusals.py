"""Commands that are refused leave nothing behind, and those that are interrupted end with 130."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from drawnlists import encoded, lay
from support import RawSet

from pipeline.errors import ArchiveMissing, OutputConflict, ShardmillError
from tasks.cli import cli
from tasks.run.interrupts import interrupting


@pytest.mark.parametrize("option", ["--no-overlap", "--dry-run", "--no-boxes"])
def test_a_refused_command_makes_no_folder(
    small: RawSet, tmp_path: Path, out: Path, option: str
) -> None:
    words = ("imagenet", "--raw", tmp_path, "--config", small.config, "--out", out, option)
    run = CliRunner().invoke(cli, [*map(str, words)], standalone_mode=False)
    assert isinstance(run.exception, ArchiveMissing)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--no-overlap", "--dry-run"])
def test_a_link_to_nothing_as_output_is_named(small: RawSet, out: Path, option: str) -> None:
    out.symlink_to("gone")
    where = ("--raw", small.raw, "--config", small.config, "--out", out)
    run = CliRunner().invoke(cli, [*map(str, ("imagenet", *where, option))], standalone_mode=False)
    assert isinstance(run.exception, OutputConflict)
    assert "a link leads nowhere" in str(run.exception)
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("imagelist {folder} --out {loop}", 2),
        ("imagelist {folder} --out {loop}/below --dry-run", 2),
        ("im2rec --list {loop}/p {folder}", 2),
        ("status {loop}", 1),
        ("imagelist {loop} --out {folder}/out", 1),
        ("im2rec {loop} {folder} {folder}/a.rec", 1),
    ],
)
def test_a_link_to_itself_is_said_to_be_one(tmp_path: Path, words: str, status: int) -> None:
    loop, folder = tmp_path / "loop", tmp_path / "folder"
    loop.symlink_to("loop")
    folder.mkdir()
    lay(folder / "0.jpg", encoded(0))
    given = words.format(loop=loop, folder=folder).split()
    run = CliRunner().invoke(cli, given, standalone_mode=False)
    assert isinstance(run.exception, ShardmillError)
    assert "a link leads back to itself" in str(run.exception)
    assert "remove the link, or have it lead to what is meant" in str(run.exception)
    assert run.exception.exit_status == status


def test_who_ignores_hangups_is_not_interrupted_by_one() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert signal.SIGHUP not in interrupting()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert signal.SIGHUP in interrupting()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("content", [b"[core\nlog_level = INFO\n", b"\xff\xfe[\0c\0"])
def test_settings_of_luigi_that_cannot_be_read_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "luigi.cfg").write_bytes(content)
    words = [sys.executable, "-P", "-m", "tasks.cli", "imagelist", "x", "--out", "y"]
    run = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 2, run.stderr
    assert "the settings of Luigi cannot be read" in run.stderr
    assert "Traceback" not in run.stderr
