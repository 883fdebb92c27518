"""A run that tells programs what it does, killed behind any line: each that came is whole."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import IO

import psutil
import pytest
from drawnlists import ListedSet, draw_list
from killing import kill_tree
from support import command

ROUNDS = 2
OPTIONS = ("--json", "--shards", 6, "--workers", 2)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    return draw_list(tmp_path_factory.mktemp("drawn") / "drawn", images=24)


def _read(stream: IO[bytes], lines: int) -> bytes:
    """Read so many lines, or to the end."""
    return b"".join(stream.readline() for _ in range(lines))


@pytest.mark.usefixtures("hurried")
def test_killed_behind_any_line_all_lines_are_whole_objects(
    drawn: ListedSet, out: Path, chance: random.Random
) -> None:
    words = command("imagelist", drawn.path, "--root", drawn.root, "--out", out, *OPTIONS)
    for _ in range(ROUNDS):
        started = psutil.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        said = _read(started.stdout, chance.randint(1, 12))
        psutil.wait_procs(kill_tree(started))
        said += started.stdout.read()
        started.stdout.close()
        assert said.endswith(b"\n")
        found = [json.loads(line) for line in said.splitlines()]
        assert found[0]["event"] == "begin"
        assert all(each["time"] for each in found)
