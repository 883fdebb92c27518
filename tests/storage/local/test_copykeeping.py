"""Which local copies of objects are kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from pipeline.storage import StagedFile
from pipeline.storage.local import copykeeping


def aged(path: Path, seconds: float, content: bytes = b"content") -> Path:
    path.write_bytes(content)
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def test_a_copy_of_another_size_is_none(tmp_path: Path) -> None:
    copy = aged(tmp_path / "copy", 0)
    assert copykeeping.is_kept(copy, 7)
    assert not copykeeping.is_kept(copy, 8)
    assert not copykeeping.is_kept(tmp_path / "none", 7)


def test_copies_that_nobody_reads_are_removed_after_a_while(tmp_path: Path) -> None:
    old = aged(tmp_path / "old", copykeeping.KEPT_S + 60)
    read = aged(tmp_path / "read", copykeeping.KEPT_S + 60)
    new = aged(tmp_path / "new", copykeeping.KEPT_S - 60)
    assert copykeeping.is_kept(read, 7)
    copykeeping.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == [new, read]
    assert not old.exists()


def test_a_folder_that_is_not_there_is_swept(tmp_path: Path) -> None:
    copykeeping.sweep(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_what_processes_have_left_goes_and_what_they_write_stays(tmp_path: Path) -> None:
    leave = "import os, sys; from pathlib import Path; from pipeline.storage import StagedFile;"
    leave += f"StagedFile(Path({str(tmp_path / 'left')!r})); os._exit(0)"
    subprocess.run([sys.executable, "-c", leave], check=True)
    assert len(list(tmp_path.iterdir())) == 1
    with StagedFile(tmp_path / "mine") as mine:
        copykeeping.sweep(tmp_path)
        assert list(tmp_path.iterdir()) == [mine.temp]
