"""DALI reads finished outputs: every image once, by any workers and hosts, resumed anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finishedoutputs import kept
from support import ROOT, RawSet

from pipeline.loaders.records import open_records

PYTHON = os.environ.get("SHARDMILL_DALI_PYTHON", str(ROOT / ".venv-dali/bin/python"))
READER = ROOT / "tests/interop/readers/loaders_dali.py"
pytestmark = pytest.mark.skipif(
    not Path(PYTHON).exists(), reason="DALI lives in an environment of its own"
)


@pytest.fixture(scope="module")
def output(sample: RawSet) -> Path:
    """A finished output in two formats, of seven shards."""
    formats = ("--format", "tfrecord", "--format", "webdataset")
    return kept(sample, *formats, "--shards", "train=7").out


@pytest.fixture(scope="module", params=["tfrecord", "webdataset"])
def read(request: pytest.FixtureRequest, output: Path) -> dict[str, Any]:
    """What DALI reads of it."""
    run = subprocess.run(
        [PYTHON, READER, output, request.param],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = {**json.loads(run.stdout), "format": request.param}
    return found


def flat(batches: list[list[str]]) -> list[str]:
    return [name for batch in batches for name in batch]


def test_two_epochs_of_two_workers_have_every_image_once(read: dict[str, Any]) -> None:
    everything = sorted(row[0] for row in read["facts"])
    first, second, again = map(flat, read["by workers"])
    assert len(everything) == 96
    assert sorted(first) == sorted(second) == everything
    assert first != second
    assert first == again
    assert read["by workers"] == read["epochs"]


def test_two_hosts_of_three_workers_have_every_image_once(read: dict[str, Any]) -> None:
    assert sorted(flat(read["hosts"])) == sorted(row[0] for row in read["facts"])
    assert [len(each) for each in read["hosts"]] == [48, 48]


def test_an_epoch_that_is_resumed_goes_on_as_it_would_have(read: dict[str, Any]) -> None:
    whole = read["resumed"][0]
    assert flat(whole) == read["hosts"][1]
    assert read["resumed"] == [whole] * 3


def test_behind_the_last_batch_of_an_epoch_the_next_one_begins(read: dict[str, Any]) -> None:
    assert read["ended"] == [read["epochs"][1]] * 3


def test_a_state_that_cannot_be_is_refused(read: dict[str, Any]) -> None:
    said = "the state is of another number of workers; the state is of more records than there are"
    assert read["of workers"] == said


def test_examples_are_those_that_are_read_by_number(output: Path, read: dict[str, Any]) -> None:
    records = open_records(output, "train", shard_format=read["format"])
    for example, (name, shape, types, label, boxes, labels) in zip(
        records, read["facts"], strict=True
    ):
        assert (example["filename"], [example["label"]]) == (name, label)
        assert list(example["image"].shape) == shape
        assert np.array_equal(example["bbox"], np.array(boxes, np.float32).reshape(-1, 4))
        assert example["bbox_label"].tolist() == labels
        expected = {"image": "uint83", "label": "int641", "labels": "float321"}
        assert types == {**expected, "bbox": "float322", "bbox_label": "int641"}


def test_images_are_those_that_are_stored(output: Path, read: dict[str, Any]) -> None:
    records = open_records(output, "train", shard_format=read["format"], decode=False)
    expected = [hashlib.sha256(example["encoded"]).hexdigest() for example in records]
    assert read["stored"] == expected


def test_batches_that_are_kept_stay_what_they_were(read: dict[str, Any]) -> None:
    assert read["kept"]


def test_the_graph_is_the_users_own(read: dict[str, Any]) -> None:
    assert read["transformed"] == [[5, 8, 8, 3]] * 19 + [[1, 8, 8, 3]]


def test_what_is_wrong_is_said_in_the_words_of_the_house(read: dict[str, Any]) -> None:
    assert read["refused"] == "there is no split 'val' here"
