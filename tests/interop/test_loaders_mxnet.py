"""MXNet reads finished outputs: every image once, by any workers and hosts, resumed anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import commands
import documentation
import pytest
from drawnlists import encoded
from finishedoutputs import kept
from support import ROOT, RawSet

PYTHON = os.environ.get("SHARDMILL_MXNET_PYTHON", str(ROOT / ".venv-mxnet/bin/python"))
READER = ROOT / "tests/interop/readers/loaders_mxnet.py"
IMAGES = 24
LABELS = [[float(number), number / 2] for number in range(IMAGES)]
pytestmark = pytest.mark.skipif(
    not Path(PYTHON).exists(), reason="MXNet lives in an environment of its own"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, each with two numbers of its own, and what is made of them in three shards."""
    folder = tmp_path_factory.mktemp("numbered")
    lines = []
    for number, labels in enumerate(LABELS):
        (folder / f"{number}.jpg").write_bytes(encoded(number))
        lines.append("\t".join([str(number), *map(str, labels), f"{number}.jpg"]))
    (folder / "numbered.lst").write_text("\n".join(lines) + "\n")
    words = ("imagelist", folder / "numbered.lst", "--out", folder / "out")
    run = commands.shardmill(*words, "--format", "recordio", "--shards", 3)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def read(folder: Path) -> dict[str, Any]:
    """What MXNet reads of it."""
    found: dict[str, Any] = json.loads(said(READER, folder / "out", "numbered"))
    return found


def said(*words: object, cwd: Path | None = None) -> str:
    """Return what Python prints in MXNet's environment."""
    run = subprocess.run(
        [PYTHON, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("decode", ["True", "False"])
def test_two_epochs_have_every_image_once(read: dict[str, Any], decode: str) -> None:
    first, second, again = read[decode]["epochs"]
    assert sorted(first) == sorted(second) == LABELS
    assert first != second
    assert first == again


def test_a_loop_that_resets_reads_one_epoch_after_another(read: dict[str, Any]) -> None:
    assert read["following"] == read["True"]["epochs"][:2]


def test_two_epochs_of_two_workers_have_every_image_once(read: dict[str, Any]) -> None:
    assert read["by workers"] == read["False"]["epochs"][:2]


@pytest.mark.parametrize("decode", ["True", "False"])
def test_two_hosts_have_every_image_once(read: dict[str, Any], decode: str) -> None:
    one, other = read[decode]["hosts"]
    assert sorted(one + other) == LABELS
    assert one
    assert other


@pytest.mark.parametrize("decode", ["True", "False"])
def test_an_epoch_that_is_resumed_goes_on_as_it_would_have(
    read: dict[str, Any], decode: str
) -> None:
    assert read[decode]["resumed"] == read[decode]["epochs"][1][10:]


@pytest.mark.parametrize("decode", ["True", "False"])
def test_behind_the_last_image_of_an_epoch_the_next_one_begins(
    read: dict[str, Any], decode: str
) -> None:
    assert read[decode]["ended"] == [read[decode]["epochs"][1]] * 2


def test_a_state_is_resumed_with_another_batch_size_or_refused(read: dict[str, Any]) -> None:
    rest = read["True"]["epochs"][0][10:]
    no_batch = "no batch ends where the state stands"
    assert read["other sizes"] == [rest, rest, no_batch, no_batch]


def test_records_are_those_that_are_stored(folder: Path, read: dict[str, Any]) -> None:
    images = [(folder / f"{number}.jpg").read_bytes() for number in range(IMAGES)]
    hashes = [hashlib.sha256(image).hexdigest() for image in images]
    assert sorted(read["stored"]) == [list(pair) for pair in zip(LABELS, hashes, strict=True)]


def test_batches_have_the_documented_shapes(read: dict[str, Any]) -> None:
    images, labels = [5, 3, 16, 16], [5, 2]
    assert read["shapes"] == [[images, "float32"], [labels, "float32"], images, labels]


def test_what_is_wrong_is_said_in_the_words_of_the_house(read: dict[str, Any]) -> None:
    assert read["refused"] == [
        "batch_size and data_shape: needed where MXNet decodes",
        "resize: without effect where nothing is decoded",
        "world: no rank of a world",
    ]


def test_mxnet_reads_as_documented(sample: RawSet, tmp_path: Path) -> None:
    out = kept(sample, "--format", "recordio", "--shards", "train=3").out
    (tmp_path / "OUT").symlink_to(out)
    code = documentation.snippet("from pipeline.loaders import mxnet as loaders")
    shown = f"{code}\nprint(images.shape, labels.shape, batch.pad, len(list(batches)))"
    assert said("-c", shown, cwd=tmp_path).split("\n")[0] == "(64, 3, 224, 224) (64,) 32 2"
