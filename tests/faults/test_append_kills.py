"""A command that appends dies at once, somewhere: the next one gives the same bytes."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from drawnlists import ListedSet, current, draw_list, encoded, lay, shards
from killing import kill_tree
from support import command, products, shardmill, temporary_files

FORMATS = ("tfrecord", "recordio", "arrayrecord")
OPTIONS = ("--format", ",".join(FORMATS), "--shards", 24, "--append")
ROUNDS = int(os.environ.get("ROUNDS", "3"))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    """A list, beside it the output that was made of it; images were added and one changed since."""
    drawn = draw_list(tmp_path_factory.mktemp("drawn") / "drawn", images=96)
    run = drawn.prepare(drawn.path.parent / "out", *OPTIONS)
    assert run.returncode == 0, run.stderr
    for number in range(20):
        lay(drawn.root / f"new/{number}.jpg", encoded(number + 7))
        drawn.add(f"{5000 + number}\t3.000000\tnew/{number}.jpg")
    lay(drawn.root / drawn.names[0], encoded(90))
    return drawn


@pytest.fixture(scope="module")
def undisturbed(before: ListedSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a command appends that nobody disturbs."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    shutil.copytree(before.path.parent / "out", out, symlinks=True)
    run = before.prepare(out, *OPTIONS)
    assert run.returncode == 0, run.stderr
    said = run.stdout.count("23 shards kept, 1 written again, 5 new")
    assert said == len(FORMATS), run.stdout
    return products(out)


def start_and_kill(listed: ListedSet, out: Path, pause: float) -> None:
    """Start the command and kill all of it after a time."""
    where = ("--root", listed.root, "--out", out)
    arguments = command("imagelist", listed.path, *where, *OPTIONS, "--workers", 2)
    started = psutil.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    marks = len(list((out / ".shardmill/shards").iterdir()))
    deadline = time.monotonic() + pause
    while started.poll() is None and time.monotonic() < deadline:
        if len(list((out / ".shardmill/shards").iterdir())) > marks:
            break  # it is at work on shards
        time.sleep(0.001)
    time.sleep(pause / 50)
    psutil.wait_procs(kill_tree(started))


def inodes_of(out: Path) -> dict[tuple[str, str], int]:
    """Return the inode of each shard, by format and name."""
    return {
        (name, path.name): path.stat().st_ino
        for name in FORMATS
        for path in shards(current(out, name))
    }


@pytest.mark.usefixtures("hurried")
def test_kill_after_kill_the_bytes_are_those_of_an_undisturbed_append(
    before: ListedSet, undisturbed: dict[str, str], out: Path, chance: random.Random
) -> None:
    shutil.copytree(before.path.parent / "out", out, symlinks=True)
    old = {name: content for name, content in products(out).items() if "/current" not in name}
    inodes = inodes_of(out)
    for _ in range(ROUNDS):
        start_and_kill(before, out, chance.uniform(0.5, 8))
        temporary = {str(path.relative_to(out)) for path in temporary_files(out)}
        whole = {name: c for name, c in products(out).items() if name not in temporary}
        assert old.items() <= whole.items()
    last = before.prepare(out, *OPTIONS)
    assert last.returncode == 0, last.stderr
    assert products(out) == undisturbed
    assert len(inodes.items() & inodes_of(out).items()) == 23 * len(FORMATS)
    assert temporary_files(out) == []
    verified = shardmill("verify", out, "--against", before.root)
    assert verified.returncode == 0, verified.stderr
