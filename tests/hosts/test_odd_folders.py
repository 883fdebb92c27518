"""The campaign of faults in folders whose locks or times are not what they seem.

A library that is loaded before all others answers for ``flock``. Times go backwards because the
test sets them, of whatever lies below the output, while commands work there.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaign import Round, Undisturbed
from disturbances import KINDS
from preloaded import compiled
from support import RawSet, prepare, products

SHARDS = ("--shards", "train=24", "--shards", "validation=8")
DISTURBANCES = ("twins", "kill", "twins")
_HOUR_S = 3600


@pytest.fixture(scope="module")
def undisturbed(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    out, begun = tmp_path_factory.mktemp("undisturbed"), time.monotonic()
    run = prepare(sample, out, *SHARDS)
    assert run.returncode == 0, run.stderr
    return Undisturbed(products(out), time.monotonic() - begun, 0)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What answers for ``flock``."""
    return compiled("flock", tmp_path_factory.mktemp("library"))


def play(sample: RawSet, folder: Path, undisturbed: Undisturbed) -> None:
    chance = random.Random(int(os.environ.get("SHARDMILL_SEED", "0")))
    own = sample.copy(folder / "raw")
    disturbed = Round(own, folder, SHARDS, undisturbed, chance)
    try:
        disturbed.play([KINDS[kind].act for kind in DISTURBANCES])
    except BaseException as error:
        error.add_note("\n".join(disturbed.story))
        raise


@pytest.mark.parametrize("how", ["granted to everybody", "absent"])
@pytest.mark.usefixtures("hurried")
def test_locks_that_exclude_nobody_do_no_harm(
    how: str,
    sample: RawSet,
    undisturbed: Undisturbed,
    library: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("SHARDMILL_FLOCK", how)
    play(sample, tmp_path, undisturbed)


@pytest.mark.usefixtures("hurried")
def test_times_that_go_backwards_do_no_harm(
    sample: RawSet, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    with going_backwards(tmp_path / "out"):
        play(sample, tmp_path, undisturbed)


@contextlib.contextmanager
def going_backwards(folder: Path) -> Iterator[None]:
    """Have all that lies below a folder become older and older in this context."""
    ended = threading.Event()

    def age() -> None:
        then = time.time()
        while not ended.wait(0.2):
            then -= _HOUR_S
            with contextlib.suppress(FileNotFoundError):  # folders vanish while they are listed
                for path in folder.rglob("*"):
                    with contextlib.suppress(FileNotFoundError):
                        os.utime(path, (then, then), follow_symlinks=False)

    thread = threading.Thread(target=age)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
