"""A format needs a class and a line of the registry: one more is prepared, verified and cleaned.

`slots.py` holds the format, `oneformatmore.py` the commands; a process of their own runs them,
because the program is made of its registry when it is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from slots import Slots
from support import ROOT
from test_registry import record

from pipeline import manifest, storage
from pipeline.formats.base import RecordOptions
from pipeline.storage import StagedFile

FILES = ["train-00000-of-00002.slots", "train-00001-of-00002.slots"]


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of the commands."""
    script = Path(__file__).with_name("oneformatmore.py")
    known = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    folder = tmp_path_factory.mktemp("slots")
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


def test_every_command_ends_as_with_any_other_format(came: dict[str, Any]) -> None:
    assert came["statuses"] == {
        **dict.fromkeys(("prepared", "again", "verified", "status"), 0),
        "damaged": 1,
        "mended": 0,
        "superseded": 0,
        "cleaned": 0,
        "joined": 2,
    }, came["said"]
    assert "already complete, 6 records in 2 shards" in came["said"]["again"]
    assert "--joined has a meaning with --format recordio only" in came["said"]["joined"]


def test_its_files_have_the_names_that_it_gives_them(came: dict[str, Any]) -> None:
    assert came["files"] == ["facts.parquet", "manifest.json", "shards.txt", *FILES]
    assert came["listed"] == "".join(f"{name}\t3\n" for name in FILES)


def test_its_records_have_its_label_offset(came: dict[str, Any]) -> None:
    assert came["labels"]
    assert all(label >= 7 for label in came["labels"])


def test_it_is_exported(came: dict[str, Any]) -> None:
    assert came["columns"][-4:] == [
        *("slots_shard", "slots_record", "slots_bytes", "slots_xxh3_128")
    ]
    places = sorted(map(list, zip(*came["places"], strict=True)))
    assert places == [[shard, record] for shard in range(2) for record in range(3)]


def test_it_is_compared_with_its_source(came: dict[str, Any]) -> None:
    assert "6 records, 6 compared with their sources" in came["said"]["verified"]


def test_a_changed_byte_is_found_even_where_every_hash_is_right(came: dict[str, Any]) -> None:
    assert came["flipped"]["places"] >= 10
    assert came["flipped"]["unseen"] == []
    assert came["flipped"]["inside"] == []
    assert {"record CRC", "record facts", "source"} <= set(came["flipped"]["by"])


def test_a_damaged_shard_is_removed_and_made_again(came: dict[str, Any]) -> None:
    assert came["shards left"] == FILES[:1]
    assert came["same"]


def test_clean_takes_its_files_and_leaves_those_of_others(came: dict[str, Any]) -> None:
    assert came["left"] == ["notes.slots", "train-00004-of-00009.slots"]  # no shard of that output


@pytest.mark.parametrize("planned", [3, 8])
def test_a_shard_may_hold_fewer_records_than_were_planned(tmp_path: Path, planned: int) -> None:
    made, options = Slots(), RecordOptions(label_offset=1)
    given = [record(number) for number in range(3)]
    (path,) = made.paths(tmp_path, "train-00000-of-00001")
    with StagedFile(path) as staged:
        writer = made.writer([staged], options, planned)
        places = [writer.write(each) for each in given]
        writer.finish()
        said = staged.content_hash
        storage.publish(staged)
    assert manifest.hash_file(path) == said
    for image, place, found in zip(given, places, made.read(path), strict=True):
        assert (found.offset, found.length) == (place.offset, place.length)
        assert made.image(found, len(image.encoded)) is None
        assert made.parse(found, "a shard") == (made.fields(image, options), image.encoded)
        assert made.is_as_written(found, image, options)
        assert not made.is_as_written(found, replace(image, width=1), options)
        assert not made.is_as_written(found, replace(image, encoded=b"another"), options)
