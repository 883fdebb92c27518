"""Long files are written to the disk while they grow, not all at once when they are flushed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.storage.http.fetch.partial import Partial
from pipeline.storage.local import writeback
from pipeline.storage.staged_file import StagedFile


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes at which the disk was asked to begin, a step being 10 bytes."""
    sizes = list[int]()
    monkeypatch.setattr(writeback, "_STEP", 10)
    monkeypatch.setattr(writeback, "begin", lambda fd: sizes.append(os.fstat(fd).st_size))
    return sizes


def test_of_a_staged_file_each_step_is_begun_once(tmp_path: Path, begun: list[int]) -> None:
    with StagedFile(tmp_path / "shard") as file:
        for _ in range(6):
            file.write(b"1234")
        with file.stream() as stream:
            stream.write(b"1234567")
    assert begun == [12, 20, 31]


def test_of_a_download_each_step_is_begun_wherever_its_parts_lie(
    tmp_path: Path, begun: list[int]
) -> None:
    partial = Partial.create(tmp_path / "archive.tar")
    for offset in (40, 0, 20):
        partial.write_at(offset, b"1234567")
    assert begun == [47, 47]
    partial.discard()


def test_a_file_that_cannot_be_begun_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    writeback.begin(-1)
    monkeypatch.setattr(writeback, "_sync_file_range", lambda: None)
    writeback.begin(-1)
