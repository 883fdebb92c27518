"""TensorFlow reads records by number: every image once over hosts, from any sample on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import commands
import numpy as np
import pytest
import tensorflow as tf
from drawnlists import encoded
from finishedoutputs import kept
from support import RawSet

from pipeline.errors import UsageError
from pipeline.loaders import tfdata
from pipeline.loaders.records import open_records

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(tensorflow|keras|google)")
FORMATS = ("--format", "tfrecord", "--format", "webdataset")


@pytest.fixture(scope="module")
def output(sample: RawSet) -> Path:
    """A finished output in two formats, of seven shards."""
    return kept(sample, *FORMATS, "--shards", "train=7").out


def names(out: Path, **given: Any) -> list[str]:
    dataset = tfdata.dataset(out, "train", **{"decode": False, **given})
    read = [element["filename"].numpy().decode() for element in dataset]
    assert int(dataset.cardinality()) == len(read)
    return read


def test_two_epochs_have_every_image_once(output: Path) -> None:
    everything = names(output)
    first, second = (names(output, shuffle=True, seed=1, epoch=epoch) for epoch in range(2))
    assert sorted(first) == sorted(second) == sorted(everything)
    assert len({tuple(each) for each in (everything, first, second)}) == 3
    assert names(output, shuffle=True, seed=1, num_parallel=1) == first


@pytest.mark.parametrize("shuffle", [False, True])
def test_hosts_share_the_images(output: Path, shuffle: bool) -> None:
    given = {"shuffle": shuffle, "seed": 2}
    parts = [names(output, world=(rank, 5), **given) for rank in range(5)]
    assert {len(part) for part in parts} == {19, 20}
    assert sorted(name for part in parts for name in part) == sorted(names(output))


@pytest.mark.parametrize("shuffle", [False, True])
def test_an_epoch_is_gone_on_with_at_any_sample(output: Path, shuffle: bool) -> None:
    given = {"shuffle": shuffle, "seed": 3, "epoch": 4, "world": (1, 2)}
    whole = names(output, **given)
    for start in (0, 1, 17, 48):
        assert names(output, start=start, **given) == whole[start:]


def test_examples_are_those_that_are_read_by_file(output: Path) -> None:
    by_file, by_number = tfdata.dataset(output, "train"), tfdata.dataset(output, "train", start=1)
    assert by_number.element_spec == by_file.element_spec
    for one, other in zip(by_file.skip(1), by_number, strict=True):
        assert all(bool(tf.reduce_all(one[key] == other[key])) for key in one)


def test_labels_and_boxes_are_those_of_records_by_number(output: Path) -> None:
    dataset = tfdata.dataset(output, "train", decode=False).as_numpy_iterator()
    for element, record in zip(dataset, open_records(output, "train", decode=False), strict=True):
        for key in ("labels", "bbox", "bbox_label"):
            assert element[key].dtype == record[key].dtype
            assert np.array_equal(element[key], record[key])


def test_label_vectors_are_read(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(encoded(0))
    (tmp_path / "vectors.lst").write_text("0\t0.5\t2.25\t0.jpg\n")
    words = ("imagelist", tmp_path / "vectors.lst", "--out", tmp_path / "out", "--shards", 1)
    run = commands.shardmill(*words)
    assert run.returncode == 0, run.stderr
    (element,) = tfdata.dataset(tmp_path / "out", "vectors", start=0).as_numpy_iterator()
    assert element["labels"].tolist() == [0.5, 2.25]
    assert element["bbox"].shape == (0, 4)
    assert element["bbox_label"].shape == (0,)


def test_a_cache_changes_no_order(output: Path, tmp_path: Path) -> None:
    given = {"shuffle": True, "seed": 5, "world": (0, 2)}
    assert names(output, cache=tmp_path / "cache", **given) == names(output, **given)


def test_both_ways_to_divide_are_refused(output: Path) -> None:
    for given in ({"shuffle_files": True}, {"part": (0, 2)}):
        with pytest.raises(UsageError, match="by files"):
            tfdata.dataset(output, "train", shuffle=True, **given)
    with pytest.raises(UsageError, match="world"):
        tfdata.dataset(output, "train", world=(2, 2))
