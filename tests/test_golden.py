"""Whole jobs give the bytes, names, digests and exit statuses that the golden table says.

`tests/golden.py` says what is in the table, what is not, and how it is renewed.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import time
from dataclasses import replace
from pathlib import Path

import golden
import pytest
from goldenjobs import JOBS, draw_inputs

from pipeline.documents.shards import ShardMark
from pipeline.job import graph
from pipeline.shards import finish
from pipeline.shards.write import UnpublishedShard
from pipeline.state import read_order_choice, verify_choice
from pipeline.state.read_order_choice import Choice
from pipeline.state.verify_choice import VerifyChoice
from tasks.base import Volume
from tasks.segments import SortSegment

ELSEWHERE = (
    *("archives", "tree, exports", "list, several labels", "folder", "im2rec, lists"),
    "open images",
)
"""Jobs that are run under other circumstances alone, which shows both: one of each source."""

BESIDE = ("archives", "archives, order of im2rec", "archives, joined", "archives, exports")
"""Jobs whose archives are also verified beside the shards, and read in their own order."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the jobs read: as it was when the table was written, or there is nothing to compare."""
    folder = tmp_path_factory.mktemp("golden") / "in"
    draw_inputs(folder)
    lines = golden.input_differences(folder)
    if lines and golden.system_differs():
        pytest.skip("\n".join(["other libraries draw other inputs", *golden.changed_environment()]))
    if lines:
        pytest.fail(golden.explained(lines))
    return folder


@pytest.mark.parametrize("name", [name for name in JOBS if name not in ELSEWHERE])
def test_a_job_gives_what_it_gave(name: str, inputs: Path, tmp_path: Path) -> None:
    lines = golden.differences(name, golden.see(name, inputs, tmp_path))
    assert not lines, golden.explained(lines)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_it_gives_the_same_elsewhere(
    name: str, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "another folder" / "deeper down"
    shutil.copytree(inputs, there / "inputs")
    monkeypatch.setattr(socket, "gethostname", lambda: "another-host")
    for variable in ("USER", "LOGNAME"):
        monkeypatch.setenv(variable, "somebody")
    monkeypatch.setenv("TZ", "Pacific/Chatham")
    time.tzset()
    before = os.umask(0o077)
    try:
        assert getpass.getuser() == "somebody"
        lines = golden.differences(name, golden.see(name, there / "inputs", there / "work"))
    finally:
        os.umask(before)
        monkeypatch.undo()
        time.tzset()
    assert not lines, golden.explained(lines)


def test_it_gives_the_same_by_two_workers(inputs: Path, tmp_path: Path) -> None:
    name = "list, order by another seed"
    seen = golden.see(name, inputs, tmp_path, golden.by_workers(2))
    lines = golden.differences(name, seen)
    assert not lines, golden.explained(lines)


@pytest.mark.parametrize("name", BESIDE)
def test_it_gives_the_same_where_archives_are_verified_beside_the_shards(
    name: str, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unverified = list[ShardMark]()
    last, publish = graph._last, UnpublishedShard.publish

    def published(shard: UnpublishedShard) -> None:
        publish(shard)
        first = shard.writers[0]
        mark = finish.shard_document(first.out, first.output, first.name.index)
        unverified.extend([mark] if mark is not None and mark.unverified else [])

    monkeypatch.setattr(
        verify_choice,
        "choose",
        lambda i, **_: VerifyChoice(replace(i.resolved.job, verify="beside")),
    )
    monkeypatch.setattr(  # shards first: one after another, it is else verified for a list
        graph, "_last", lambda job: sorted(last(job), key=lambda each: not each.startswith("link"))
    )
    monkeypatch.setattr(UnpublishedShard, "publish", published)
    seen = golden.see(name, inputs, tmp_path)
    kept = {file: each for file, each in seen.files.items() if ".walked." not in file}
    lines = golden.differences(name, replace(seen, files=kept))  # a command sweeps up the walked
    assert not lines, golden.explained(lines)
    assert unverified


@pytest.mark.parametrize("name", BESIDE)
def test_it_gives_the_same_where_archives_are_read_in_their_own_order(
    name: str, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = list[int]()
    make = SortSegment.make

    def made(task: SortSegment) -> Volume:
        numbers.append(task.number)
        return make(task)

    monkeypatch.setattr(
        read_order_choice,
        "choose",
        lambda i, **_: Choice(replace(i.resolved.job, read_order="archive", segment_bytes=100_000)),
    )
    monkeypatch.setattr(SortSegment, "make", made)
    lines = golden.differences(name, golden.see(name, inputs, tmp_path))
    assert not lines, golden.explained(lines)
    assert max(numbers) > 0


def test_the_table_is_of_these_jobs() -> None:
    assert set(golden.table()["jobs"]) == set(JOBS)


@pytest.mark.parametrize("part", ["statuses", "digests", "files"])
def test_what_differs_is_named(part: str) -> None:
    name = "list, without shards"
    seen = golden.Seen(**golden.table()["jobs"][name])
    if part == "statuses":
        seen.statuses[0], changed = 3, "exit status"
    else:
        entries = seen.files if part == "files" else seen.digests
        changed = next(iter(entries))
        entries[changed] = "another"
    (line,) = golden.differences(name, seen)
    assert name in line
    assert changed in line
    assert golden.RENEW in golden.explained([line])


def test_the_table_is_not_renewed_where_ci_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    before = golden.TABLE.read_bytes()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SystemExit):
        golden.renew()
    assert golden.TABLE.read_bytes() == before
