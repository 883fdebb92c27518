"""A command that links shards of an earlier output dies at once: what stands there is whole."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from drawnlists import ListedSet, draw_list, encoded, lay
from killing import kill_tree
from support import command, products, shardmill, temporary_files

OPTIONS = ("--format", "tfrecord,recordio", "--order", "list", "--shards", 24)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    """A list, beside it the output that was made of it; one image was added since."""
    drawn = draw_list(tmp_path_factory.mktemp("drawn") / "drawn", images=96)
    run = drawn.prepare(drawn.path.parent / "out", *OPTIONS)
    assert run.returncode == 0, run.stderr
    drawn.add(f"5000\t3.000000\t{lay(drawn.path.parent / 'new.jpg', encoded(99))}")
    return drawn


@pytest.fixture(scope="module")
def anew(before: ListedSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a command makes of the longer list that has nothing to link."""
    out = tmp_path_factory.mktemp("anew")
    assert before.prepare(out, *OPTIONS).returncode == 0
    return products(out)


def start_and_kill(listed: ListedSet, out: Path, pause: float) -> None:
    """Start the command and kill all of it, a moment after the first shard of it is there."""
    where, marks = ("--root", listed.root, "--out", out), out / ".shardmill/shards"
    arguments = command("imagelist", listed.path, *where, *OPTIONS, "--workers", 2)
    earlier = set(marks.iterdir())
    started = psutil.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while started.poll() is None and set(marks.iterdir()) == earlier:
        time.sleep(0.0005)
    time.sleep(pause)
    psutil.wait_procs(kill_tree(started))


@pytest.mark.usefixtures("hurried")
def test_kill_after_kill_the_bytes_are_those_of_a_command_that_links_nothing(
    before: ListedSet, anew: dict[str, str], out: Path, chance: random.Random
) -> None:
    shutil.copytree(before.path.parent / "out", out, symlinks=True)
    old = {name: content for name, content in products(out).items() if "/current" not in name}
    for _ in range(3):
        start_and_kill(before, out, chance.uniform(0, 0.03))
        temporary = {str(path.relative_to(out)) for path in temporary_files(out)}
        whole = {name: c for name, c in products(out).items() if name not in temporary}
        assert old.items() <= whole.items()
        new = {name: c for name, c in whole.items() if name not in old and "/current" not in name}
        assert new.items() <= anew.items()
    last = before.prepare(out, *OPTIONS)
    assert last.returncode == 0, last.stderr
    assert any(path.stat().st_nlink > 1 for path in out.rglob("images-*-of-*"))
    assert anew.items() <= products(out).items()
    assert old.items() <= products(out).items()
    assert temporary_files(out) == []
    assert shardmill("clean", out, "--yes").returncode == 0
    assert products(out) == anew
    verified = shardmill("verify", out, "--against", before.root)
    assert verified.returncode == 0, verified.stderr
