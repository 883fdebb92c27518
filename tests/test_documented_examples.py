"""The complete examples of docs/architecture.md work with every command, as they stand there.

`documentedexamples.py` holds the commands; a process of their own runs them, because the program
is made of its registries when it is imported.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import documentation
import pytest
from support import ROOT

MOST_LINES = 40
ENDED = {
    **dict.fromkeys(("prepared", "again", "verified", "status"), 0),
    "damaged": 1,
    **dict.fromkeys(("repaired", "changed", "replaced", "cleaned", "after all"), 0),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What came of the commands over each example."""
    return {kind: ran(kind, tmp_path_factory.mktemp(kind)) for kind in documentation.EXAMPLES}


def ran(kind: str, folder: Path) -> dict[str, Any]:
    """Put an example into a module, and run the commands over it."""
    code = documentation.snippet(documentation.EXAMPLES[kind])
    (folder / "example.py").write_text(f"{code}\n")
    known = os.pathsep.join(map(str, (ROOT, ROOT / "tests", folder)))
    run = subprocess.run(
        [sys.executable, ROOT / "tests" / "documentedexamples.py", kind, folder],
        env={**os.environ, "PYTHONPATH": known},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    came: dict[str, Any] = json.loads((folder / "came.json").read_text())
    return came


@pytest.mark.parametrize("kind", documentation.EXAMPLES)
def test_an_example_is_short(kind: str) -> None:
    code = documentation.snippet(documentation.EXAMPLES[kind])
    assert len(code.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("kind", documentation.EXAMPLES)
def test_every_command_works_with_an_example(results: dict[str, dict[str, Any]], kind: str) -> None:
    came = results[kind]
    assert came["statuses"] == ENDED, came["said"]
    assert "already complete" in came["said"]["again"]
    assert "4 compared with their sources" in came["said"]["verified"]
    assert "5 compared with their sources" in came["said"]["after all"]
    assert came["removed"]
    assert came["same"]


def test_the_export_counts_images(results: dict[str, dict[str, Any]]) -> None:
    came = results["export"]
    contents = [json.loads(bytes.fromhex(came[name])) for name in ("content", "later")]
    assert contents == [{"pets": {"a": 3, "b": 1}}, {"pets": {"a": 3, "b": 2}}]
    assert "counts: 1 file" in came["said"]["verified"]
    assert "counts: complete" in came["said"]["status"]
    assert "counts.json" in came["said"]["changed"]  # it follows the folder


def test_the_shards_of_the_format_hold_labels_and_images(
    results: dict[str, dict[str, Any]],
) -> None:
    came = results["format"]
    content, records = bytes.fromhex(came["later"]), list[tuple[int, bytes]]()
    while content:
        label, size = struct.unpack("<qI", content[:12])
        records.append((label, content[12 : 12 + size]))
        content = content[12 + size :]
    images = [bytes.fromhex(image) for image in came["images"]]  # of the classes a, a, a, b, b
    assert sorted(records) == sorted(zip((0, 0, 0, 1, 1), images, strict=True))


def test_a_change_of_a_record_is_seen_in_the_record(results: dict[str, dict[str, Any]]) -> None:
    assert results["format"]["unseen"] == []


def test_clean_removes_superseded_shards_of_the_format(
    results: dict[str, dict[str, Any]],
) -> None:
    assert not results["format"]["superseded"]
    assert not results["source"]["superseded"]
    assert results["export"]["superseded"] is True  # its path is that of the newer one


def test_the_images_of_the_source_have_the_labels_of_its_lines(
    results: dict[str, dict[str, Any]],
) -> None:
    lines = results["source"]["list"].splitlines()
    expected = {"pets/a/0.jpg": 0, "pets/b/1.jpg": 1, "pets/a/2.jpg": 0, "pets/a/3.jpg": 0}
    found = {path: float(label) for _, label, path in (line.split("\t") for line in lines)}
    assert found == {**expected, "pets/b/9.jpg": 1}
