"""What a command withdraws of other commands' outputs is said: it does not make these anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from drawnlists import encoded, lay
from drawntrees import age, put_another_in_place
from inprocess import Ran, shardmill

from pipeline import paths


@pytest.fixture
def image(tmp_path: Path) -> Path:
    for number in range(3):
        lay(tmp_path / "img" / f"{number}.jpg", encoded(number))
    age(tmp_path / "img")
    return tmp_path / "img" / "1.jpg"


def pack(patch: pytest.MonkeyPatch, image: Path, out: Path, *options: object) -> Ran:
    return shardmill(patch, "imagelist", image.parent, "--out", out, *options)


def withdrawn(ran: Ran) -> list[str]:
    return [line for line in ran.said.splitlines() if line.startswith("withdrawn: ")]


@pytest.mark.parametrize(
    ("seen", "status"), [(True, 0), (False, 1)], ids=["by a look", "by the format that is added"]
)
def test_outputs_of_another_command_are_named(
    image: Path, out: Path, monkeypatch: pytest.MonkeyPatch, seen: bool, status: int
) -> None:
    assert pack(monkeypatch, image, out, "--format", "tfrecord").status == 0
    other = paths.current(out, "tfrecord", "img").resolve()
    again = ("--format", "recordio", *(("--quality", 80, "--resize", 16) if seen else ()))
    if seen:
        assert withdrawn(pack(monkeypatch, image, out, *again)) == []
    info = image.stat()
    put_another_in_place(image)
    if not seen:
        os.utime(image, ns=(info.st_atime_ns, info.st_mtime_ns))
    ran = pack(monkeypatch, image, out, *again)
    assert ran.status == status, ran.said
    (line,) = withdrawn(ran)
    assert str(other) in line
    assert pack(monkeypatch, image, out, "--format", "tfrecord").status == 0
    assert paths.current(out, "tfrecord", "img").resolve() == other
    assert withdrawn(pack(monkeypatch, image, out, *again)) == []


def test_what_the_command_makes_anew_itself_is_not(
    image: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ("--format", "tfrecord", "--format", "recordio")
    pack(monkeypatch, image, out, *both)
    put_another_in_place(image)
    ran = pack(monkeypatch, image, out, *both)
    assert (ran.status, withdrawn(ran)) == (0, []), ran.said
    assert "to be made anew" in ran.said
