"""Hugging Face's imagefolder and torchvision's ImageFolder open a tree with metadata.parquet."""

from __future__ import annotations

import json
import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support import ROOT, RawSet, prepare

from pipeline import paths, storage
from pipeline.catalog import table as catalog
from pipeline.exports.imagefolder import write
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.state import status

READERS = Path(__file__).with_name("readers")
DATASETS = os.environ.get("SHARDMILL_DATASETS_PYTHON", str(ROOT / ".venv-datasets/bin/python"))
TORCHVISION = os.environ.get(
    "SHARDMILL_TORCHVISION_PYTHON", str(ROOT / ".venv-torchvision/bin/python")
)
OFFLINE = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


@pytest.fixture
def resolved(raw_set: RawSet, out: Path) -> ResolvedJob:
    """A job that is done: shards, and trees with their metadata."""
    run = prepare(raw_set, out, "--extract", "--format", "webdataset")
    assert run.returncode == 0, run.stderr
    resolved = resolve(status.recorded_jobs(out)[-1])
    for split in resolved.splits.values():
        rows = partial(catalog.read, paths.catalog(out, split.name, split.catalog_digest))
        tree = paths.tree(out, split.split.folder)
        with storage.StagedFile(tree / paths.METADATA) as staged:
            write(staged, rows(), resolved.table)
            storage.publish(staged)
    return resolved


def python(interpreter: str, reader: str, *arguments: object) -> Any:
    """Return what a reader prints, as JSON."""
    command = [interpreter, *map(str, (READERS / reader, *arguments))]
    run = subprocess.run(command, capture_output=True, text=True, env=OFFLINE, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_imagefolder_finds_splits_images_and_labels(
    resolved: ResolvedJob, out: Path, tmp_path: Path
) -> None:
    options = json.dumps({"data_dir": str(out)})
    found = python(DATASETS, "read_hf_imagefolder.py", tmp_path / "cache", options)
    assert found.keys() == {"train", "validation"}
    for name, split in found.items():
        assert split["classes"] == {"label": list(resolved.table.class_ids)}
        tree = paths.tree(out, resolved.splits[name].split.folder)
        images = [row["image"] for row in split["rows"]]
        rows = pq.read_table(tree / paths.METADATA, partitioning=None).to_pylist()
        files = [str(tree / row.pop("file_name")) for row in rows]
        assert [file for file, _ in images] == files
        assert sorted(files) == sorted(map(str, tree.glob("*/*")))
        assert split["rows"] == [
            {**row, "image": image} for row, image in zip(rows, images, strict=True)
        ]


def test_torchvision_takes_no_notice_of_the_file(resolved: ResolvedJob, out: Path) -> None:
    for split in resolved.splits.values():
        tree = paths.tree(out, split.split.folder)
        found = python(TORCHVISION, "read_imagefolder.py", tree)
        images = sorted(str(path.relative_to(tree)) for path in tree.glob("*/*"))
        assert [sample[0] for sample in found["samples"]] == images
        assert found["classes"] == sorted({path.partition("/")[0] for path in images})
