"""What a command withdraws of other commands' outputs is said: it does not make these anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from drawnlists import encoded, lay
from drawntrees import put_another_in_place
from filetimes import age
from inprocess import Ran, shardmill, verify

from pipeline import manifest, paths


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


def statuses(patch: pytest.MonkeyPatch, out: Path) -> tuple[int, int]:
    """Return the exit statuses of ``status`` and ``verify``."""
    return shardmill(patch, "status", out).status, verify(patch, out).status


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (("--format", "tfrecord"), ("--format", "recordio")),
        (("--format", "tfrecord", "--resize", 16), ("--format", "tfrecord", "--resize", 24)),
    ],
    ids=["another format", "superseded"],
)
@pytest.mark.parametrize("size", ["the same size", "another size"])
def test_status_and_verify_agree_on_what_was_withdrawn(
    image: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: tuple[object, ...],
    last: tuple[object, ...],
    size: str,
) -> None:
    for words in (first, last):
        assert pack(monkeypatch, image, out, *words).status == 0
    assert statuses(monkeypatch, out) == (0, 0)
    put_another_in_place(image)
    if size == "another size":
        image.write_bytes(encoded(9))
    assert pack(monkeypatch, image, out, *last).status in {0, 1}
    assert pack(monkeypatch, image, out, *last).status == 0
    told, found = statuses(monkeypatch, out)
    assert told == found
    if first[1] != last[1] and size == "the same size":
        assert told == 1  # the other command's output is still to be made
    assert pack(monkeypatch, image, out, *first).status == 0
    assert statuses(monkeypatch, out) == (0, 0)


def test_status_and_verify_agree_on_what_another_command_has_left_unfinished(
    image: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pack(monkeypatch, image, out, "--format", "tfrecord").status == 0
    folder = paths.current(out, "tfrecord", "img").resolve()
    paths.current(out, "tfrecord", "img").unlink()
    paths.manifest(folder).unlink()
    assert pack(monkeypatch, image, out, "--format", "webdataset").status == 0
    ran = shardmill(monkeypatch, "status", out)
    assert (ran.status, f"asked for earlier: img (tfrecord {folder.name})" in ran.said) == (1, True)
    assert verify(monkeypatch, out).status == 1


def kept(out: Path) -> set[str]:
    """Return the families of which something is kept of source files."""
    return {path.name for path in paths.sources(out).iterdir() if path.is_dir()}


def test_what_was_kept_of_the_sources_of_removed_outputs_goes_with_them(
    image: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (("--seed", 1), ("--seed", 2, "--format", "tfrecord", "--format", "webdataset")):
        assert pack(monkeypatch, image, out, *words).status == 0
    current = paths.manifest(paths.current(out, "webdataset", "img"))
    later = manifest.load(current)["digests"]["shards"]
    (earlier,) = kept(out) - {later}
    ran = shardmill(monkeypatch, "clean", out, "--yes")
    assert ran.status == 0
    assert f"needed by no output: {paths.sources(out) / earlier}" in ran.said
    assert kept(out) == {later}
    assert "nothing to remove" in shardmill(monkeypatch, "clean", out, "--yes").said
    assert statuses(monkeypatch, out) == (0, 0)


@pytest.mark.parametrize("left", ["shared", "unfinished", "damaged"])
def test_what_is_kept_of_the_sources_of_outputs_that_are_there_stays(
    image: Path, out: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    assert pack(monkeypatch, image, out, "--resize", 16).status == 0
    assert pack(monkeypatch, image, out, "--resize", 20).status == 0
    folder = paths.current(out, "tfrecord", "img").resolve()
    if left == "unfinished":
        paths.manifest(folder).unlink()
    if left == "damaged":
        paths.manifest(folder).write_bytes(b"{}")
    before = kept(out)
    assert before
    shardmill(monkeypatch, "clean", out, "--yes")
    assert kept(out) == before
