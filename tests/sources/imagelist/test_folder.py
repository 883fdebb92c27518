"""Lists made of a folder of images: the walk, the labels, the division, and what is refused."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import TreeRefused, UsageError
from pipeline.sources.imagelist import lst
from pipeline.sources.imagelist.folder import (
    Division,
    Listing,
    divide,
    folder_lines,
    list_pieces,
    scan,
)
from pipeline.storage.clutter import PassedOver

FILES = ["b.jpg", "a.JPG", ".hidden.png", "B.jpeg", "readme.txt", ".jpg", "cat/z.jpg"]
FILES += ["cat/a b.jpg", "cat-2/é.png", "cat/deep/x.jpg", "empty/readme.txt", ".git/o.jpg"]
WALKED = [
    ("B.jpeg", 0),
    ("a.JPG", 0),
    ("b.jpg", 0),
    ("cat/a b.jpg", 1),
    ("cat/z.jpg", 1),
    ("cat/deep/x.jpg", 2),
    ("cat-2/é.png", 3),
]
SHUFFLED_10 = [4, 0, 5, 9, 3, 1, 6, 8, 7, 2]  # random.seed(100); random.shuffle(...)


def fill(root: Path, names: Iterable[str]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def content(listing: Listing, rows: list[int]) -> str:
    return b"".join(list_pieces(listing, np.array(rows, np.int64))).decode()


def divided(count: int, **options: float | None) -> dict[str, list[int]]:
    lists = divide(count, Division(**options))  # type: ignore[arg-type]
    return {name: rows.tolist() for name, rows in lists.items()}


def refused(root: Path, *, recursive: bool = True) -> TreeRefused:
    with pytest.raises(TreeRefused) as refusal:
        scan(root, recursive=recursive)
    return refusal.value


def test_a_walk_takes_files_before_folders_each_sorted_by_code_point(tmp_path: Path) -> None:
    listing = scan(fill(tmp_path, FILES), recursive=True)
    assert list(zip(listing.paths.to_pylist(), listing.labels.tolist(), strict=True)) == WALKED
    assert listing.paths.type == pa.large_string()
    assert listing.labels.dtype == np.int32


def test_every_folder_that_holds_images_has_a_label_of_its_own(tmp_path: Path) -> None:
    listing = scan(fill(tmp_path, FILES), recursive=True)
    assert listing.folders == (".", "cat", "cat/deep", "cat-2")
    assert folder_lines(listing) == ". 0\ncat 1\ncat/deep 2\ncat-2 3\n"


def test_a_folder_without_a_walk_has_the_label_0_and_prints_nothing(tmp_path: Path) -> None:
    listing = scan(fill(tmp_path, FILES))
    assert listing.paths.to_pylist() == ["B.jpeg", "a.JPG", "b.jpg"]
    assert listing.labels.tolist() == [0] * 3
    assert folder_lines(listing) == ""


def test_only_names_of_the_extensions_asked_for_are_listed(tmp_path: Path) -> None:
    fill(tmp_path, [*FILES, "c.tar.gif", "d.gif.bak", "gif"])
    assert scan(tmp_path, extensions=[".gif"]).paths.to_pylist() == ["c.tar.gif"]
    assert scan(tmp_path, extensions=[""]).paths.to_pylist() == ["gif"]


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        (["", ".gif"], "names that end in .gif or names without an extension"),
        ([""], "names without an extension"),
        ([".gif", ".png"], "names that end in .gif, .png"),
    ],
)
def test_where_no_name_has_an_extension_that_is_asked_for_it_is_said_which_those_are(
    tmp_path: Path, extensions: list[str], expected: str
) -> None:
    with pytest.raises(TreeRefused) as refusal:
        scan(fill(tmp_path, ["a.jpg"]), extensions=extensions)
    assert refusal.value.expected == expected


@pytest.mark.parametrize("extension", ["jpg", ".JPG", ".tar.gz", "*.jpg", ".a/b"])
def test_an_extension_that_no_name_can_have_is_refused(tmp_path: Path, extension: str) -> None:
    with pytest.raises(UsageError, match="extension") as refusal:
        scan(fill(tmp_path, FILES), extensions=[".jpg", extension])
    assert refusal.value.found == repr(extension)


@pytest.mark.parametrize(
    ("left", "counted"),
    [
        ([".ipynb_checkpoints/a-checkpoint.jpg", "cat/.ipynb_checkpoints/a-checkpoint.jpg"], 2),
        (["@eaDir/cat/SYNOPHOTO_THUMB_M.jpg"], 1),
        (["__MACOSX/cat/._a.jpg", "__MACOSX/dog/._b.jpg", "cat/._a.jpg"], 2),
        (["lost+found/#1.jpg", "#recycle/dog/b.jpg", "dog/Thumbs.db"], 3),
        (["cat/a.jpg:Zone.Identifier"], 1),
        ([".shardmill/job.json", "report/0123/train/00000.jpg", "report/index.html"], 2),
        (["out/.shardmill/job.json", "out/report/0a1b2c3d4e5f/train/0.jpg"], 2),
    ],
    ids=["jupyter", "synology", "macos", "disks", "windows", "output", "output in a folder"],
)
def test_clutter_is_no_class_and_no_image_and_is_counted(
    tmp_path: Path, left: list[str], counted: int
) -> None:
    plain = fill(tmp_path / "plain", ["cat/a.jpg", "dog/b.jpg"])
    littered = fill(tmp_path / "littered", ["cat/a.jpg", "dog/b.jpg", *left])
    one, other = scan(plain, recursive=True), scan(littered, recursive=True)
    assert other.folders == one.folders == ("cat", "dog")
    assert other.paths.equals(one.paths)
    assert (one.clutter.count, other.clutter.count, other.ignored) == (0, counted, 0)
    assert all(any(name.startswith(shown) for name in left) for shown in other.clutter.examples)


def test_a_class_that_is_called_as_the_page_of_an_output_is_a_class(tmp_path: Path) -> None:
    fill(tmp_path, [".shardmill/job.json", "report/a.jpg", "papers/report/b.jpg"])
    assert scan(tmp_path / "papers", recursive=True).folders == ("report",)
    assert scan(tmp_path, recursive=True).folders == ("papers/report", "report")


def test_folders_of_clutter_are_not_said_where_no_folder_is_walked(tmp_path: Path) -> None:
    listing = scan(fill(tmp_path, ["a.jpg", ".git/b.jpg", "cat/c.jpg", "._a.jpg"]))
    assert listing.clutter == PassedOver(1, ("._a.jpg",))


def test_a_folder_of_nothing_but_clutter_is_refused_saying_so(tmp_path: Path) -> None:
    refusal = refused(fill(tmp_path, [".cat/a.jpg", "._b.jpg"]))
    assert "passed over: 2 hidden or system names, e.g. ._b.jpg, .cat" in str(refusal.found)


def test_links_are_followed_and_those_that_lead_nowhere_passed_over(tmp_path: Path) -> None:
    fill(tmp_path / "store", ["x.jpg", "more/y.jpg"])
    root = fill(tmp_path / "root", ["a/0.jpg"])
    (root / "b.jpg").symlink_to(tmp_path / "store/x.jpg")
    (root / "c.jpg").symlink_to(tmp_path / "nowhere")
    (root / "d").symlink_to(tmp_path / "store/more")
    (root / "e").symlink_to(tmp_path / "store/more")
    os.mkfifo(root / "f.jpg")
    listing = scan(root, recursive=True)
    assert listing.paths.to_pylist() == ["b.jpg", "a/0.jpg", "d/y.jpg", "e/y.jpg"]


def test_a_folder_that_leads_back_into_itself_is_refused(tmp_path: Path) -> None:
    root = fill(tmp_path, ["a/b/0.jpg"])
    (root / "a/b/up").symlink_to(root / "a")
    refusal = refused(root)
    assert refusal.file == str(root / "a/b/up")
    assert refusal.found == f"a link to {root / 'a'}"
    assert scan(root / "a/b").paths.to_pylist() == ["0.jpg"]


@pytest.mark.parametrize(
    "name", ["a\t.jpg", "a\n.jpg", os.fsdecode(b"\xff.jpg"), " a.jpg", "　/a.jpg"]
)
def test_a_path_that_a_list_cannot_express_is_refused(tmp_path: Path, name: str) -> None:
    refusal = refused(fill(tmp_path, ["a.jpg", name]))
    assert (refusal.file, refusal.found) == (str(tmp_path), ascii(name))


def test_a_name_that_is_not_listed_may_be_anything(tmp_path: Path) -> None:
    fill(tmp_path, ["a.jpg", "a\tb.txt", " x/readme"])
    assert scan(tmp_path, recursive=True).paths.to_pylist() == ["a.jpg"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, ["a.jpg"])
    assert refused(tmp_path / "x").what == refused(tmp_path / "a.jpg").what == "no folder of images"


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, ["inner/a.jpg", "readme.txt"])
    refusal = refused(tmp_path, recursive=False)
    assert refusal.what == "no image in the folder"
    assert refusal.found == "none, without the folders in it"


def test_a_line_has_the_id_the_label_with_six_decimals_and_the_path(tmp_path: Path) -> None:
    listing = scan(fill(tmp_path, FILES), recursive=True)
    expected = "6\t3.000000\tcat-2/é.png\n0\t0.000000\tB.jpeg\n"
    assert content(listing, [6, 0]) == expected
    assert content(listing, []) == ""


def test_a_long_list_comes_in_pieces() -> None:
    count = 150_000
    names = pa.array([f"{number}.jpg" for number in range(count)], pa.large_string())
    listing = Listing(names, np.zeros(count, np.int32))
    pieces = list(list_pieces(listing, np.arange(count)[::-1]))
    assert len(pieces) > 1
    lines = b"".join(pieces).decode().splitlines()
    assert lines == [f"{n}\t0.000000\t{n}.jpg" for n in reversed(range(count))]


def test_a_list_is_read_back(tmp_path: Path) -> None:
    listing = scan(fill(tmp_path, FILES), recursive=True)
    path = tmp_path / "all.lst"
    path.write_text(content(listing, list(range(7))), encoding="utf-8")
    (table,) = lst.read(path, label_width=1)
    assert table["path"].to_pylist() == listing.paths.to_pylist()
    assert table["labels"].to_pylist() == [[label] for label in listing.labels.tolist()]


def test_the_shuffle_is_that_of_im2rec() -> None:
    assert divided(10) == {".lst": SHUFFLED_10}
    assert divided(10, seed=7)[".lst"] != SHUFFLED_10
    assert divided(4, seed=None) == {".lst": [0, 1, 2, 3]}


def test_chunks_are_of_one_size_but_for_the_last() -> None:
    found = divided(10, chunks=4, seed=None)
    assert found == {"_0.lst": [0, 1, 2], "_1.lst": [3, 4, 5], "_2.lst": [6, 7, 8], "_3.lst": [9]}
    assert divided(3, chunks=5, seed=None)["_4.lst"] == []


def test_fractions_are_of_a_whole_chunk_and_tests_come_first() -> None:
    found = divided(10, chunks=2, train=0.5, test=0.25, seed=None)
    assert list(found.items()) == [
        ("_0_test.lst", [0]),
        ("_0_val.lst", [3, 4]),
        ("_0_train.lst", [1, 2]),
        ("_1_test.lst", [5]),
        ("_1_val.lst", [8, 9]),
        ("_1_train.lst", [6, 7]),
    ]


def test_no_validation_is_listed_where_the_fractions_leave_none() -> None:
    found = divided(5, train=0.5, test=0.5, seed=None)
    assert found == {"_test.lst": [0, 1], "_train.lst": [2, 3]}  # and 4 in none, as in im2rec.py


def test_no_test_is_listed_where_none_is_wanted() -> None:
    assert divided(4, train=0.75, seed=None) == {"_val.lst": [3], "_train.lst": [0, 1, 2]}


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": 0},
        {"chunks": -1},
        {"train": 0.8, "test": 0.3},
        {"train": 1.0, "test": 0.1},
        {"train": 1.5},
        {"train": -0.1},
        {"train": 0.5, "test": -0.1},
        {"train": math.nan},
        {"train": 0.5, "test": math.nan},
    ],
)
def test_what_is_no_division_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError) as refusal:
        divided(10, **options)
    assert refusal.value.expected
    assert refusal.value.found


@given(
    st.integers(0, 300),
    st.integers(1, 9),
    st.integers(0, 100),
    st.integers(0, 100),
    st.sampled_from([None, 0, 100]),
)
def test_no_image_is_in_two_lists_and_only_rounding_leaves_one_out(
    count: int, chunks: int, train: int, test: int, seed: int | None
) -> None:
    train = min(train, 100 - test)
    found = divided(count, chunks=chunks, train=train / 100, test=test / 100, seed=seed)
    listed = Counter(row for rows in found.values() for row in rows)
    assert set(listed.values()) <= {1}
    assert set(listed) <= set(range(count))
    assert count - len(listed) <= (2 * chunks if train + test == 100 else 0)
