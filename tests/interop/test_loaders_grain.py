"""Grain reads finished outputs: every image once, by any workers and hosts, resumed anywhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import documentation
import grain
import numpy as np
import pytest
from finishedoutputs import kept
from support import RawSet

from pipeline.errors import OutputDamaged, UsageError
from pipeline.loaders import grain as loader

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def output(sample: RawSet) -> Path:
    """A finished output in two formats, of seven shards."""
    formats = ("--format", "tfrecord", "--format", "webdataset")
    return kept(sample, *formats, "--shards", "train=7").out


@pytest.fixture(scope="module")
def everything(output: Path) -> list[str]:
    """The name of every image, by number."""
    return names(opened(output))


@pytest.fixture(autouse=True, scope="module")
def flags() -> None:
    """What Grain's worker processes ask of absl, whose flags a program's main parses."""
    from absl import flags as absl  # noqa: PLC0415

    if not absl.FLAGS.is_parsed():
        absl.FLAGS(sys.argv[:1])


def opened(out: Path, **given: Any) -> Any:
    return loader.dataset(out, "train", **{"decode": False, **given})


def names(examples: Any) -> list[str]:
    return [example["filename"] for example in examples]


@pytest.mark.parametrize("shard_format", ["tfrecord", "webdataset"])
def test_two_epochs_of_two_workers_have_every_image_once(
    output: Path, everything: list[str], shard_format: str
) -> None:
    data = opened(output, shard_format=shard_format, shuffle=True, seed=1)
    workers = grain.MultiprocessingOptions(num_workers=2)
    read = names(data.repeat(2).to_iter_dataset().mp_prefetch(workers))
    assert len(data) == len(everything) == 96
    first, second = read[:96], read[96:]
    assert sorted(first) == sorted(second) == sorted(everything)
    assert first != second
    again = opened(output, shard_format=shard_format, shuffle=True, seed=1)
    assert names(again.repeat(2).to_iter_dataset()) == read


def test_two_hosts_of_three_workers_have_every_image_once(
    output: Path, everything: list[str]
) -> None:
    workers, read = grain.MultiprocessingOptions(num_workers=3), list[str]()
    for rank in range(2):
        data = opened(output, world=(rank, 2), shuffle=True, seed=2)
        read += names(data.to_iter_dataset().mp_prefetch(workers))
    assert sorted(read) == sorted(everything)


def test_hosts_differ_by_one_image_at_most(output: Path, everything: list[str]) -> None:
    parts = [opened(output, world=(rank, 5), shuffle=True, seed=2) for rank in range(5)]
    assert sorted(name for part in parts for name in names(part)) == sorted(everything)
    assert {len(part) for part in parts} == {19, 20}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_state_is_gone_on_from(output: Path, workers: int) -> None:
    def iterator() -> Any:
        data = opened(output, shuffle=True, seed=3).repeat(2).to_iter_dataset()
        options = grain.MultiprocessingOptions(num_workers=workers)
        return iter(data.mp_prefetch(options) if workers else data)

    whole = names(iterator())
    begun = iterator()
    assert names(next(begun) for _ in range(113)) == whole[:113]
    resumed = iterator()
    resumed.set_state(begun.get_state())
    assert names(resumed) == whole[113:]


def test_examples_are_arrays_of_the_documented_types(output: Path) -> None:
    example = next(iter(opened(output, decode=True).to_iter_dataset()))
    assert example["image"].dtype == np.uint8
    assert example["image"].shape == (example["height"], example["width"], 3)
    assert (example["bbox"].dtype, example["bbox"].shape[1]) == (np.float32, 4)
    assert example["bbox_label"].dtype == np.int64


def test_what_is_wrong_is_said_in_the_words_of_the_house(output: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no split 'val'"):
        loader.dataset(output, "val")
    with pytest.raises(OutputDamaged, match="no manifest"):
        loader.dataset(tmp_path, "train")


def test_grain_reads_as_documented(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "OUT").symlink_to(output)
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(documentation.snippet("from pipeline.loaders import grain as loaders"), found)  # noqa: S102
    rest = names(found["examples"])
    assert len(found["taken"]) + len(rest) == 192
    resumed = iter(found["data"].to_iter_dataset())
    resumed.set_state(found["state"])
    assert names(resumed) == rest
