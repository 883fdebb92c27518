"""Inputs that are read more than once, given as what can be read only once."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from inprocess import Ran, shardmill

from pipeline.errors import UsageError
from pipeline.storage.local.input_file import check_rereadable, check_shareable

COMMANDS = {
    "im2rec {} . out.rec": "an image list",
    "im2rec {stem} .": "an image list",
    "im2rec {} .": "an image list",
    "imagelist {} --root . --out out": "an image list",
    "imagelist . --recursive --classes {} --out out": "a table of classes",
    "im2rec --list --recursive p . --classes {}": "a table of classes",
    "imagenet --raw . --out out --classes {}": "a file of classes or labels",
    "imagenet --raw . --out out --config {}": "a configuration file",
}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(patch: pytest.MonkeyPatch, command: str, path: Path) -> Ran:
    """Run a command with a path that is not to be read; return how it ended."""
    words = [word.format(path, stem=path.with_suffix("")) for word in command.split()]
    return shardmill(patch, *words)


@pytest.mark.parametrize(("command", "noun"), COMMANDS.items())
def test_a_pipe_is_refused_as_one_before_anything_is_read(
    work: Path, monkeypatch: pytest.MonkeyPatch, command: str, noun: str
) -> None:
    os.mkfifo(work / "pipe.lst")
    ran = refusal(monkeypatch, command, work / "pipe.lst")
    assert ran.status == UsageError.exit_status
    assert f"{noun} is read more than once, and by several processes" in ran.said
    assert "found:    a pipe\n" in ran.said
    assert "to do:    save it in a file first, and give that file\n" in ran.said
    assert [path.name for path in work.iterdir()] == ["pipe.lst"]


@pytest.mark.parametrize("command", [each for each in COMMANDS if "{}" in each])
@pytest.mark.usefixtures("work")
def test_a_process_substitution_is_refused_as_a_pipe(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    reading, writing = os.pipe()
    try:
        ran = refusal(monkeypatch, command, Path(f"/dev/fd/{reading}"))
        assert "found:    a pipe\n" in ran.said
    finally:
        os.close(reading)
        os.close(writing)


def test_a_standard_input_from_a_file_is_another_one_in_another_process(work: Path) -> None:
    (work / "a.lst").write_text("0\t0\t0.jpg\n")
    with (work / "a.lst").open() as file:
        place = Path(f"/dev/fd/{file.fileno()}")
        check_rereadable(place, "an image list")
        with pytest.raises(UsageError, match="a path that leads elsewhere in another process"):
            check_shareable(place, "an image list")


def test_what_is_no_file_is_named_and_files_and_folders_are_taken(work: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(UsageError, match="a socket"):
            check_shareable(Path("socket"), "an image list")
    (work / "file").touch()
    for name in ("file", ".", "absent"):
        check_shareable(Path(name), "an image list")
