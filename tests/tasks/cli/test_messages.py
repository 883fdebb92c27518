"""Where the messages of a command go: ``--quiet`` and ``--log-file``."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from commands import shardmill
from drawnlists import ListedSet, draw_list

from pipeline.storage import waiting
from tasks.cli import ending, saying, voices
from tasks.cli.saying import Level

LOGGED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d (INFO|WARNING|ERROR) .*\S")
QUIET = {"quiet": ("--quiet",), "loud": ()}


@pytest.fixture
def listed(tmp_path: Path) -> ListedSet:
    return draw_list(tmp_path / "data", images=4)


def prepare(listed: ListedSet, out: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return shardmill("imagelist", listed.path, "--root", listed.root, "--out", out, *words)


def damage(listed: ListedSet) -> None:
    next(listed.root.rglob("*.jpg")).write_bytes(b"no image")


def test_quiet_prints_nothing_on_success(listed: ListedSet, out: Path) -> None:
    for _ in ("made", "already complete"):
        ran = prepare(listed, out, "--quiet")
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (out / "tfrecord").is_dir()


def test_quiet_prints_everything_where_the_status_is_not_0(listed: ListedSet, out: Path) -> None:
    damage(listed)
    for words, status in (((), 3), (("--on-bad-image", "skip"), 4)):
        ran, loud = (prepare(listed, out / name, *words, *quiet) for name, quiet in QUIET.items())
        assert (ran.returncode, loud.returncode) == (status, status)
        assert without_names(ran.stdout) == without_names(loud.stdout).replace("/loud", "/quiet")
        assert ran.stderr == loud.stderr.replace("/loud", "/quiet")
        assert bool(ran.stderr) == (status == 3)


def without_names(said: str) -> str:
    """Return what was said without names of runs and times."""
    said = re.sub(r"runs/[^/\s]+", "runs/NAME", said)
    return re.sub(r"\d+\.\d\d s.*", "T", said)


def test_quiet_says_what_is_refused_before_work(listed: ListedSet, out: Path) -> None:
    ran = prepare(listed, out, "--quiet", "--resize", "1", "--split", "nosuch")
    assert ran.returncode == 2
    assert ran.stderr


def test_a_log_has_every_message_with_time_and_level(
    listed: ListedSet, out: Path, tmp_path: Path
) -> None:
    log = tmp_path / "a.log"
    made = prepare(listed, out, "--log-file", log)
    assert (made.returncode, made.stderr) == (0, "")
    assert "4 records in 1 shard" in made.stdout
    damage(listed)
    refused = prepare(listed, out, "--log-file", log)
    assert (refused.returncode, refused.stderr) == (3, "")
    lines = log.read_text().splitlines()
    assert [line for line in lines if not LOGGED.fullmatch(line)] == []
    for line in made.stdout.splitlines():
        assert any(each.endswith(f" INFO {line}") for each in lines)
    assert sum(" INFO shardmill imagelist begins, process " in line for line in lines) == 2
    assert lines[-1].endswith(" ERROR ended with status 3")
    assert any(" ERROR shardmill: " in line for line in lines)
    assert sum("ended with status 0" in line for line in lines) == 1


def test_a_log_beside_quiet_is_written_and_nothing_printed_until_something_fails(
    listed: ListedSet, out: Path, tmp_path: Path
) -> None:
    log = tmp_path / "a.log"
    words = ("--quiet", "--log-file", log)
    ran = prepare(listed, out, *words)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert "4 records in 1 shard" in log.read_text()
    damage(listed)
    ran = prepare(listed, out, *words)
    assert ran.returncode == 3
    assert ran.stderr.startswith("shardmill: ")
    assert " ERROR shardmill: " in log.read_text()


@pytest.mark.parametrize("command", ["imagenet", "imagelist", "openimages", "fetch"])
def test_a_log_in_a_folder_that_is_not_there_is_refused_before_work(
    command: str, out: Path, tmp_path: Path
) -> None:
    words = {
        "imagenet": ("--raw", tmp_path, "--out", out),
        "imagelist": (tmp_path, "--out", out),
        "openimages": ("--class", "Bear", "--out", out),
        "fetch": ("--raw", out),
    }
    ran = shardmill(command, *words[command], "--log-file", tmp_path / "no" / "a.log")
    assert ran.returncode == 2
    assert "its folder is not there" in ran.stderr
    assert not out.exists()
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("given", ["", "s3://bucket/a.log", "."])
def test_a_log_that_can_be_none_is_refused(given: str, listed: ListedSet, out: Path) -> None:
    ran = prepare(listed, out, "--log-file", given)
    assert ran.returncode == 2
    assert not out.exists()


def test_a_log_that_cannot_be_written_any_more_decides_nothing(
    listed: ListedSet, out: Path
) -> None:
    ran = prepare(listed, out, "--log-file", "/dev/full")
    assert ran.returncode == 0
    assert ran.stderr.count("/dev/full: cannot be written: No space left") == 1


def test_a_defect_is_told_in_the_log(
    listed: ListedSet, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("tasks.cli.first_pass.prepare_listed", fail)
    ran = prepare(listed, out, "--log-file", tmp_path / "a.log")
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "ZeroDivisionError: by nothing" in (tmp_path / "a.log").read_text()


def test_an_interrupted_command_ends_with_130_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert ending.carried_out(interrupted) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_what_is_waited_for_goes_where_messages_go(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    with voices.Log.opened(str(file)) as log, saying.speaking(voices.Logged(log, saying.Voice())):
        with voices.saying_waits():
            waiting.say_tries("a server", "no answer", 1, 2, 3.0)
        log.write("last", Level.INFO)
    first, last = file.read_text().splitlines()
    assert " WARNING a server: no answer; try 1 of 2" in first
    assert last.endswith(" INFO last")


def test_logs_of_earlier_commands_go_where_few_are_kept(listed: ListedSet, out: Path) -> None:
    for shards in (1, 2):
        assert prepare(listed, out, "--shards", shards).returncode == 0
    runs = out / ".shardmill" / "runs"
    before = set(runs.iterdir())
    assert prepare(listed, out, "--shards", 2, "--keep-runs", 1, "--dry-run").returncode == 0
    assert set(runs.iterdir()) == before
    assert prepare(listed, out, "--shards", 3, "--keep-runs", 1).returncode == 0
    (kept,) = runs.iterdir()
    assert kept not in before
