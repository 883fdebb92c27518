"""Grain, TensorFlow, webdataset and MXNet read appended shards as docs/appending.md says."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from glob import glob
from pathlib import Path
from typing import Any

import pytest
from drawnlists import ALL_FORMATS, ListedSet, draw_list, encoded, lay
from support import ROOT

from pipeline.formats.examples.example import parse_example

READERS = Path(__file__).with_name("readers")
PAGE = (ROOT / "docs/appending.md").read_text()
IMAGES = 11


@pytest.fixture(scope="module")
def appended(tmp_path_factory: pytest.TempPathFactory) -> tuple[ListedSet, Path]:
    """A list of JPEGs to which images were added twice, and what was made of it."""
    folder = tmp_path_factory.mktemp("appended")
    drawn, out = draw_list(folder / "drawn", images=3, split="train"), folder / "out"
    for images in (3, 6, IMAGES):
        for number in range(len(drawn.names), images):
            lay(drawn.root / f"new/{number}.jpg", encoded(number))
            drawn.add(f"{100 + number}\t1.000000\tnew/{number}.jpg")
        run = drawn.prepare_here(out, *ALL_FORMATS, "--shards", 2, "--append")
        assert run.returncode == 0, run.stderr
    return drawn, out


def digests(drawn: ListedSet) -> list[str]:
    """Return the SHA-256 of each image, sorted."""
    contents = ((drawn.root / name).read_bytes() for name in drawn.names)
    return sorted(hashlib.sha256(content).hexdigest() for content in contents)


def pattern(name: str, out: Path) -> str:
    """Return the pattern that the page has in the first place of a line of its table."""
    (line,) = re.findall(rf"^\| {name} \|(.*)\|$", PAGE, re.MULTILINE)
    found = re.search(r"`(?:.*?glob\(\")?(.*?)(?:\"\))?`", line)
    assert found is not None
    return found[1].replace("OUT", str(out))


def printed(name: str, reader: str, *arguments: object) -> Any:
    """Return the JSON that a reader prints in its own environment."""
    own = str(ROOT / f".venv-{name}/bin/python")
    python = os.environ.get(f"SHARDMILL_{name.upper()}_PYTHON", own)
    if not Path(python).exists():
        pytest.skip(f"{reader} needs an environment of its own: make interop")
    command = [python, READERS / reader, *arguments]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:(tensorflow|keras|google)")
def test_tensorflow_finds_every_record_by_the_glob(appended: tuple[ListedSet, Path]) -> None:
    tf = pytest.importorskip("tensorflow")
    drawn, out = appended
    files = tf.io.gfile.glob(pattern("TensorFlow", out))
    names = set()
    for record in tf.data.TFRecordDataset(sorted(files)):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        names.add(features["image/filename"].bytes_list.value[0].decode())
    assert names == {Path(name).name for name in drawn.names}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_grain_finds_every_record_by_the_glob(appended: tuple[ListedSet, Path]) -> None:
    grain = pytest.importorskip("grain")
    drawn, out = appended
    source = grain.sources.ArrayRecordDataSource(sorted(glob(pattern("arrayrecord", out))))
    images = [parse_example(source[number]).encoded for number in range(len(source))]
    assert sorted(hashlib.sha256(image).hexdigest() for image in images) == digests(drawn)


def test_webdataset_finds_every_sample_by_the_glob_and_by_braces(
    appended: tuple[ListedSet, Path],
) -> None:
    drawn, out = appended
    files = sorted(glob(pattern("webdataset", out)))
    assert len(files) == 2 + 2 + 3
    (braces,) = re.findall(r"`(train-\{\{.*?)`", PAGE)
    assert braces == "train-{{00000..00127}-of-00128,a01-{00000..00011}-of-00012}.tar"
    spelled = (
        "train-{{00000..00001}-of-00002,a01-{00000..00001}-of-00002,a02-{00000..00002}-of-00003}"
    )
    for urls in (files, [f"{Path(files[0]).parent}/{spelled}.tar"]):
        rows = printed("webdataset", "read_webdataset.py", *urls)
        assert sorted(row[2] for row in rows) == digests(drawn)


def test_mxnet_reads_every_record_by_the_indexes(appended: tuple[ListedSet, Path]) -> None:
    drawn, out = appended
    found = pattern("MXNet, DALI", out / "recordio/train/current")
    rows = []
    for shard in sorted((out / "recordio/train/current").glob(found)):
        rows += printed("mxnet", "mxnet_recordio.py", "records", shard, shard.with_suffix(".idx"))
    assert sorted(row[4] for row in rows) == digests(drawn)
