"""Listing a split's folder: what counts, what is passed over, what is refused, moves half done."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import NoPermission, TreeRefused
from pipeline.names import has_control
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.tree_listing import FILES, TreeListing, scan
from pipeline.storage.clutter import is_clutter
from pipeline.storage.local import listing as storage_listing

TRAIN = SplitConfig(name="train", archive="t.tar", folder="train", layout="class-tars", shards=1)
VALIDATION = SplitConfig(name="validation", archive="v.tar", folder="val", layout="flat", shards=1)
TEST = SplitConfig(name="test", archive="x.tar", folder="test", layout="flat", shards=1)
IMAGES = {"b.JPEG": 2, "a.JPEG": 1, "c.JPEG": 3}  # name -> bytes
CLASS = {"a.JPEG": "n01", "b.JPEG": "n02", "c.JPEG": "n01"}


def fill(tree: Path, files: Mapping[str, int]) -> Path:
    for name, size in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    return tree


def sizes(listing: TreeListing) -> dict[str, int]:
    return dict(zip(*(listing.files[name].to_pylist() for name in ("key", "size")), strict=True))


def places(listing: TreeListing) -> list[tuple[str, str]]:
    return list(zip(*(listing.files[name].to_pylist() for name in ("path", "wnid")), strict=True))


def refused(tree: Path, split: SplitConfig, also: Path | None = None) -> TreeRefused:
    with pytest.raises(TreeRefused) as refusal:
        scan(tree, split, moving_to=also)
    return refusal.value


def test_class_folders_give_keys_sorted_bytewise(tmp_path: Path) -> None:
    # "-" sorts before "/", "é" after all of ASCII.
    names = ["n01/b.JPEG", "n01-a/x.JPEG", "n01/a.JPEG", "n02/é.JPEG", "n02/z.JPEG"]
    fill(tmp_path / "train", {name: place for place, name in enumerate(names)})
    (tmp_path / "train" / "n03").mkdir()
    listing = scan(tmp_path, TRAIN)
    assert listing.files.schema == FILES
    assert (listing.folder, listing.bytes, listing.ignored) == ("train", 10, ())
    assert listing.files["key"].to_pylist() == sorted(names, key=str.encode)
    assert sizes(listing) == {name: place for place, name in enumerate(names)}
    assert places(listing)[:2] == [
        ("train/n01-a/x.JPEG", "n01-a"),
        ("train/n01/a.JPEG", "n01"),
    ]


def test_flat_files_are_named_without_a_folder(tmp_path: Path) -> None:
    listing = scan(
        fill(tmp_path, {f"val/{name}": size for name, size in IMAGES.items()}), VALIDATION
    )
    assert sizes(listing) == {"a.JPEG": 1, "b.JPEG": 2, "c.JPEG": 3}
    assert places(listing) == [(f"val/{name}", "") for name in sorted(IMAGES)]


def test_an_empty_folder_is_an_empty_listing(tmp_path: Path) -> None:
    for split in (TRAIN, VALIDATION):
        (tmp_path / split.folder).mkdir()
        listing = scan(tmp_path, split)
        assert (listing.files.num_rows, listing.bytes) == (0, 0)
        assert listing.files.schema == FILES


def test_test_images_may_lie_in_a_folder_of_that_name(tmp_path: Path) -> None:
    listing = scan(fill(tmp_path, {"test/test/a.JPEG": 1, "test/b.JPEG": 2}), TEST)
    assert places(listing) == [("test/test/a.JPEG", ""), ("test/b.JPEG", "")]


def test_elsewhere_a_folder_of_that_name_is_a_class_like_any_other(tmp_path: Path) -> None:
    assert places(scan(fill(tmp_path, {"train/train/a": 1}), TRAIN)) == [("train/train/a", "train")]
    goal = fill(tmp_path / "out", {"test/a.JPEG": 1})
    assert places(scan(tmp_path, TEST, moving_to=goal)) == [(f"{goal}/test/a.JPEG", "test")]


def test_the_digest_is_of_keys_and_sizes(tmp_path: Path) -> None:
    fill(tmp_path, {"val/a.JPEG": 1, "val/n02/b.JPEG": 2})
    before = scan(tmp_path, VALIDATION).digest
    assert before == "4919e4fc3e3e"
    os.utime(tmp_path / "val" / "a.JPEG", ns=(0, 0))
    (tmp_path / "val" / "a.JPEG").rename(tmp_path / "val" / "n02" / "a.JPEG")
    fill(tmp_path, {"val/.hidden": 1})
    assert scan(tmp_path, VALIDATION).digest == before
    fill(tmp_path, {"val/n02/a.JPEG": 2})
    assert scan(tmp_path, VALIDATION).digest != before


@given(st.dictionaries(st.integers(0, 99), st.sampled_from(["", "n01/", "n02/", "val/"])))
def test_keys_and_digest_do_not_tell_where_flat_files_lie(layout: dict[int, str]) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        (Path(one) / "val").mkdir()
        (Path(other) / "val").mkdir()
        fill(Path(one), {f"val/{number}.JPEG": number for number in layout})
        fill(Path(other), {f"val/{where}{number}.JPEG": number for number, where in layout.items()})
        flat, mixed = scan(Path(one), VALIDATION), scan(Path(other), VALIDATION)
    assert sizes(flat) == sizes(mixed) == {f"{number}.JPEG": number for number in layout}
    assert flat.digest == mixed.digest


@given(
    st.sets(st.text(st.characters(exclude_characters="/", codec="utf-8"), min_size=1, max_size=9))
)
def test_any_printable_name_is_listed_and_any_other_refused(names: set[str]) -> None:
    names -= {".", ".."}
    plain = {name for name in names if not is_clutter(name)}
    unsafe = {name for name in plain if has_control(name)}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "train" / "n01").mkdir(parents=True)
        for name in names:
            if "\0" not in name:
                (Path(folder) / "train" / "n01" / name).write_bytes(b"")
        if any("\0" not in name for name in unsafe):
            assert refused(Path(folder), TRAIN).found in [repr(name) for name in unsafe]
        else:
            keys = scan(Path(folder), TRAIN).files["key"].to_pylist()
            listed = sorted((f"n01/{name}" for name in plain - unsafe), key=str.encode)
            assert keys == listed


def test_hidden_names_and_what_desktops_leave_are_passed_over(tmp_path: Path) -> None:
    ignored = [
        "train/.DS_Store",
        "train/.n01.host-12-abcdef01.tmp/x.JPEG",
        "train/Thumbs.db",
        "train/n01/.x.JPEG.swp",
        "train/n01/Desktop.ini",
        "train/n01/.cache/deep/y.JPEG",
        "train/@eaDir/n01/x.JPEG",
        "train/n01/x.JPEG:Zone.Identifier",
        "train/n01/Icon\r",
    ]
    fill(tmp_path, {**dict.fromkeys(ignored, 1), "train/n01/x.JPEG": 5})
    os.mkfifo(tmp_path / "train" / ".pipe")
    listing = scan(tmp_path, TRAIN)
    assert sizes(listing) == {"n01/x.JPEG": 5}
    assert listing.ignored == (
        "train/.DS_Store",
        "train/.n01.host-12-abcdef01.tmp",
        "train/.pipe",
        "train/@eaDir",
        "train/Thumbs.db",
        "train/n01/.cache",
        "train/n01/.x.JPEG.swp",
        "train/n01/Desktop.ini",
        "train/n01/Icon\ufffd",
        "train/n01/x.JPEG:Zone.Identifier",
    )


def test_links_to_files_and_to_class_folders_are_followed(tmp_path: Path) -> None:
    tree = fill(tmp_path / "tree", {"images/n01/x.JPEG": 3})
    fill(tmp_path, {"store/n02/y.JPEG": 4, "store/z": 5})
    (tree / "train").symlink_to("images")
    (tree / "images" / "n02").symlink_to(tmp_path / "store" / "n02")
    (tree / "images" / "n01" / "z.JPEG").symlink_to(tmp_path / "store" / "z")
    listing = scan(tree, TRAIN)
    assert sizes(listing) == {"n01/x.JPEG": 3, "n01/z.JPEG": 5, "n02/y.JPEG": 4}
    assert places(listing)[2] == ("train/n02/y.JPEG", "n02")


@pytest.mark.parametrize(
    ("split", "stray", "kind"),
    [
        (TRAIN, "train/n01.tar", "file"),
        (TRAIN, "train/n01/nested/x.JPEG", "folder"),
        (VALIDATION, "val/n01/nested/x.JPEG", "folder"),
        (TEST, "test/test/test/x.JPEG", "folder"),
    ],
)
def test_what_does_not_belong_there_is_refused(
    tmp_path: Path, split: SplitConfig, stray: str, kind: str
) -> None:
    fill(tmp_path, {f"{split.folder}/n01/a.JPEG": 1, stray: 1})
    path = tmp_path / stray
    wrong = path if kind == "file" else path.parent
    error = refused(tmp_path, split)
    assert (error.file, error.found) == (str(wrong), f"a {kind}")
    assert (
        error.expected == f"{'class folders' if kind == 'file' else 'files'} only in {wrong.parent}"
    )
    inward = f"move the images in it into {wrong.parent}"
    assert str(error.remedy).startswith("move it away" if kind == "file" else inward)


def test_what_does_not_belong_into_classes_that_were_not_chosen_is_passed_over(
    tmp_path: Path,
) -> None:
    fill(tmp_path, {"train/n01/x.JPEG": 1, "train/n02/y.JPEG": 2, "train/n02/images/z.JPEG": 3})
    fill(tmp_path, {"train/n02/a\tb.JPEG": 4})
    (tmp_path / "train/n02/dangling.JPEG").symlink_to("nowhere")
    listing = scan(tmp_path, TRAIN, classes={"n01"})
    assert sizes(listing) == {"n01/x.JPEG": 1, "n02/y.JPEG": 2}
    assert listing.ignored == (
        "train/n02/a\ufffdb.JPEG",
        "train/n02/dangling.JPEG",
        "train/n02/images",
    )
    with pytest.raises(TreeRefused):
        scan(tmp_path, TRAIN, classes={"n02"})


def test_a_link_to_a_folder_inside_a_class_folder_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, {"train/n01/a.JPEG": 1})
    (tmp_path / "train" / "n01" / "up").symlink_to("..")
    assert refused(tmp_path, TRAIN).file == str(tmp_path / "train" / "n01" / "up")


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (os.mkfifo, "special file"),
        (lambda path: path.symlink_to(os.devnull), "special file"),
        (lambda path: path.symlink_to("nowhere"), "broken link"),
        (lambda path: path.symlink_to("a.JPEG/x"), "broken link"),
        (lambda path: path.symlink_to(path.name), "broken link"),
    ],
)
@pytest.mark.parametrize("place", ["val/odd.JPEG", "val/n01/odd.JPEG"])
def test_what_is_neither_file_nor_folder_is_refused(
    tmp_path: Path, place: str, make: Callable[[Path], object], found: str
) -> None:
    fill(tmp_path, {"val/a.JPEG": 1, "val/n01/b.JPEG": 1})
    if "n01" in place:
        fill(tmp_path, {"val/n01/a.JPEG": 1})
        (tmp_path / "val" / "a.JPEG").unlink()
    make(tmp_path / place)
    error = refused(tmp_path, VALIDATION)
    assert (error.file, error.found) == (str(tmp_path / place), found)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"a\xff.JPEG", r"'a\udcff.JPEG'"),
        (b"a\tb", r"'a\tb'"),
        (b"a\nb", r"'a\nb'"),
        (b"\x7f", r"'\x7f'"),
    ],
)
def test_a_name_that_cannot_be_written_down_is_refused(
    tmp_path: Path, name: bytes, shown: str
) -> None:
    fill(tmp_path, {"val/a.JPEG": 1})
    (tmp_path / "val" / os.fsdecode(name)).write_bytes(b"")
    error = refused(tmp_path, VALIDATION)
    assert (error.file, error.found) == (str(tmp_path / "val"), shown)
    assert str(error).encode()


def test_a_file_that_may_not_be_looked_at_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Denied:
        name, path = "a.JPEG", str(tmp_path / "val" / "a.JPEG")

        def stat(self) -> os.stat_result:
            raise PermissionError(13, "Permission denied")

    fill(tmp_path, {"val/a.JPEG": 1})
    monkeypatch.setattr(storage_listing, "scan", lambda _: [Denied()])
    with pytest.raises(NoPermission) as refusal:
        scan(tmp_path, VALIDATION)
    assert refusal.value.file == Denied.path


@pytest.mark.parametrize(
    "places", [("val/", "val/n01/"), ("val/n01/", "val/n02/"), ("val/", "val/val/")]
)
def test_an_image_that_is_there_twice_is_refused_with_both(
    tmp_path: Path, places: tuple[str, str]
) -> None:
    fill(tmp_path, {f"{place}a.JPEG": 7 for place in places} | {"val/b.JPEG": 1})
    error = refused(tmp_path, VALIDATION)
    assert "a.JPEG is there twice" in error.what
    assert sorted(str(error.found).splitlines()) == [f"{place}a.JPEG, 7 bytes" for place in places]


class TestMoves:
    @given(st.lists(st.sampled_from(["before", "both", "after"]), min_size=3, max_size=3))
    def test_are_seen_whole_wherever_they_stopped(self, states: list[str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            tree, goal = Path(folder) / "tree", Path(folder) / "out" / "val"
            (tree / "val").mkdir(parents=True)
            whole = scan(fill(Path(folder) / "whole" / "val", IMAGES).parent, VALIDATION)
            for (name, size), state in zip(IMAGES.items(), states, strict=True):
                if state != "after":
                    fill(tree / "val", {name: size})
                if state != "before":
                    fill(goal, {f"{CLASS[name]}/{name}": size})
            listing = scan(tree, VALIDATION, moving_to=goal)
            assert (sizes(listing), listing.digest) == (sizes(whole), whole.digest)
            found = {Path(path).name: path for path, _ in places(listing)}
            for name, state in zip(IMAGES, states, strict=True):
                moved = f"{goal}/{CLASS[name]}/{name}"
                assert found[name] == (moved if state == "after" else f"val/{name}")

    def test_in_place_may_have_stopped_anywhere(self, tmp_path: Path) -> None:
        fill(tmp_path, {"val/a.JPEG": 1, "val/n01/a.JPEG": 1, "val/n02/b.JPEG": 2, "val/c.JPEG": 3})
        (tmp_path / "out").symlink_to("val")
        listing = scan(tmp_path, VALIDATION, moving_to=tmp_path / "out")
        assert places(listing) == [
            ("val/a.JPEG", ""),
            ("val/n02/b.JPEG", "n02"),
            ("val/c.JPEG", ""),
        ]

    def test_whose_source_is_gone_are_complete(self, tmp_path: Path) -> None:
        (tmp_path / "tree").mkdir()
        goal = fill(tmp_path / "out", {"n01/a.JPEG": 1, ".n02.host-1-abcdef01.tmp/b": 2})
        listing = scan(tmp_path / "tree", VALIDATION, moving_to=goal)
        assert (listing.folder, places(listing)) == ("", [(f"{goal}/n01/a.JPEG", "n01")])
        assert listing.ignored == (f"{goal}/.n02.host-1-abcdef01.tmp",)

    def test_that_have_not_begun_leave_the_tree_as_it_is(self, tmp_path: Path) -> None:
        fill(tmp_path, {"val/a.JPEG": 1})
        listing = scan(tmp_path, VALIDATION, moving_to=tmp_path / "none")
        assert places(listing) == [("val/a.JPEG", "")]

    def test_of_nothing_are_refused(self, tmp_path: Path) -> None:
        assert "is not there" in refused(tmp_path, VALIDATION, tmp_path / "none").what
        (tmp_path / "out").mkdir()
        assert "is not there" in refused(tmp_path, VALIDATION, tmp_path / "out").what

    def test_may_lead_to_another_folder_of_the_tree(self, tmp_path: Path) -> None:
        fill(tmp_path, {"v/a.JPEG": 1, "v/b.JPEG": 2})
        (tmp_path / "val").mkdir()
        assert len(places(scan(tmp_path, VALIDATION, moving_to=tmp_path / "val"))) == 2
        (tmp_path / "val" / "n01").mkdir()
        (tmp_path / "v" / "a.JPEG").rename(tmp_path / "val" / "n01" / "a.JPEG")
        listing = scan(tmp_path, VALIDATION, moving_to=tmp_path / "val")
        assert places(listing) == [(f"{tmp_path}/val/n01/a.JPEG", "n01"), ("v/b.JPEG", "")]

    def test_of_class_folders_are_sorted_too(self, tmp_path: Path) -> None:
        goal = fill(tmp_path / "out", {"n01/b.JPEG": 1, "n03/x.JPEG": 1})
        fill(tmp_path, {"train/n01/a.JPEG": 1, "train/n02/y.JPEG": 1})
        keys = scan(tmp_path, TRAIN, moving_to=goal).files["key"].to_pylist()
        assert keys == ["n01/a.JPEG", "n01/b.JPEG", "n02/y.JPEG", "n03/x.JPEG"]

    def test_a_file_that_moves_meanwhile_is_seen_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree, goal = fill(tmp_path, {"val/a.JPEG": 1, "val/b.JPEG": 2}), tmp_path / "out"
        (goal / "n01").mkdir(parents=True)
        real = storage_listing.scan

        def scan_and_move(folder: Path) -> list[os.DirEntry[str]]:
            entries = real(folder)
            if folder == tree / "val":
                (folder / "a.JPEG").rename(goal / "n01" / "a.JPEG")
            return entries

        monkeypatch.setattr(storage_listing, "scan", scan_and_move)
        listing = scan(tree, VALIDATION, moving_to=goal)
        assert places(listing) == [(f"{goal}/n01/a.JPEG", "n01"), ("val/b.JPEG", "")]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ({"val/a.JPEG": 7}, {"n01/a.JPEG": 8}),
            ({"val/n02/a.JPEG": 7}, {"n01/a.JPEG": 7}),
            ({"val/b.JPEG": 7}, {"n01/a.JPEG": 7, "n02/a.JPEG": 7}),
            ({"val/a.JPEG": 7}, {"n01/a.JPEG": 7, "n02/a.JPEG": 7}),
        ],
    )
    def test_that_left_two_different_files_are_refused(
        self, tmp_path: Path, before: dict[str, int], after: dict[str, int]
    ) -> None:
        goal = fill(tmp_path / "out", after)
        error = refused(fill(tmp_path, before), VALIDATION, goal)
        assert "a.JPEG is there twice" in error.what
        assert str(error.found).count("a.JPEG") == 2

    def test_into_a_folder_with_flat_files_are_refused(self, tmp_path: Path) -> None:
        goal = fill(tmp_path / "out", {"a.JPEG": 1})
        error = refused(fill(tmp_path, {"val/b.JPEG": 1}), VALIDATION, goal)
        assert error.file == str(goal / "a.JPEG")
