"""Standard streams that fail decide nothing, and what one cannot take is said on the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import forked
import pytest
from commands import shardmill
from drawnlists import draw_list
from support import ROOT, command

from tasks import cli

SPEAKER = """
import sys
from tasks.run import streams
streams.install()
import click
for number in range(3):
    click.echo(f"out {number} \\udc80")
click.echo("err", err=True)
sys.exit(7)
"""
FULL = "shardmill: standard {} cannot be written (No space left on device): the rest is here\n"


def speak(redirections: str, tmp_path: Path) -> tuple[int, str, str]:
    """Run the speaker with its streams redirected; return its status and what files hold."""
    paths = [tmp_path / "out", tmp_path / "err"]
    for path in paths:
        path.touch()
    words = f'"{sys.executable}" -c "$CODE" >"{paths[0]}" 2>"{paths[1]}" {redirections}'
    run = subprocess.run(
        ["sh", "-c", words], cwd=ROOT, env=os.environ | {"CODE": SPEAKER}, check=False
    )
    out, err = (path.read_text(errors="replace") for path in paths)
    return run.returncode, out, err


@pytest.mark.parametrize(
    ("redirections", "out", "err"),
    [
        ("", ["out 0", "out 1", "out 2"], "err\n"),
        (">/dev/full", [], FULL.format("output")),
        ("2>/dev/full", ["out 0", "out 1", "out 2", FULL.format("error").strip(), "err"], ""),
        (">/dev/full 2>/dev/full", [], ""),
        (">&-", [], "err\n"),
        ("2>&-", ["out 0", "out 1", "out 2"], ""),
        (">&- 2>&-", [], ""),
    ],
)
def test_the_status_stands_and_nothing_is_lost_while_one_is_left(
    redirections: str, out: list[str], err: str, tmp_path: Path
) -> None:
    status, said, complained = speak(redirections, tmp_path)
    assert status == 7
    assert [line.partition(" \\")[0].rstrip("\ufffd ") for line in said.splitlines()] == out
    assert complained.startswith(err)
    assert (not err) == (not complained)


def test_who_has_read_enough_is_not_told_the_rest(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with (tmp_path / "err").open("w+") as err:
        code = [sys.executable, "-c", SPEAKER]
        run = subprocess.run(code, cwd=ROOT, stdout=writing, stderr=err, check=False)
        os.close(writing)
        err.seek(0)
        assert (run.returncode, err.read()) == (7, "err\n")


@pytest.mark.parametrize("both", [False, True], ids=["output", "both"])
def test_a_job_is_complete_though_nobody_can_be_told(both: bool, tmp_path: Path, out: Path) -> None:
    listed = draw_list(tmp_path / "data", images=4)
    words = command("imagelist", listed.path, "--root", listed.root, "--out", out)
    with Path("/dev/full").open("w") as full:
        err = full if both else subprocess.PIPE
        run = forked.ForkedPopen(
            [*words, "--format", "recordio"], stdout=full, stderr=err, text=True
        )
        _, stderr = run.communicate(timeout=300)
    assert run.returncode == 0
    assert both or "complete" in stderr
    assert list(out.glob("recordio/*/current/manifest.json"))


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (MemoryError(), "memory ran out"),
        (OSError(24, "Too many open files"), "ulimit -n"),
        (OSError(27, "File too large", "x.rec"), "x.rec"),
    ],
)
def test_what_no_step_expected_is_said_in_words(
    raised: BaseException, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise raised

    monkeypatch.setattr(cli.cli, "main", fail)
    run = shardmill("status")
    assert run.returncode == 1
    assert words in run.stderr
    assert "to do:" in run.stderr
    assert "Traceback" not in run.stderr


PLAIN = """
import sys
from tasks.run import streams
streams.install()
from rich.console import Console
print("out \\x1b[2J \\udcff")
Console(file=streams.display(), force_terminal=True).print("[bold]shown[/]")
sys.stderr.write("err \\x1b[2J\\n")
raise ValueError("raised \\x1b[2J")
"""


def test_what_a_terminal_would_obey_is_written_as_text_but_for_the_display() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PLAIN], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.stdout == "out \\x1b[2J \\udcff\n"
    assert "\x1b[1mshown" in run.stderr
    assert "err \\x1b[2J\n" in run.stderr
    assert "raised \\x1b[2J" in run.stderr
    assert "\x1b[2J" not in run.stderr
