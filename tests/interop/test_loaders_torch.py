"""PyTorch reads finished outputs: every image once, by any workers and hosts, resumed anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import documentation
import numpy as np
import pytest
import torch
from finishedoutputs import kept
from support import RawSet
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

from pipeline.errors import OutputDamaged, UsageError
from pipeline.loaders import torch as loader

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create:UserWarning",
    "ignore:.*is deprecated:UserWarning",
    "ignore::DeprecationWarning",
)
Batches = list[list[str]]
BATCH = 5
FORMATS = ("--format", "tfrecord", "--format", "webdataset")
SNIPPETS = [
    first
    for first, test in documentation.SNIPPETS.items()
    if test.startswith("test_torch_reads_as_doc")
]


@pytest.fixture(scope="module")
def output(sample: RawSet) -> Path:
    """A finished output in two formats, of seven shards."""
    return kept(sample, *FORMATS, "--shards", "train=7").out


@pytest.fixture(scope="module")
def everything(output: Path) -> list[str]:
    """The name of every image, by number."""
    return [each["filename"] for each in opened(output)]


def opened(out: Path, **given: Any) -> Any:
    return loader.dataset(out, "train", **{"decode": False, **given})


def names(examples: list[dict[str, Any]]) -> list[str]:
    return [example["filename"] for example in examples]


def batches(data: Any, workers: int, of: Any = DataLoader, **given: Any) -> Any:
    return of(data, batch_size=BATCH, num_workers=workers, collate_fn=names, **given)


def flat(read: Batches) -> list[str]:
    return [name for batch in read for name in batch]


@pytest.mark.parametrize("shard_format", ["tfrecord", "webdataset"])
@pytest.mark.parametrize("workers", [0, 2])
def test_two_epochs_have_every_image_once(
    output: Path, everything: list[str], shard_format: str, workers: int
) -> None:
    data = opened(output, shard_format=shard_format, shuffle=True, seed=1)
    read = list[Batches]()
    for epoch in range(2):
        data.set_epoch(epoch)
        read.append(list(batches(data, workers)))
        assert sorted(flat(read[-1])) == sorted(everything)
    assert read[0] != read[1]
    data.set_epoch(0)
    assert list(batches(data, workers)) == read[0]
    assert len(data) == len(everything) == 96


def test_workers_that_outlive_an_epoch_read_the_one_that_was_said(output: Path) -> None:
    data = opened(output, shuffle=True, seed=1)
    lasting = batches(data, 2, persistent_workers=True)
    for epoch in (0, 1, 0):
        data.set_epoch(epoch)
        again = opened(output, shuffle=True, seed=1)
        again.set_epoch(epoch)
        assert list(lasting) == list(batches(again, 2))


def test_two_hosts_of_three_workers_read_every_image_once(
    output: Path, everything: list[str]
) -> None:
    read = []
    for rank in range(2):
        data = opened(output, shuffle=True, seed=2, world=(rank, 2))
        data.set_epoch(4)
        read += flat(list(batches(data, 3)))
        assert len(data) == 48
    assert sorted(read) == sorted(everything)


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_an_epoch_that_is_resumed_goes_on_as_it_would_have(output: Path, workers: int) -> None:
    given = {"shuffle": True, "seed": 3, "world": (1, 2)}
    data = opened(output, **given)
    data.set_epoch(1)
    whole = list(batches(data, workers))
    for taken in (0, 1, len(whole) // 2, len(whole) - 1, len(whole)):
        data.set_epoch(1)
        state = data.state_after(taken, batch_size=BATCH, workers=workers)
        resumed = opened(output, **given)
        resumed.load_state_dict(state)
        assert list(batches(resumed, workers)) == whole[taken:]
        assert list(batches(resumed, workers)) == whole  # the epoch once more, from its begin


def test_one_that_is_resumed_twice_goes_on_as_it_would_have(output: Path) -> None:
    data = opened(output, shuffle=True, seed=3)
    whole = list(batches(data, 2))
    for taken in (3, 5):
        state = data.state_after(taken, batch_size=BATCH, workers=2)
        data = opened(output, shuffle=True, seed=3)
        data.load_state_dict(state)
    assert list(batches(data, 2)) == whole[8:]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stateful_loader_resumes_it(output: Path, workers: int) -> None:
    data = opened(output, shuffle=True, seed=3)
    whole = list(batches(data, workers))
    first = batches(data, workers, StatefulDataLoader)
    begun = iter(first)
    assert [next(begun) for _ in range(4)] == whole[:4]
    state = first.state_dict()
    del begun
    second = batches(opened(output, shuffle=True, seed=3), workers, StatefulDataLoader)
    second.load_state_dict(state)
    assert list(second) == whole[4:]


def test_workers_that_outlive_an_epoch_resume_where_a_loaded_state_stands(output: Path) -> None:
    data = opened(output, shuffle=True, seed=3)
    lasting = batches(data, 2, persistent_workers=True)
    whole = list(lasting)
    data.load_state_dict(data.state_after(3, batch_size=BATCH, workers=2))
    assert list(lasting) == whole[3:]
    assert list(lasting) == whole


def test_numbers_of_numpy_are_as_good_as_others(output: Path) -> None:
    data, other = (opened(output, shuffle=True, seed=seed) for seed in (3, np.int64(3)))
    data.set_epoch(2)
    other.set_epoch(np.int64(2))
    assert names(list(other)) == names(list(data))
    assert json.dumps(other.state_dict()) == json.dumps(data.state_dict())


def test_without_workers_any_sample_is_resumed_at(output: Path) -> None:
    data = opened(output, shuffle=True, seed=3)
    whole = [each["filename"] for each in data]
    begun = iter(data)
    assert [next(begun)["filename"] for _ in range(17)] == whole[:17]
    resumed = opened(output, shuffle=True, seed=3)
    resumed.load_state_dict(data.state_dict())
    assert [each["filename"] for each in resumed] == whole[17:]


def test_a_state_of_another_number_of_workers_is_refused(output: Path) -> None:
    data = opened(output)
    state = data.state_after(1, batch_size=BATCH, workers=3)
    data.load_state_dict(state)
    with pytest.raises(UsageError, match="another number of workers"):
        list(data)


def test_examples_are_tensors_of_the_documented_types(output: Path) -> None:
    boxed = 0
    for example in opened(output, decode=True):
        size = (example["height"], example["width"], 3)
        assert (example["image"].dtype, tuple(example["image"].shape)) == (torch.uint8, size)
        assert (example["bbox"].dtype, example["bbox"].shape[1:]) == (torch.float32, (4,))
        assert example["bbox_label"].dtype == torch.int64
        assert len(example["bbox_label"]) == len(example["bbox"])
        assert (example["labels"].dtype, len(example["labels"])) == (torch.float32, 0)
        assert 1 <= example["label"] <= 1000
        boxed += len(example["bbox"]) > 0
    assert boxed


def square(example: dict[str, Any]) -> tuple[Any, int]:
    return example["image"][:8, :8], example["label"]


def test_what_a_transform_makes_is_collated(output: Path) -> None:
    data = opened(output, decode=True, transform=square)
    images, labels = next(iter(DataLoader(data, batch_size=4, num_workers=2)))
    assert (images.dtype, tuple(images.shape)) == (torch.uint8, (4, 8, 8, 3))
    assert (labels.dtype, tuple(labels.shape)) == (torch.int64, (4,))


def test_images_are_read_by_number(output: Path, everything: list[str]) -> None:
    data = loader.indexed(output, "train", decode=False)
    assert [data[number]["filename"] for number in range(len(data))] == everything
    generator = torch.Generator().manual_seed(1)
    read = flat(list(batches(data, 2, shuffle=True, generator=generator)))
    assert read != everything
    assert sorted(read) == sorted(everything)
    parts = [loader.indexed(output, "train", decode=False, world=(rank, 2)) for rank in range(2)]
    assert [part[0]["filename"] for part in parts] == [everything[0], everything[48]]


def test_what_is_wrong_is_said_in_the_words_of_the_house(output: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no split 'val'"):
        loader.dataset(output, "val")
    with pytest.raises(OutputDamaged, match="no manifest"):
        loader.dataset(tmp_path, "train")
    with pytest.raises(UsageError, match="world"):
        loader.dataset(output, "train", world=(2, 2))
    with pytest.raises(UsageError, match="cache"):
        loader.dataset("s3://bucket/prefix", "train")


def test_torch_reads_as_documented(output: Path, tmp_path: Path) -> None:
    parts = [documentation.snippet(first) for first in SNIPPETS]
    assert run_beside(output, tmp_path, "\n".join([*parts, "print(len(list(loader)))"])) == "24"


def test_torch_reads_as_the_readme_says(output: Path, tmp_path: Path) -> None:
    code = documentation.snippet("from pipeline.loaders import torch")
    shown = code.rstrip() + "\n    print(tuple(example['bbox'].shape)[1])"
    assert set(run_beside(output, tmp_path, shown).split()) == {"4"}


def run_beside(output: Path, folder: Path, code: str) -> str:
    """Return what a snippet prints in a folder where the output is called OUT."""
    (folder / "OUT").symlink_to(output)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()
