"""What stands in the place of a file of the state is found, and never waited for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import inprocess
import pytest
from finishedoutputs import of_imagelist

from pipeline import manifest, paths, storage
from pipeline.verification import outputcheck, statecheck


def _socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:  # the name of a socket may have 107 bytes
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


PLANTED: dict[str, Callable[[Path], None]] = {
    "a special file": os.mkfifo,
    "a folder": os.mkdir,
    "a special file of another kind": _socket,
    "a broken link": lambda path: path.symlink_to("nowhere"),
    "a broken link, to itself": lambda path: path.symlink_to(path.name),
}
DIGEST = "0123456789ab"
OF_STATE = (
    "job.json",
    f"jobs/{DIGEST}.json",
    "products/list-images.json",
    "products/bboxes-train.arrow",
    f"catalogs/train-{DIGEST}.json",
    f"catalogs/train-{DIGEST}.parquet",
    f"plans/train-{DIGEST}.arrow",
    "archives/a.tar.5-7.json",
    "archives/a.tar.index.parquet",
    f"sources/{DIGEST}/00000.arrow",
    f"shards/{DIGEST}/00000.json",
    f"trees/{DIGEST}/00000.files.arrow",
)
FOLDERS = ("plans", "products", f"shards/{DIGEST}")


def _found(out: Path) -> list[tuple[Path, str | None]]:
    findings = [*statecheck.check_state(out, ()), *outputcheck.check_links(out)]
    return [(storage.on_this_machine(finding.path), finding.error.found) for finding in findings]


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("place", [*OF_STATE, *FOLDERS])
def test_what_stands_in_the_place_of_a_file_of_the_state_is_found(
    out: Path, place: str, planted: str
) -> None:
    path = paths.state(out) / place
    path.parent.mkdir(parents=True)
    PLANTED[planted](path)
    kind = planted.partition(",")[0].partition(" of ")[0]
    right = planted == "a folder" and place in FOLDERS
    assert _found(out) == ([] if right else [(path, kind)])


@pytest.mark.parametrize("planted", ["a special file", "a folder"])
def test_what_stands_in_the_place_of_a_current_link_is_found(out: Path, planted: str) -> None:
    link = paths.current(out, "tfrecord", "images")
    link.parent.mkdir(parents=True)
    PLANTED[planted](link)
    assert _found(out) == [(link, planted)]


def test_the_remedy_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = of_imagelist(tmp_path)
    path = min(paths.product_marks(made.out).glob("*.json"))
    path.unlink()
    os.mkfifo(path)
    run = inprocess.verify(monkeypatch, made.out)
    assert (run.status, f"{path}" in run.said) == (1, True), run.said
    assert "move it away, then run the shardmill command again with --replace" in run.said
    assert inprocess.shardmill(monkeypatch, "status", made.out).status == 1
    path.rename(tmp_path / "away")
    assert inprocess.shardmill(monkeypatch, *made.words, "--replace").status == 0
    assert inprocess.verify(monkeypatch, made.out).status == 0
    assert inprocess.shardmill(monkeypatch, "status", made.out).status == 0


def test_a_link_to_a_document_is_read_as_the_document_is(out: Path, tmp_path: Path) -> None:
    path = paths.job(out, DIGEST)
    path.parent.mkdir(parents=True)
    (tmp_path / "aside").write_bytes(b"{}")
    path.symlink_to(tmp_path / "aside")
    assert [found for found, _ in _found(out)] == [path]


def test_a_document_without_end_is_found_and_may_be_removed(out: Path) -> None:
    path = paths.last_job(out)
    path.parent.mkdir(parents=True)
    path.touch()
    os.truncate(path, manifest.MOST_BYTES + 1)
    (found,) = statecheck.check_state(out, ())
    assert (found.path, found.removable) == (path, True)
    assert "more bytes than this program writes" in found.error.what
