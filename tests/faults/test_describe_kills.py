"""``describe`` that dies at any moment: the next one goes on, and writes the same files."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from ownarchives import class_folders, class_tars, images, lay, tar_of
from support import command

ROUNDS = 4
MANY = {f"class {number:03}": 6 for number in range(60)}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of archives of three layouts, some megabytes."""
    files = {"train.tar": class_tars(MANY), "extra.tar": class_folders(MANY, "")}
    flat = tar_of(images(400, "v{:04}.jpg"))
    return lay(tmp_path_factory.mktemp("described") / "raw", {**files, "val.tar": flat})


class Describing:
    """``shardmill describe`` with a cache of its own."""

    def __init__(self, raw: Path, folder: Path) -> None:
        self.out, self._cache = folder / "out", folder / "cache"
        self.out.mkdir(parents=True)
        self._words = command("describe", raw, "--out", self.out / "own.toml")

    def start(self) -> psutil.Popen:
        environment = {**os.environ, "XDG_CACHE_HOME": str(self._cache)}
        said = subprocess.DEVNULL
        return psutil.Popen(self._words, stdout=said, stderr=said, env=environment)

    def written(self) -> dict[str, bytes]:
        """Return what stands under final names."""
        files = [path for path in self.out.iterdir() if not path.name.startswith(".")]
        return {path.name: path.read_bytes() for path in files}

    def kept(self) -> set[str]:
        """Return what is kept of archives that were read."""
        return {path.name for path in self._cache.rglob("*.json")}


@pytest.fixture(scope="module")
def undisturbed(
    raw: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, bytes], float]:
    """Return what is written, and how many seconds that takes."""
    whole, began = Describing(raw, tmp_path_factory.mktemp("whole")), time.monotonic()
    assert whole.start().wait() == 0
    return whole.written(), time.monotonic() - began


def test_killed_at_any_moment_it_goes_on_and_writes_the_same_files(
    raw: Path, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path, chance: random.Random
) -> None:
    (expected, seconds), describing = undisturbed, Describing(raw, tmp_path)
    for _ in range(ROUNDS):
        before = describing.kept()
        started = describing.start()
        time.sleep(chance.uniform(0, seconds))
        started.kill()
        started.wait()
        assert describing.written().items() <= expected.items()
        assert before <= describing.kept()
    assert describing.start().wait() == 0
    assert describing.written() == expected
    assert len(describing.kept()) == len(list(raw.iterdir()))
