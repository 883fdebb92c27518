"""The shards of a finished output: which a reader reads, and where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from finishedoutputs import prepared
from support import RawSet

from pipeline import manifest, storage
from pipeline.errors import NoSpace, OutputDamaged, UsageError
from pipeline.loaders.shards import open_shards

NAMES = [f"train-{index:05d}-of-00004" for index in range(4)]


@pytest.fixture
def output(small: RawSet, out: Path) -> Path:
    """A finished output of four shards and another of four."""
    prepared(small, out)
    return out


def test_without_a_cache_shards_are_read_where_they_are(output: Path) -> None:
    shards = open_shards(output, "train", "tfrecord")
    assert shards.names == NAMES
    folder = (output / "tfrecord/train/current").resolve()
    assert [shards.path(name) for name in NAMES] == [folder / name for name in NAMES]
    assert shards.records == 12


def test_with_a_cache_each_is_fetched_when_it_is_asked_for(output: Path, tmp_path: Path) -> None:
    kept = tmp_path / "cache"
    shards = open_shards(output, "train", "tfrecord", cache=kept)
    assert not kept.exists()
    path = shards.path(NAMES[2])
    assert list(kept.iterdir()) == [path]
    assert path.read_bytes() == (shards.folder / NAMES[2]).read_bytes()  # type: ignore[union-attr]


def test_parts_are_all_shards_each_once(output: Path) -> None:
    parts = [open_shards(output, "train", "tfrecord", part=(index, 3)) for index in range(3)]
    assert [part.names for part in parts] == [NAMES[::3], NAMES[1:2], NAMES[2:3]]
    assert sum(part.records for part in parts) == 12


@pytest.mark.parametrize("part", [(0, 0), (-1, 2), (2, 2), (4, 5)])
def test_a_part_that_cannot_be_is_refused(output: Path, part: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="part"):
        open_shards(output, "train", "tfrecord", part=part)


def test_only_the_room_for_the_part_is_needed(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = max((output / "tfrecord/train/current" / name).stat().st_size for name in NAMES)
    monkeypatch.setattr(storage, "free_bytes", lambda _: largest)
    for index in range(4):
        open_shards(output, "train", "tfrecord", cache=tmp_path / "cache", part=(index, 4))
    with pytest.raises(NoSpace, match="no room"):
        open_shards(output, "train", "tfrecord", cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"out": "s3://bucket/shards"}, "cache="),
        ({"out": "s3://bucket"}, "out"),
        ({"out": Path("s3://bucket/shards"), "cache": "cache"}, "out"),
        ({"out": "http://host/shards", "cache": "cache"}, "out"),
        ({"out": "out", "cache": "s3://bucket/cache"}, "local path"),
        ({"out": "out", "cache": ""}, "empty"),
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_is_asked(
    given: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("boto3", "pycurl"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError) as caught:
        open_shards(split="train", shard_format="tfrecord", **given)
    assert said in str(caught.value)


def test_a_manifest_without_hashes_is_no_matter_but_for_a_cache(
    output: Path, tmp_path: Path
) -> None:
    path = (output / "tfrecord/train/current").resolve() / "manifest.json"
    storage.publish_bytes(path, manifest.serialise({**manifest.load(path), "files": []}))
    assert open_shards(output, "train", "tfrecord").names == NAMES
    with pytest.raises(OutputDamaged, match="hash"):
        open_shards(output, "train", "tfrecord", cache=tmp_path / "cache")


def test_loaders_import_few_packages() -> None:
    """Environments of frameworks have no others: see tests/interop/readers/requirements-dali.in."""
    absent = ("boto3", "click", "h5py", "isal", "lxml", "luigi", "pycurl", "rich")
    code = f"import sys; sys.modules |= dict.fromkeys({absent!r}); import pipeline.loaders.records"
    subprocess.run([sys.executable, "-c", code], check=True)
