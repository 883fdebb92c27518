"""Which file an open descriptor writes to."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline import storage


def test_a_descriptor_of_a_file_is_that_file(tmp_path: Path) -> None:
    with (tmp_path / "a.toml").open("w") as file:
        assert storage.file_of_descriptor(file.fileno()) == tmp_path / "a.toml"
        (tmp_path / "a.toml").unlink()
        assert storage.file_of_descriptor(file.fileno()) is None


def test_a_pipe_and_no_descriptor_are_no_file() -> None:
    reading, writing = os.pipe()
    try:
        assert storage.file_of_descriptor(writing) is None
    finally:
        os.close(reading)
        os.close(writing)
    assert storage.file_of_descriptor(-1) is None
