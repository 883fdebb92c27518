"""What commands tell programs: ``--json``."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from commands import shardmill
from drawnlists import ListedSet, draw_list
from support import command

from pipeline.errors import BadImage
from tasks.cli import events, saying
from tasks.cli.bars import Bar
from tasks.cli.display import _tell as tell_bars

NAME = 'x\nFORGED\r\x1b[2J\x07\x9b\u2028"}\n{"event": "end"}\u202e\udc80'


@pytest.fixture
def listed(tmp_path: Path) -> ListedSet:
    return draw_list(tmp_path / "data", images=4)


def prepare(listed: ListedSet, out: Path, *words: object) -> subprocess.CompletedProcess[str]:
    where = ("--root", listed.root, "--out", out)
    return shardmill("imagelist", listed.path, *where, "--json", *words)


def parsed(stdout: str) -> list[dict[str, Any]]:
    """Return the objects of lines of which each is whole."""
    assert stdout.endswith("\n")
    return [json.loads(line) for line in stdout.split("\n")[:-1]]


def of_kind(found: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [each for each in found if each["event"] == name]


def test_a_run_tells_what_begins_is_done_and_was_made(listed: ListedSet, out: Path) -> None:
    ran = prepare(listed, out)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = parsed(ran.stdout)
    assert found[0]["event"] == "begin"
    assert found[0]["command"] == "imagelist"
    (run,) = of_kind(found, "run")
    (planned,) = run["outputs"]
    (made,) = of_kind(found, "output")
    assert made["digest"] == planned["digest"]
    assert (made["records"], made["left_out"]) == (4, 0)
    assert Path(made["path"]).is_dir()
    steps = [each["step"] for each in of_kind(found, "task")]
    assert steps.count("shards") == 1
    assert (found[-1]["event"], found[-1]["status"]) == ("end", 0)
    assert all("time" in each for each in found)


def test_what_is_refused_and_what_is_left_out_is_told_field_by_field(
    listed: ListedSet, out: Path
) -> None:
    next(listed.root.rglob("*.jpg")).write_bytes(b"no image")
    refused = parsed(prepare(listed, out).stdout)
    (failure,) = of_kind(refused, "failure")
    assert failure["type"] == "BadImage"
    assert failure["exit_status"] == refused[-1]["status"] == 3
    skipped = parsed(prepare(listed, out, "--on-bad-image", "skip").stdout)
    (left_out,) = of_kind(skipped, "left_out")
    assert left_out["image"]
    assert left_out["reason"]
    assert skipped[-1]["status"] == 4


def test_quiet_contradicts_it(listed: ListedSet, out: Path) -> None:
    ran = prepare(listed, out, "--quiet")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "contradict" in ran.stderr


def test_a_log_beside_it_has_the_words(listed: ListedSet, out: Path, tmp_path: Path) -> None:
    ran = prepare(listed, out, "--log-file", tmp_path / "a.log")
    assert parsed(ran.stdout)[-1]["status"] == 0
    assert ran.stderr == ""
    assert "4 records in 1 shard" in (tmp_path / "a.log").read_text()


def test_status_answers_with_one_object(listed: ListedSet, out: Path) -> None:
    assert prepare(listed, out).returncode == 0
    ran = shardmill("status", out, "--json")
    (answer,) = parsed(ran.stdout)
    assert (ran.returncode, answer["status"], ran.stderr) == (0, 0, "")
    assert answer["at_work"] is False
    assert answer["command"][:2] == ["shardmill", "imagelist"]
    (output,) = answer["outputs"]
    assert (output["complete"], output["images"]) == (True, 4)


def test_status_of_nothing_is_an_object_too(tmp_path: Path) -> None:
    ran = shardmill("status", tmp_path, "--json")
    (answer,) = parsed(ran.stdout)
    assert (ran.returncode, answer["status"]) == (2, 2)
    assert answer["failures"][0]["type"] == "UsageError"


@pytest.mark.parametrize("seconds", [0.3, 0.9, 1.5])
def test_the_lines_of_a_killed_run_are_whole(
    listed: ListedSet, out: Path, tmp_path: Path, seconds: float
) -> None:
    with (tmp_path / "events").open("wb") as stdout:
        words = ("--root", listed.root, "--out", out, "--json", "--shards", 4)
        process = subprocess.Popen(command("imagelist", listed.path, *words), stdout=stdout)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    said = (tmp_path / "events").read_text()
    if said:
        assert parsed(said)[0]["event"] == "begin"


def test_names_of_others_forge_no_line_and_reach_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with saying.speaking(events.Events()):
        saying.say(NAME)
        saying.say_refusal(BadImage(NAME, file=NAME, found=NAME))
        tell_bars([Bar(NAME, 1, 2, "images")])
    said = capsys.readouterr().out
    assert said.isascii()
    assert said.replace("\n", "").isprintable()
    found = parsed(said)
    assert [each["event"] for each in found] == ["message", "failure", "progress"]
    assert found[2]["name"].encode()  # no lone surrogate
    assert found[2]["name"].startswith("x\nFORGED\r\x1b[2J")
