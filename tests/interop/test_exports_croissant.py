"""mlcroissant validates the description of an output, and loads records through it."""

from __future__ import annotations

import json
import os
import subprocess
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support import ROOT, RawSet, prepare

from pipeline import manifest, paths, storage
from pipeline.catalog import table as catalog
from pipeline.documents.outputs import OutputManifest
from pipeline.exports import croissant, parquet
from pipeline.exports import image_list as imagelist
from pipeline.exports.croissant import DescribedFile, Description
from pipeline.exports.exported_split import ExportedSplit
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.manifest import FileEntry
from pipeline.state import status

READERS = Path(__file__).with_name("readers")
PYTHON = os.environ.get("SHARDMILL_CROISSANT_PYTHON", str(ROOT / ".venv-croissant/bin/python"))
FORMAT = "tfrecord"


def write_images(resolved: ResolvedJob, path: Path) -> None:
    """Write the Parquet export."""
    splits = []
    for split in resolved.splits.values():
        listed = paths.catalog(resolved.out, split.name, split.catalog_digest)
        facts = {FORMAT: parquet.read_facts(paths.facts(split.output(FORMAT).folder))}
        rows = partial(catalog.read, listed)
        splits.append(ExportedSplit(split.name, rows, facts, split.split.folder))
    with storage.StagedFile(path) as staged:
        parquet.write(staged, splits, resolved.table)
        storage.publish(staged)


def entries(resolved: ResolvedJob) -> list[FileEntry]:
    """Return every file of the output that the description names."""
    out = resolved.out
    found = []
    for split in resolved.splits.values():
        folder = split.output(FORMAT).folder
        prefix = storage.relative(folder, out)
        document = manifest.read(paths.manifest(folder), OutputManifest)
        found += [
            FileEntry(f"{prefix}/{entry.file}", entry.bytes, entry.xxh3_128)
            for entry in document.files
        ]
    for path in (out / "metadata.parquet", paths.label_table(out)):
        name = storage.relative(path, out)
        found.append(
            FileEntry(name, storage.on_this_machine(path).stat().st_size, manifest.hash_file(path))
        )
    return found


@pytest.fixture
def described(raw_set: RawSet, out: Path) -> Path:
    """The description of a job that is done."""
    run = prepare(raw_set, out, "--format", FORMAT)
    assert run.returncode == 0, run.stderr
    resolved = resolve(status.recorded_jobs(out)[-1])
    write_images(resolved, out / "metadata.parquet")
    header = imagelist.labels_bytes(resolved.table).decode().partition("\n")[0]
    known = croissant.sha256_of(out, entries(resolved), {})
    description = Description(
        name=resolved.dataset.name,
        about="Images of the ILSVRC 2012.",
        splits={name: split.expected.images for name, split in resolved.splits.items()},
        files=tuple(DescribedFile(each.file, each.bytes, found) for each, found in known.items()),
        images="metadata.parquet",
        columns=parquet.schema([FORMAT], resolved.table.class_ids),
        classes=str(paths.label_table(out).relative_to(out)),
        class_columns=tuple(header.split("\t")),
        license="https://image-net.org/download.php",
        url="https://image-net.org/challenges/LSVRC/2012/",
        cite_as="Russakovsky et al., 2015",
        version="1.0.0",
        date_published="2012-10-14",
    )
    storage.publish_bytes(out / "croissant.json", croissant.serialise(description))
    return out / "croissant.json"


def test_mlcroissant_validates_it_without_a_warning(described: Path) -> None:
    command = [str(Path(PYTHON).with_name("mlcroissant")), "validate", "--jsonld", str(described)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "Done." in run.stderr
    assert "WARNING" not in run.stderr.upper()


def test_every_record_loads_as_it_was_written(described: Path) -> None:
    command = [PYTHON, str(READERS / "read_croissant.py"), str(described)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["warnings"] == []
    out = described.parent
    rows = pq.read_table(out / "metadata.parquet").to_pylist()
    assert found["records"]["images"] == [
        {
            f"images/{name}": [
                {f"images/boxes/{corner}": each for corner, each in box.items()} for box in value
            ]
            if name == "boxes"
            else value
            for name, value in row.items()
        }
        for row in rows
    ]
    lines = [line.split("\t") for line in paths.label_table(out).read_text().splitlines()]
    assert [list(map(str, record.values())) for record in found["records"]["classes"]] == lines[1:]
    assert {row["splits/name"] for row in found["records"]["splits"]} == {
        row["split"] for row in rows
    }


def test_a_changed_file_is_noticed(described: Path) -> None:
    images = described.parent / "metadata.parquet"
    images.write_bytes(images.read_bytes() + b"\0")
    command = [PYTHON, str(READERS / "read_croissant.py"), str(described)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "not identical" in run.stderr
