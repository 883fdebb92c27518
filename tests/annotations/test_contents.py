"""What a folder of annotations holds: the digest is of contents, and only what changed is read."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from filetimes import LONG_AGO

from pipeline import paths
from pipeline.annotations import contents
from pipeline.annotations.contents import AnnotationContents
from pipeline.annotations.source import MAX_ANNOTATION
from pipeline.errors import NoPermission

FILES = {"a/d.xml": b"34", "b/c.xml": b"12", "b/readme": b"456", "b/.e.xml": b"7"}


def fill(folder: Path, files: dict[str, bytes] = FILES, when: int = LONG_AGO) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (when, when))
    return folder


def look(folder: Path, out: Path) -> AnnotationContents:
    return contents.scan(folder, out, paths.annotation_contents(out, "train"))


def look_and_keep(folder: Path, out: Path) -> AnnotationContents:
    found = look(folder, out)
    contents.keep(found, out, paths.annotation_contents(out, "train"))
    return found


def test_the_digest_is_of_names_and_contents_and_of_no_times(tmp_path: Path) -> None:
    first = look(fill(tmp_path / "one"), tmp_path / "out")
    again = look(fill(tmp_path / "other", when=LONG_AGO + 1), tmp_path / "out")
    assert (first.digest, first.read) == (again.digest, 2)
    assert first.fingerprints["path"].to_pylist() == ["a/d.xml", "b/c.xml"]
    for number, files in enumerate(({"a/d.xml": b"43"}, {"a/e.xml": b"34"}, {"a/d.xml": b"345"})):
        folder = fill(tmp_path / str(number), FILES | files)
        assert look(folder, tmp_path / "out").digest != first.digest


def test_a_file_is_read_again_only_when_its_stamp_differs(tmp_path: Path) -> None:
    folder, out = fill(tmp_path / "bboxes"), tmp_path / "out"
    first = look_and_keep(folder, out)
    assert look(folder, out).read == 0
    assert look(folder, out).digest == first.digest
    os.utime(folder / "a/d.xml", (LONG_AGO + 9, LONG_AGO + 9))
    touched = look_and_keep(folder, out)
    assert (touched.read, touched.digest) == (1, first.digest)
    assert look(folder, out).read == 0
    fill(folder, {"a/d.xml": b"43"}, when=LONG_AGO + 10)
    changed = look(folder, out)
    assert changed.read == 1
    assert changed.digest != first.digest


def test_one_that_takes_the_place_of_another_at_the_same_time_is_read(tmp_path: Path) -> None:
    folder, out = fill(tmp_path / "bboxes"), tmp_path / "out"
    first = look_and_keep(folder, out)
    fill(folder, {"a/new": b"43"})
    (folder / "a/new").replace(folder / "a/d.xml")
    assert look(folder, out).digest != first.digest


def test_what_was_written_a_moment_ago_is_not_trusted_yet(tmp_path: Path) -> None:
    folder, out = fill(tmp_path / "bboxes", when=int(time.time())), tmp_path / "out"
    look_and_keep(folder, out)
    assert look(folder, out).read == 2


def test_what_is_kept_of_another_folder_is_not_believed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    look_and_keep(fill(tmp_path / "bboxes"), out)
    assert look(fill(tmp_path / "other"), out).read == 2


@pytest.mark.parametrize("suffix", [".arrow", ".json"])
def test_what_is_kept_and_damaged_is_read_again(tmp_path: Path, suffix: str) -> None:
    folder, out = fill(tmp_path / "bboxes"), tmp_path / "out"
    first = look_and_keep(folder, out)
    kept = paths.annotation_contents(out, "train").with_suffix(suffix)
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    found = look(folder, out)
    assert (found.read, found.digest) == (2, first.digest)


def test_one_that_is_too_large_counts_by_its_size_and_is_not_read(tmp_path: Path) -> None:
    out = tmp_path / "out"
    sizes = (MAX_ANNOTATION + 1, MAX_ANNOTATION + 2)
    found = [look(fill(tmp_path / str(n), {"a/a.xml": bytes(n)}), out) for n in sizes]
    assert [each.read for each in found] == [0, 0]
    assert found[0].digest != found[1].digest


def test_one_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "bboxes")

    def refuse(path: Path) -> tuple[int, bytes]:
        raise NoPermission("not permitted", file=str(path))

    monkeypatch.setattr("pipeline.storage.local.fingerprints.read_stamped", refuse)
    with pytest.raises(NoPermission) as caught:
        look(folder, tmp_path / "out")
    assert caught.value.file == str(folder / "a/d.xml")
