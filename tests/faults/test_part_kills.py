"""Parts beside each other, some of which are killed: the same bytes as one command's."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import forked
import pytest
from support import SHARDS, RawSet, command, prepare, products, temporary_files

from pipeline import paths
from pipeline.job.resolve import resolve

PARTS = 4


def start(raw_set: RawSet, out: Path, part: int) -> forked.ForkedPopen:
    where = ("--raw", raw_set.raw, "--config", raw_set.config, "--out", out)
    words = command("imagenet", *where, *SHARDS, "--part", f"{part}/{PARTS}", "--workers", 2)
    return forked.ForkedPopen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_shards(out: Path, count: int) -> None:
    marks = paths.shard_marks(out, "")
    deadline = time.monotonic() + 60
    while len(list(marks.glob("*/*.json"))) < count and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.usefixtures("hurried")
def test_two_of_four_parts_are_killed_and_started_again(
    sample: RawSet, undisturbed: dict[str, str], out: Path
) -> None:
    assert prepare(sample, out, *SHARDS, "--until", "plan").returncode == 0
    started = [start(sample, out, part) for part in range(PARTS)]
    wait_for_shards(out, 5)
    for part in (1, 3):
        forked.kill_whole(started[part])
    again = {part: start(sample, out, part) for part in (1, 3)}
    for process in (started[0], started[2], *again.values()):
        _, said = process.communicate()
        assert process.returncode == 0, said
    whole = prepare(sample, out, *SHARDS)
    assert whole.returncode == 0, whole.stderr
    assert products(out) == undisturbed
    assert temporary_files(out) == []
    claims = paths.shard_claim(out, resolve(sample.job(out)).splits["train"].shards_digest, 0)
    assert [path for path in claims.parent.parent.rglob("*") if path.is_file()] == []
