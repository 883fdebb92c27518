"""TensorFlow reads shards that are fetched into a folder of this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from finishedoutputs import prepared
from support import ROOT, RawSet

from pipeline import storage
from pipeline.errors import NoSpace
from pipeline.loaders import tfdata

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(tensorflow|keras|google)")


@pytest.fixture
def output(small: RawSet, out: Path) -> Path:
    """A finished output: 12 images for training in 4 shards."""
    prepared(small, out)
    return out


def names(dataset: Any) -> list[str]:
    return [element["filename"].numpy().decode() for element in dataset]


def open_dataset(out: Path, **given: Any) -> Any:
    return tfdata.dataset(out, "train", decode=False, **given)


def test_what_is_fetched_is_what_is_there(output: Path, tmp_path: Path) -> None:
    dataset = open_dataset(output, cache=tmp_path / "cache")
    assert int(dataset.cardinality()) == 12
    assert dataset.element_spec == open_dataset(output).element_spec
    assert names(dataset) == names(open_dataset(output))
    assert names(dataset) == names(open_dataset(output))  # an epoch more
    assert len(list((tmp_path / "cache").iterdir())) == 4


@pytest.mark.parametrize("shuffle", [False, True])
def test_hosts_share_the_shards_and_fetch_only_their_own(
    output: Path, tmp_path: Path, shuffle: bool
) -> None:
    read = []
    for index in range(2):
        given = {"shuffle_files": shuffle, "seed": 1, "part": (index, 2)}
        dataset = open_dataset(output, cache=tmp_path / f"{index}", **given)
        read.append(names(dataset))
        assert int(dataset.cardinality()) == len(read[-1])
        assert len(list((tmp_path / f"{index}").iterdir())) == 2
    assert sorted(read[0] + read[1]) == sorted(names(open_dataset(output)))


def test_a_shard_is_fetched_when_it_is_read_or_the_one_before(output: Path, tmp_path: Path) -> None:
    dataset = open_dataset(output, cache=tmp_path / "cache", num_parallel=1)
    assert not (tmp_path / "cache").exists()
    assert len(names(dataset.take(1))) == 1
    assert len(list((tmp_path / "cache").iterdir())) < 4


def test_a_seed_gives_the_same_order_with_a_cache_as_without(output: Path, tmp_path: Path) -> None:
    given = {"shuffle_files": True, "seed": 3}
    cached = open_dataset(output, cache=tmp_path / "cache", **given)
    assert names(cached) == names(open_dataset(output, **given))


def test_what_is_wrong_with_a_shard_is_said_by_tensorflow(output: Path, tmp_path: Path) -> None:
    dataset = open_dataset(output, cache=tmp_path / "cache")
    shard = next((output / "tfrecord/train/current").glob("*-00003-of-*"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    with pytest.raises(tf.errors.UnknownError, match="not as the manifest says"):
        names(dataset)


def test_what_reads_stores_can_be_imported_beside_tensorflow() -> None:
    """TensorFlow's own libcurl would stand in for that of pycurl, which refuses it."""
    code = "import tensorflow, pipeline.storage.http.process as process; process.transfer().close()"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr


def test_a_cache_without_room_is_refused_at_once(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "free_bytes", lambda _: 1000)
    with pytest.raises(NoSpace, match="no room"):
        open_dataset(output, cache=tmp_path / "cache")
