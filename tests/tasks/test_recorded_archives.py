"""Configurations that leave MD5s and counts out: the first pass over an archive records them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from commands import prepare, shardmill
from finishedoutputs import kept
from inprocess import build, forget
from support import RawSet, products, timings

from pipeline.errors import NotCollected
from pipeline.job.resolve import resolve
from tasks.roots import PrepareImageNet

TRAIN = "ILSVRC2012_img_train.tar"


def without(raw_set: RawSet, folder: Path, *keys: str) -> RawSet:
    """Return the same archives with a configuration that leaves keys out."""
    own = raw_set.copy(folder)
    pattern = f"(?m)^(?:{'|'.join(keys)}) = .*\n"
    own.config.write_text(re.sub(pattern, "", own.config.read_text()))
    return own


def outputs(raw_set: RawSet, out: Path) -> list[tuple[str, str]]:
    forget()
    resolved = resolve(raw_set.job(out))
    return [(split.name, output.digest) for split, output in resolved.outputs]


@pytest.mark.parametrize("keys", [("md5", "counts", "images", "bytes"), ("counts",), ("md5",)])
def test_the_digests_and_bytes_are_those_of_the_whole_configuration(
    keys: tuple[str, ...], small: RawSet, tmp_path: Path
) -> None:
    own = without(small, tmp_path / "own", *keys)
    run = prepare(own, tmp_path / "own-out")
    assert run.returncode == 0, run.stderr
    assert outputs(own, tmp_path / "own-out") == outputs(small, tmp_path / "out")
    assert products(tmp_path / "own-out") == products(kept(small).out)
    verified = [each.name for each in timings(tmp_path / "own-out") if each.step == "verify"]
    assert len(verified) == len({*verified}) == 3  # each archive was read once
    again = prepare(own, tmp_path / "own-out")
    assert "already complete" in again.stdout


def test_nothing_is_planned_before_the_first_pass_has_ended(small: RawSet, tmp_path: Path) -> None:
    own, out = without(small, tmp_path / "own", "md5"), tmp_path / "out"
    run = prepare(own, out, "--dry-run")
    assert run.returncode == 0
    assert f"would read first: {TRAIN}, to record its MD5" in run.stdout
    assert run.stdout.endswith("nothing else is planned before that\n")
    assert not out.exists()
    with pytest.raises(NotCollected, match="was not read yet"):
        resolve(own.job(out))
    (own.raw / TRAIN).unlink()
    run = prepare(own, out)
    assert run.returncode == 3
    assert "the archive is not there" in run.stderr
    assert not list((out / ".shardmill").glob("plans/*"))
    assert shardmill("status", out).returncode != 0


def test_another_archive_under_the_recorded_md5_is_refused(small: RawSet, tmp_path: Path) -> None:
    own, out = without(small, tmp_path / "own", "md5", "bytes"), tmp_path / "out"
    assert prepare(own, out, "--until", "verify").returncode == 0
    content = bytearray((own.raw / TRAIN).read_bytes())
    content[-1] ^= 1
    (own.raw / TRAIN).write_bytes(content)
    run = prepare(own, out)
    assert run.returncode == 3
    assert "does not have the published MD5" in run.stderr


def test_an_archive_that_was_replaced_is_read_again_where_that_is_said(
    small: RawSet, tmp_path: Path
) -> None:
    own, out = without(small, tmp_path / "own", "md5", "bytes"), tmp_path / "out"
    words = ("--split", "train", "--no-boxes", "--export", "parquet")
    assert prepare(own, out, *words).returncode == 0
    (own.raw / TRAIN).write_bytes((own.raw / TRAIN).read_bytes() + bytes(10240))  # ends a tar, too
    told = prepare(own, out, *words)
    assert (told.returncode, "already complete" in told.stdout) == (0, True)
    assert f"{TRAIN}: looks otherwise than when it was read: --update" in told.stdout
    assert f"would read first: {TRAIN}" in prepare(own, out, *words, "--update", "--dry-run").stdout
    made = prepare(own, out, *words, "--update")
    assert (made.returncode, "already" in made.stdout) == (0, False), made.stderr
    assert shardmill("status", out).returncode == 0
    again = prepare(own, out, *words, "--update", "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    os.utime(own.raw / TRAIN)
    assert "already complete" in prepare(own, out, *words, "--update").stdout


def test_luigis_own_command_reads_first_and_then_prepares(small: RawSet, tmp_path: Path) -> None:
    own, out = without(small, tmp_path / "own", "md5", "counts"), tmp_path / "out"
    forget()
    parameters: dict[str, Any] = {"raw": own.raw, "out": out, "config": own.config}
    root: Any = PrepareImageNet(**{name: str(value) for name, value in parameters.items()})
    build([root])
    assert root.complete()
    forget()
    assert outputs(own, out) == outputs(small, tmp_path / "other")


def test_what_is_recorded_is_whole_and_is_kept(small: RawSet, tmp_path: Path) -> None:
    own, out = without(small, tmp_path / "own", "md5", "counts"), tmp_path / "out"
    assert prepare(own, out, "--until", "verify").returncode == 0
    records = [*(out / ".shardmill/archives").glob("*.recorded.json")]
    assert len(records) == 3
    assert shardmill("verify", out).returncode == 0
    assert shardmill("clean", out, "--yes").returncode == 0
    assert [path.exists() for path in records] == [True] * 3
    records[0].write_bytes(b"forged")
    assert shardmill("verify", out).returncode == 1


def test_a_tree_is_read_only_with_counts(small: RawSet, tmp_path: Path) -> None:
    own = without(small, tmp_path / "own", "md5", "counts")
    (tmp_path / "tree/train").mkdir(parents=True)
    words = ("--tree", tmp_path / "tree", "--config", own.config, "--out", tmp_path / "out")
    run = shardmill("imagenet", *words, "--no-boxes", "--split", "train")
    assert run.returncode == 2
    assert "a tree is read only where it is said how many images it has" in run.stderr
