"""The devkit's labels: read, compared with a list, refused."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from support import RawSet, mini_source

from pipeline import resources
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ArchiveMissing, ArchiveRefused, InputRefused
from pipeline.sources.ilsvrc2012 import label_files as labels
from pipeline.sources.ilsvrc2012.devkit import check_labels, read_labels, read_texts

TOP = "ILSVRC2012_devkit_t12"
TRUTH = f"{TOP}/data/ILSVRC2012_validation_ground_truth.txt"
META = f"{TOP}/data/meta.mat"
TABLE = LabelTable(Path("synsets.tsv"), ("n01", "n02", "n03"), ("a", "b", "c"), {})
SYNSETS: list[tuple[float, str, float]] = [  # ILSVRC2012_ID, WNID, num_children
    (1, "n02", 0),
    (2, "n03", 0),
    (3, "n01", 0),
    (4, "n04", 0),
    (5, "n00", 4),
]

Devkit = Callable[..., Path]


def meta_of(synsets: list[tuple[float, str, float]], *, packed: bool = True, **more: Any) -> bytes:
    """Return a meta.mat whose fields are as MATLAB stores them: doubles, in an (n, 1) array."""
    names = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")
    fields = [(name, "O") for name in names]
    rows = [(number, wnid, "words, of it", "what it is", n) for number, wnid, n in synsets]
    target = io.BytesIO()
    array = np.array(rows, fields).reshape(-1, 1)
    savemat(target, {"synsets": array, **more}, do_compression=packed)
    return target.getvalue()


def tar_of(files: Mapping[str, bytes | None]) -> bytes:
    """Return a tar; None is a link."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            info.type = tarfile.REGTYPE if content is not None else tarfile.SYMTYPE
            tar.addfile(info, io.BytesIO(content or b""))
    return target.getvalue()


@pytest.fixture
def devkit(tmp_path: Path) -> Devkit:
    def write(lines: bytes = b"1\n3\n2\n1\n", meta: bytes | None = None, **others: Any) -> Path:
        files = {f"{TOP}/readme.txt": b"hello", META: meta or meta_of(SYNSETS), TRUTH: lines}
        files |= others.get("files", {})
        kept = {
            name: content for name, content in files.items() if name not in others.get("no", ())
        }
        path = tmp_path / f"{TOP}.tar.gz"
        path.write_bytes(gzip.compress(tar_of(kept)))
        return path

    return write


def refused(archive: Path, table: LabelTable = TABLE) -> ArchiveRefused:
    with pytest.raises(ArchiveRefused) as caught:
        read_labels(archive, table)
    assert caught.value.file == str(archive)
    assert caught.value.remedy
    return caught.value


def test_line_n_is_the_class_of_image_n(devkit: Devkit) -> None:
    assert read_labels(devkit(), TABLE) == ("n02", "n01", "n03", "n02")


@pytest.mark.parametrize("lines", [b"1\n3", b"1\r\n3\r\n"])
def test_any_line_end_will_do(devkit: Devkit, lines: bytes) -> None:
    assert read_labels(devkit(lines), TABLE) == ("n02", "n01")


def test_a_devkit_that_a_browser_unpacked_is_read_too(devkit: Devkit) -> None:
    archive = devkit()
    archive.write_bytes(gzip.decompress(archive.read_bytes()))
    assert len(read_labels(archive, TABLE)) == 4


def test_a_meta_file_may_be_uncompressed_and_hold_one_synset_and_other_variables(
    devkit: Devkit,
) -> None:
    meta = meta_of(SYNSETS[:1], packed=False, other=np.zeros(3))
    assert read_labels(devkit(b"1\n1\n", meta), TABLE) == ("n02", "n02")


def test_the_place_of_a_synset_in_the_file_does_not_matter(devkit: Devkit) -> None:
    assert read_labels(devkit(meta=meta_of(SYNSETS[::-1])), TABLE)[:2] == ("n02", "n01")


def test_a_devkit_for_the_classes_of_the_sample_says_what_its_list_says(
    sample: RawSet, devkit: Devkit
) -> None:
    table = labels.load_table(sample.config.parent / "synsets.tsv")
    path = sample.config.parent / "validation_synsets.txt"
    listed = labels.load_list(path, table)
    ids = [int(text) for text in table.columns["ilsvrc2012_id"]]
    leaves: list[tuple[float, str, float]] = [
        (number, wnid, 0) for number, wnid in zip(ids, table.class_ids, strict=True)
    ]
    lines = "".join(f"{ids[table.index[wnid]]}\n" for wnid in listed)
    archive = devkit(lines.encode(), meta_of([*leaves, (1001, "n00001740", 8)]))
    found = read_labels(archive, table)
    assert found == listed
    check_labels(found, listed, archive, path)


def test_the_genuine_devkit_says_what_the_shipped_list_says() -> None:
    source = mini_source()
    if source is None:
        pytest.skip("the mini set is not there")
    archive = source / f"{TOP}.tar.gz"
    table = labels.load_table(resources.shipped("config/ilsvrc2012/synsets.tsv"))
    path = resources.shipped("config/ilsvrc2012/validation_synsets.txt")
    listed = labels.load_list(path, table)
    found = read_labels(archive, table)
    assert found == listed
    assert len(found) == 50_000
    check_labels(found, listed, archive, path)


@pytest.mark.parametrize("member", [TRUTH, META])
def test_a_devkit_that_lacks_a_file_is_refused(devkit: Devkit, member: str) -> None:
    error = refused(devkit(no={member}))
    assert (error.place, error.found) == (member.removeprefix(f"{TOP}/"), "none of that name")


@pytest.mark.parametrize("member", [TRUTH, META])
def test_a_file_that_is_a_link_or_is_there_twice_is_refused(devkit: Devkit, member: str) -> None:
    error = refused(devkit(files={member: None}))
    assert (error.place, error.found) == (member, "a symlink, 0 bytes")
    error = refused(devkit(files={f"copy/{member}": b"1\n"}))
    assert (error.place, error.found) == (f"copy/{member}", "another one")


def test_a_file_that_is_too_large_is_refused(devkit: Devkit) -> None:
    error = refused(devkit(lines=b"1\n" * (9 << 20)))
    assert (error.place, error.found) == (TRUTH, f"a file, {18 << 20} bytes")


@pytest.mark.parametrize(
    "line", ["", "x", "0", "-1", "1.0", " 1", "1 2", "+1", "9" * 5000, "²", "6"]
)
def test_a_line_that_is_no_number_in_range_is_named(devkit: Devkit, line: str) -> None:
    error = refused(devkit(f"1\n2\n{line}\n1\n".encode()))
    assert error.what == "no ILSVRC2012_ID of a class"
    assert error.place == "data/ILSVRC2012_validation_ground_truth.txt, line 3"
    assert error.expected == "a number from 1 to 4, of a synset without children"
    assert error.found == repr(line[:80] if line.isascii() else "\ufffd\ufffd")


def test_the_number_of_a_synset_that_has_children_is_no_class(devkit: Devkit) -> None:
    error = refused(devkit(b"5\n"))
    assert (error.what, error.found) == ("no ILSVRC2012_ID of a class", "'5'")
    assert str(error.place).endswith("line 1")


def test_a_class_that_the_label_table_lacks_is_named(devkit: Devkit) -> None:
    error = refused(devkit(b"1\n4\n"))
    assert error.what == "the class is not in the label table"
    assert str(error.place).endswith("line 2")
    assert (error.expected, error.found) == ("a WNID of synsets.tsv", "n04, ILSVRC2012_ID 4")


def test_a_class_that_no_image_has_may_be_missing_in_the_label_table(devkit: Devkit) -> None:
    assert read_labels(devkit(b"3\n"), TABLE) == ("n01",)


def without(field: str) -> bytes:
    array = np.array([(1, "n01", 0)], [(n, "O") for n in ("ILSVRC2012_ID", "WNID", "num_children")])
    array.dtype.names = tuple(f"no_{n}" if n == field else n for n in array.dtype.names or ())
    target = io.BytesIO()
    savemat(target, {"synsets": array})
    return target.getvalue()


def other_variable() -> bytes:
    target = io.BytesIO()
    savemat(target, {"images": np.zeros(3)})
    return target.getvalue()


DAMAGED = {
    "no MATLAB file": b"<html>" * 100,
    "nothing": b"\n",
    "the head only": meta_of(SYNSETS)[:128],
    "cut short": meta_of(SYNSETS)[:-20],
    "cut short, uncompressed": meta_of(SYNSETS, packed=False)[:-200],
    "a flipped bit": meta_of(SYNSETS)[:-1] + bytes([meta_of(SYNSETS)[-1] ^ 1]),
    "version 7.3": b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400),
    "another variable": other_variable(),
    "no number": without("ILSVRC2012_ID"),
    "no WNID": without("WNID"),
    "no children": without("num_children"),
    "one ID twice": meta_of([*SYNSETS, (1, "n01", 0)]),
    "no leaf": meta_of(SYNSETS[-1:]),
    "an ID that is text": meta_of([("x", "n01", 0)]),  # type: ignore[list-item]
    "an ID that is infinite": meta_of([(float("inf"), "n01", 0)]),
}


@pytest.mark.parametrize("meta", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_meta_file_that_is_damaged_is_refused(devkit: Devkit, meta: bytes) -> None:
    error = refused(devkit(meta=meta))
    assert (error.what, error.place) == (
        "a file of the devkit is missing or damaged",
        "data/meta.mat",
    )
    assert "MATLAB 5" in str(error.expected)


def test_an_archive_is_checked_to_its_end_before_its_files_are_parsed(devkit: Devkit) -> None:
    archive = devkit(meta=b"no MATLAB file")
    archive.write_bytes(archive.read_bytes()[:-1])
    assert "gzip stream" in refused(archive).what


def test_a_missing_devkit_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ArchiveMissing):
        read_labels(tmp_path / "absent.tar.gz", TABLE)


def disagreement(devkit: tuple[str, ...], listed: tuple[str, ...]) -> InputRefused:
    with pytest.raises(InputRefused) as caught:
        check_labels(devkit, listed, Path("raw/devkit.tar.gz"), Path("labels.txt"))
    assert caught.value.file == "labels.txt"
    assert caught.value.exit_status == 3
    return caught.value


def test_the_first_line_that_differs_is_named_and_the_others_are_counted() -> None:
    error = disagreement(("a", "b", "c", "d"), ("a", "x", "c", "y"))
    assert error.place == "line 2, the first of 2 that differ"
    assert error.expected == "b, by raw/devkit.tar.gz, of 4 lines"
    assert error.found == "x, of 4 lines"


@pytest.mark.parametrize(
    ("devkit", "listed", "place", "expected", "found"),
    [
        (("a", "b", "c"), ("a",), "line 2, the first of 2 that differ", "b", "no such line"),
        (("a",), ("a", "b"), "line 2, the first of 1 that differ", "no such line", "b"),
        ((), ("a",), "line 1, the first of 1 that differ", "no such line", "a"),
        (("a", "b"), ("x",), "line 1, the first of 2 that differ", "a", "x"),
    ],
)
def test_lists_of_different_lengths_differ(
    devkit: tuple[str, ...], listed: tuple[str, ...], place: str, expected: str, found: str
) -> None:
    error = disagreement(devkit, listed)
    assert error.place == place
    assert error.expected == f"{expected}, by raw/devkit.tar.gz, of {len(devkit)} lines"
    assert error.found == f"{found}, of {len(listed)} lines"


def test_every_synset_has_words_and_a_gloss(devkit: Devkit) -> None:
    expected = {wnid: ("words, of it", "what it is") for _, wnid, _ in SYNSETS}
    assert read_texts(devkit()) == expected


def test_a_devkit_without_glosses_is_refused(devkit: Devkit) -> None:
    target = io.BytesIO()
    savemat(target, {"synsets": np.array([("n01", "tench")], [("WNID", "O"), ("words", "O")])})
    archive = devkit(meta=target.getvalue())
    with pytest.raises(ArchiveRefused) as caught:
        read_texts(archive)
    assert caught.value.file == str(archive)
    assert "gloss" in str(caught.value)


def test_the_genuine_texts_are_those_that_were_published(devkit: Devkit) -> None:
    source = mini_source()
    if source is None:
        pytest.skip("the real images are not here: set SHARDMILL_TEST_DATA")
    every = read_texts(source / f"{TOP}.tar.gz")
    table = labels.load_table(resources.shipped("config/ilsvrc2012/synsets.tsv"))
    found = {wnid: every[wnid] for wnid in table.class_ids}
    assert {wnid: words for wnid, (words, _) in found.items()} == dict(
        zip(table.class_ids, table.words, strict=True)
    )
    assert max(len(words) for words, _ in found.values()) == 121
    assert max(len(gloss) for _, gloss in found.values()) == 255
    assert found["n01440764"][0] == "tench, Tinca tinca"
