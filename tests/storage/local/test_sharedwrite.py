from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import Vanished
from pipeline.storage import SharedFile, StagedFile, publish


def test_parts_are_written_in_any_order_and_published_by_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with StagedFile(path) as staged:
        one, other = (SharedFile(staged.temp, staged.path) for _ in range(2))
        with one, other:
            other.write_at(3, memoryview(b"def"))
            one.write_at(0, b"abc")
        assert not path.exists()
        publish(staged)
    assert path.read_bytes() == b"abcdef"


def test_what_is_written_halfway_is_written_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwrite
    monkeypatch.setattr("os.pwrite", lambda fd, data, at: whole(fd, data[:3], at))
    with StagedFile(tmp_path / "file") as staged, SharedFile(staged.temp, staged.path) as shared:
        shared.write_at(2, b"abcdefgh")
        assert staged.temp.read_bytes() == b"\0\0abcdefgh"


def test_a_file_that_was_never_staged_is_named_as_its_target(tmp_path: Path) -> None:
    with pytest.raises(Vanished) as error:
        SharedFile(tmp_path / "absent.tmp", tmp_path / "file")
    assert error.value.file == str(tmp_path / "file")
