"""A list beside an archive: its paths are members, read where they lie, with the list's labels."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from commands import shardmill
from drawnlists import encoded, stored
from drawnshards import tar, zipped

from pipeline.sources.member_matching import Matching

Archive = Callable[[Path, Sequence[tuple[str, bytes]]], Path]


def in_zip(folder: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    return zipped(folder / "train.zip", members, zipfile.ZIP_DEFLATED)


def in_tar(folder: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    return tar(folder / "train.tar", members)


def in_packed_tar(folder: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    plain = tar(folder / "plain", members)
    (folder / "train.tar.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    return folder / "train.tar.gz"


def run(*words: object, status: int = 0) -> str:
    ended = shardmill(*words)
    said = ended.stdout + ended.stderr
    assert ended.returncode == status, said
    return said


def images(count: int) -> list[tuple[str, bytes]]:
    return [(f"train/{n}.jpg", encoded(n)) for n in range(count)]


def there(out: Path, name: str = "train") -> list[tuple[object, bytes]]:
    return [
        (said["label"], hashlib.sha256(image).digest())
        for said, image in stored(out, "tfrecord", name)
    ]


def expected(labelled: Sequence[tuple[int, int]]) -> list[tuple[object, bytes]]:
    return [(label, hashlib.sha256(encoded(n)).digest()) for n, label in labelled]


@pytest.mark.parametrize("archive", [in_zip, in_tar, in_packed_tar])
@pytest.mark.parametrize("form", ["{}", "{}.jpg", "train/{}.jpg", "train/{}"])
def test_the_images_of_a_list_come_in_its_order_with_its_labels(
    tmp_path: Path, out: Path, archive: Archive, form: str
) -> None:
    path = archive(tmp_path, images(6))
    listed = tmp_path / "train.csv"
    rows = ((5, "cat"), (0, "dog"), (3, "cat"))
    listed.write_text("id,breed\n" + "".join(f"{form.format(n)},{c}\n" for n, c in rows))
    columns = ("--path-column", "id", "--label-column", "breed")
    options = ("--out", out, "--format", "tfrecord", "--order", "list")
    said = run("imagelist", listed, "--root", path, *columns, *options)
    assert there(out) == expected([(5, 0), (0, 1), (3, 0)])
    assert "in the archive, and not in the list: 3 images, e.g. train/1.jpg" in said
    assert ("lack its extension: 3" in said) is (form != "train/{}.jpg")
    assert "2 classes: cat 0, dog 1" in said
    assert "already complete" in run("imagelist", listed, "--root", path, *columns, *options)
    assert "3 compared with their sources" in run("verify", out, "--against", tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith("train.t")) == (
        [path.name] if path.name.startswith("train.t") else []
    )


def test_a_list_of_im2rec_has_numbers(tmp_path: Path, out: Path) -> None:
    listed = tmp_path / "some.lst"
    listed.write_text("0\t7\t2.jpg\n1\t3\t1.jpg\n")
    path = in_zip(tmp_path, images(3))
    options = ("--out", out, "--format", "tfrecord", "--order", "list")
    run("imagelist", listed, "--root", path, *options)
    assert there(out, "some") == expected([(2, 7), (1, 3)])


def test_paths_that_are_not_in_the_archive_are_refused_unless_they_may_be_left_out(
    tmp_path: Path, out: Path
) -> None:
    listed = tmp_path / "train.csv"
    path = in_zip(tmp_path, images(3))
    listed.write_text("path,label\n0.jpg,a\nmissing.jpg,b\nnone.jpg,b\n")
    said = run("imagelist", listed, "--root", path, "--out", out, status=3)
    assert "2 of the 3 paths of the list are not in the archive" in said
    assert "line 3: missing.jpg" in said
    skip = ("--on-bad-image", "skip")
    said = run("imagelist", listed, "--root", path, "--out", out, *skip)
    assert "a path of the list that is not in the archive: 2 times, e.g. line 3: missing" in said
    run("imagelist", listed, "--root", path, "--out", out, status=3)
    listed.write_text("path,label\nmissing.jpg,b\n")
    said = run("imagelist", listed, "--root", path, "--out", out, status=3)
    assert "no path of the list is that of an image in the archive" in said
    assert "train/0.jpg" in said


def test_a_path_that_may_be_one_of_several_is_refused_with_these(tmp_path: Path, out: Path) -> None:
    listed = tmp_path / "train.csv"
    path = in_zip(tmp_path, [("a/1.jpg", encoded(1)), ("b/1.jpg", encoded(2))])
    listed.write_text("path,label\n1.jpg,a\n")
    said = run("imagelist", listed, "--root", path, "--out", out, status=3)
    assert "may be one of several images in the archive" in said
    assert "a/1.jpg, b/1.jpg" in said
    listed.write_text("path,label\na/1.jpg,a\n")
    run("imagelist", listed, "--root", path, "--out", out)


def test_a_changed_list_is_read_again(tmp_path: Path, out: Path) -> None:
    listed = tmp_path / "train.csv"
    path = in_zip(tmp_path, images(3))
    options = ("--root", path, "--out", out, "--format", "tfrecord", "--order", "list")
    listed.write_text("path,label\n0.jpg,4\n")
    run("imagelist", listed, *options)
    listed.write_text("path,label\n0.jpg,4\n2.jpg,5\n")
    run("imagelist", listed, *options)
    assert there(out) == expected([(0, 4), (2, 5)])


def test_what_means_nothing_for_it_is_refused(tmp_path: Path, out: Path) -> None:
    listed = tmp_path / "train.csv"
    listed.write_text("path,label\n0.jpg,4\n")
    said = run("imagelist", listed, "--root", tmp_path / "no.zip", "--out", out, status=2)
    assert "there is no such archive" in said
    path = in_zip(tmp_path, images(1))
    options = ("--root", path, "--out", out, "--split", "a=0.5", "--split", "b=0.5")
    assert "not divided into splits" in run("imagelist", listed, *options, status=2)


def test_of_equal_ends_the_whole_path_wins() -> None:
    matching = Matching(["1.jpg", "a/1.jpg", "a/2.jpg", "b/2.png"])
    assert matching.find("1.jpg") == 0
    assert matching.shortened == 0
    assert matching.find("b/2") == 3
    assert matching.find("2.png") == 3
    assert matching.shortened == 2
    with pytest.raises(LookupError):
        matching.find("2")
