"""A file that is read while it arrives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.storage.http.fetch.growing_file import GrowingFile


def test_what_was_read_is_not_dropped_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards are made of it next: they would read it from the disk."""
    advised = list[int]()
    monkeypatch.setattr(os, "posix_fadvise", lambda _fd, _at, _size, advice: advised.append(advice))
    file = tmp_path / "archive.tar"
    file.write_bytes(bytes(20 << 20))
    growing = GrowingFile(file)
    growing.end(20 << 20)
    read = 0
    while view := growing.read(read, 1 << 20):
        read += len(view)
        growing.will_need(read, 1 << 20)
    growing.close()
    assert read == 20 << 20
    assert os.POSIX_FADV_DONTNEED not in advised
