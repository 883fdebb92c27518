"""Every format of every source: the library of the format finds the images, labels and objects.

What it has to find is what the source was drawn of, and is read from no shard.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import shared
from commands import shardmill
from drawnlists import ALL_FORMATS
from drawnsources import SOURCES
from support import ROOT

from pipeline.formats.registry import FORMATS

READER = Path(__file__).with_name("readers") / "read_pairs.py"
ENVIRONMENTS = {
    "recordio": ("SHARDMILL_MXNET_PYTHON", ".venv-mxnet"),
    "webdataset": ("SHARDMILL_WEBDATASET_PYTHON", ".venv-webdataset"),
    "hf-parquet": ("SHARDMILL_DATASETS_PYTHON", ".venv-datasets"),
    "mds": ("SHARDMILL_MDS_PYTHON", ".venv-mds"),
}
"""Of formats whose library is not in this one."""
OFFLINE = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
COMPLETE = {0, 4}  # 4: of images that are missing in the drawn set, or have no objects


def made(source: str) -> Path:
    """Return a folder with the output of a source in all formats, and what was drawn."""

    def make(folder: Path) -> None:
        given = SOURCES[source](folder)
        run = shardmill(*given.words, "--out", folder / "out", *ALL_FORMATS)
        assert run.returncode in COMPLETE, run.stdout + run.stderr
        rows = [[each.digest, each.label, sorted(each.objects)] for each in given.images]
        said = {"detection": "detection" in given.words, "images": rows}
        (folder / "drawn.json").write_text(json.dumps(said))

    return shared.once(f"pair-{source}", make)


def interpreter(name: str) -> str:
    """Return the Python that has the library of a format; skip the test if there is none."""
    if name not in ENVIRONMENTS:
        return sys.executable
    variable, environment = ENVIRONMENTS[name]
    python = os.environ.get(variable, str(ROOT / environment / "bin/python"))
    if not Path(python).exists():
        pytest.skip(f"{name} needs an environment of its own: make interop")
    return python


@functools.cache
def read(name: str) -> Any:
    """Return what the library of a format finds in the output of each source."""
    python = interpreter(name)
    folders = {source: made(source) for source in SOURCES}

    def make(folder: Path) -> None:
        outputs = [str(each / "out") for each in folders.values()]
        command = [python, str(READER), name, *outputs]
        run = subprocess.run(command, capture_output=True, text=True, env=OFFLINE, check=False)
        assert run.returncode == 0, run.stderr
        (folder / "read.json").write_text(run.stdout)

    found = json.loads((shared.once(f"pairs-{name}", make) / "read.json").read_text())
    return {source: found[str(folder / "out")] for source, folder in folders.items()}


def wanted(name: str, source: str) -> dict[str, tuple[int | None, list[list[float]]]]:
    """Return label and objects of each image that a format has; no label where objects have it."""
    said = json.loads((made(source) / "drawn.json").read_text())
    if not said["detection"]:
        has_objects = name != "recordio"
        return {each: (label, objects * has_objects) for each, label, objects in said["images"]}
    every = name != "recordio"  # which leaves out images without objects
    return {each: (None, objects) for each, _, objects in said["images"] if every or objects}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", FORMATS)
def test_the_library_of_a_format_finds_what_the_source_has(name: str, source: str) -> None:
    found = {image: (label, objects) for image, label, objects in read(name)[source]}
    expected = wanted(name, source)
    assert len(read(name)[source]) == len(found)
    assert found.keys() == expected.keys()
    for image, (label, objects) in expected.items():
        assert label in {None, found[image][0]}
        assert len(found[image][1]) == len(objects)
        for one, other in zip(found[image][1], objects, strict=True):
            assert one == pytest.approx(other, abs=1e-5)
