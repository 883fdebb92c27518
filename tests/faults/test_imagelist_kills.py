"""An image list whose preparation dies at once, all of it: what then stands there is whole."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from drawnlists import ALL_FORMATS, ListedSet, draw_list
from killing import kill_tree
from support import command, products, shardmill, temporary_files

OPTIONS = (*ALL_FORMATS, "--joined", "--shards", 24, "--resize", 32)
ALONE = ("--format", "arrayrecord", "--shards", 24)  # which a library writes
STEPS = ("catalogs", "plans", "shards", "jobs")  # folders of `.shardmill` that a step makes


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    return draw_list(tmp_path_factory.mktemp("drawn") / "drawn", images=240)


@pytest.fixture(scope="module")
def undisturbed(drawn: ListedSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("undisturbed")
    run = drawn.prepare(out, *OPTIONS)
    assert run.returncode == 0, run.stderr
    return products(out)


def start_and_kill(
    drawn: ListedSet, out: Path, begun: str, pause: float, options: tuple[object, ...] = OPTIONS
) -> None:
    """Start the command and kill all of it, a moment after some file is there."""
    where = ("--root", drawn.root, "--out", out)
    arguments = command("imagelist", drawn.path, *where, *options, "--workers", 2)
    started = psutil.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while started.poll() is None and not any(out.glob(begun)):
        time.sleep(0.0005)
    time.sleep(pause)
    psutil.wait_procs(kill_tree(started))


def check_whole(out: Path, undisturbed: dict[str, str]) -> None:
    """Check that what stands under final names is what an undisturbed run makes."""
    temporary = {str(path.relative_to(out)) for path in temporary_files(out)}
    found = {name: content for name, content in products(out).items() if name not in temporary}
    assert found.items() <= undisturbed.items()


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("step", STEPS)
def test_the_same_command_makes_the_same_bytes_after_a_kill_in_any_step(
    drawn: ListedSet, undisturbed: dict[str, str], out: Path, chance: random.Random, step: str
) -> None:
    start_and_kill(drawn, out, f".shardmill/{step}/*", chance.uniform(0, 0.05))
    check_whole(out, undisturbed)
    last = drawn.prepare(out, *OPTIONS)
    assert last.returncode == 0, last.stderr
    assert products(out) == undisturbed
    assert temporary_files(out) == []


@pytest.mark.usefixtures("hurried")
def test_kill_after_kill_it_comes_to_an_end(
    drawn: ListedSet, undisturbed: dict[str, str], out: Path, chance: random.Random
) -> None:
    for _ in range(3):
        start_and_kill(drawn, out, "*/images/*/images-*", chance.uniform(0, 0.1))
        check_whole(out, undisturbed)
    last = drawn.prepare(out, *OPTIONS)
    assert last.returncode == 0, last.stderr
    assert products(out) == undisturbed
    verified = shardmill("verify", out, "--against", drawn.root)
    assert verified.returncode == 0, verified.stderr


@pytest.mark.usefixtures("hurried")
def test_kill_after_kill_shards_that_a_library_writes_are_whole(
    drawn: ListedSet, tmp_path: Path, out: Path, chance: random.Random
) -> None:
    assert drawn.prepare(tmp_path / "alone", *ALONE).returncode == 0
    undisturbed = products(tmp_path / "alone")
    for _ in range(3):
        start_and_kill(drawn, out, "*/images/*/*", chance.uniform(0, 0.1), ALONE)
        check_whole(out, undisturbed)
    last = drawn.prepare(out, *ALONE)
    assert last.returncode == 0, last.stderr
    assert products(out) == undisturbed
    assert temporary_files(out) == []


@pytest.mark.usefixtures("hurried")
def test_a_changed_list_after_a_kill_makes_the_output_of_that_list(
    drawn: ListedSet, tmp_path: Path, out: Path
) -> None:
    listed = ListedSet(drawn.root, tmp_path / drawn.path.name)
    lines = drawn.path.read_text().splitlines(keepends=True)
    listed.path.write_text("".join(lines))
    start_and_kill(listed, out, "*/images/*/images-*", 0.02)
    listed.path.write_text("".join(lines[:100]))
    assert listed.prepare(tmp_path / "alone", *OPTIONS).returncode == 0
    run = listed.prepare(out, *OPTIONS)
    assert run.returncode == 0, run.stderr
    assert products(tmp_path / "alone").items() <= products(out).items()
    assert shardmill("clean", out, "--yes").returncode == 0
    assert products(out) == products(tmp_path / "alone")
