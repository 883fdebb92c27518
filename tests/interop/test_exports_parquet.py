"""DuckDB, pandas, polars and Hugging Face's datasets read the Parquet export as it is."""

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
from pipeline.exports.exported_split import ExportedSplit
from pipeline.exports.parquet import read_facts, write
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.state import status

READERS = Path(__file__).with_name("readers")
PYTHON = os.environ.get("SHARDMILL_DATASETS_PYTHON", str(ROOT / ".venv-datasets/bin/python"))
FORMATS = ("tfrecord", "recordio", "webdataset")
OFFLINE = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def export(resolved: ResolvedJob, out: Path) -> Path:
    """Write the export at the top of the output, which the names of its files start from."""
    splits = []
    for split in resolved.splits.values():
        rows = partial(catalog.read, paths.catalog(out, split.name, split.catalog_digest))
        facts = {name: read_facts(paths.facts(split.output(name).folder)) for name in FORMATS}
        splits.append(ExportedSplit(split.name, rows, facts, split.split.folder))
    with storage.StagedFile(out / "metadata.parquet") as staged:
        write(staged, splits, resolved.table)
        storage.publish(staged)
    return out / "metadata.parquet"


@pytest.fixture
def resolved(raw_set: RawSet, out: Path) -> ResolvedJob:
    """A job that is done: shards in every format, and trees."""
    options = [option for name in FORMATS for option in ("--format", name)]
    run = prepare(raw_set, out, "--extract", *options)
    assert run.returncode == 0, run.stderr
    return resolve(status.recorded_jobs(out)[-1])


def python(reader: str, *arguments: object) -> Any:
    """Return what a reader prints, as JSON."""
    command = [PYTHON, *map(str, (READERS / reader, *arguments))]
    run = subprocess.run(command, capture_output=True, text=True, env=OFFLINE, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_every_reader_reads_the_rows_that_were_written(
    resolved: ResolvedJob, out: Path, tmp_path: Path
) -> None:
    path = export(resolved, out)
    found = python("read_tables.py", path, tmp_path / "cache")
    assert found.pop("classes") == {"class_id": list(resolved.table.class_ids)}
    rows = pq.read_table(path).to_pylist()
    assert len(rows) == sum(split.expected.images for split in resolved.splits.values())
    assert found == dict.fromkeys(("duckdb", "pandas", "polars", "datasets"), rows)


def test_imagefolder_finds_every_image_by_the_export(
    resolved: ResolvedJob, out: Path, tmp_path: Path
) -> None:
    path = export(resolved, out)
    options = {"data_files": {"both": str(path)}}
    found = python("read_hf_imagefolder.py", tmp_path / "cache", json.dumps(options))
    assert found.keys() == {"both"}
    assert found["both"]["classes"] == {"class_id": list(resolved.table.class_ids)}
    rows = pq.read_table(path).to_pylist()
    for loaded, row in zip(found["both"]["rows"], rows, strict=True):
        file, size = loaded.pop("image")
        assert file == str(out / row.pop("file_name"))
        assert loaded == row
        # An image that its EXIF says is turned is turned when it is decoded.
        assert size in ([row["width"], row["height"]], [row["height"], row["width"]])
