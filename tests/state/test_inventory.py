"""Which artifacts are whole, and what is still to be made where some are gone."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import inprocess
import pytest
from support import RawSet, products

from pipeline import manifest, paths, storage
from pipeline.errors import ArchiveMissing
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.state.inventory import Inventory

TRAIN = "ILSVRC2012_img_train.tar"


@pytest.fixture
def own(small: RawSet, tmp_path: Path) -> RawSet:
    """A copy of the sample, for tests that take parts of it away."""
    return small.copy(tmp_path / "raw")


@pytest.fixture
def words(own: RawSet, out: Path) -> list[object]:
    """The command that prepares the training images in two shards."""
    where = ["imagenet", "--raw", own.raw, "--config", own.config, "--out", out]
    return [*where, "--split", "train", "--shards", "train=2"]


@pytest.fixture
def resolved(
    own: RawSet, words: list[object], out: Path, monkeypatch: pytest.MonkeyPatch
) -> ResolvedJob:
    """The job of that command, which has prepared everything."""
    assert inprocess.shardmill(monkeypatch, *words).status == 0
    return resolve(own.job(out, splits=("train",), shards=(("train", 2),)))


def pending(resolved: ResolvedJob) -> list[str]:
    return [artifact.name for artifact in Inventory(resolved).pending()]


def test_nothing_is_to_be_made_of_what_is_whole(resolved: ResolvedJob) -> None:
    assert Inventory(resolved).complete
    assert pending(resolved) == []


def test_what_a_whole_output_was_made_of_may_be_gone(resolved: ResolvedJob) -> None:
    split = resolved.splits["train"]
    out = storage.on_this_machine(resolved.out)
    paths.catalog_mark(out, "train", split.catalog_digest).unlink()
    paths.plan_mark(out, "train", split.plan_digest).unlink()
    assert not Inventory(resolved).whole("catalog-train")
    assert Inventory(resolved).complete
    assert pending(resolved) == []


@pytest.mark.parametrize(
    ("lost", "made"),
    [
        ("link", ["link-train-tfrecord"]),
        ("manifest", ["manifest-train-tfrecord", "link-train-tfrecord"]),
        ("shard", ["shards-train", "manifest-train-tfrecord", "link-train-tfrecord"]),
        ("list", ["list-train"]),
        ("list and catalog", ["catalog-train", "list-train"]),
    ],
)
def test_what_is_lost_is_made_with_what_needs_it(
    resolved: ResolvedJob, lost: str, made: list[str]
) -> None:
    (output,) = resolved.splits["train"].outputs
    files = {
        "link": [paths.current(resolved.out, "tfrecord", "train")],
        "manifest": [paths.manifest(output.folder)],
        "shard": [output.folder / "train-00001-of-00002"],
        "list": [paths.image_list(resolved.out, "train")],
        "list and catalog": [
            paths.image_list(resolved.out, "train"),
            storage.on_this_machine(resolved.graph["catalog-train"].files[0]),
        ],
    }
    for file in files[lost]:
        storage.on_this_machine(file).unlink()
    assert pending(resolved) == made


@pytest.mark.parametrize("shard_is_lost", [False, True])
def test_an_archive_may_be_gone_when_only_the_manifest_is_left_to_make(
    resolved: ResolvedJob,
    own: RawSet,
    words: list[object],
    out: Path,
    shard_is_lost: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = products(out)
    (output,) = resolved.splits["train"].outputs
    paths.manifest(storage.on_this_machine(output.folder)).unlink()
    if shard_is_lost:
        (storage.on_this_machine(output.folder) / "train-00001-of-00002").unlink()
    (own.raw / TRAIN).unlink()
    run = inprocess.shardmill(monkeypatch, *words)
    if shard_is_lost:
        assert run.status == ArchiveMissing.exit_status
        assert TRAIN in run.said
    else:
        assert run.status == 0
        assert products(out) == before


def test_a_manifest_is_read_once(resolved: ResolvedJob, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Mock(wraps=manifest.read_whole)
    monkeypatch.setattr(manifest, "read_whole", read)
    inventory = Inventory(resolved)
    assert inventory.complete
    assert inventory.pending() == ()
    assert inventory.manifest("train", "tfrecord") is not None
    assert read.call_count == 1
