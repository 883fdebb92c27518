"""Extraction: a tree like that of tar, complete or absent."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pyarrow as pa
import pytest
import xxhash
from classtrees import IMAGES, archive, fill, listing_of, tree_of, unpacked
from extracting import extract
from support import RawSet

from pipeline import storage
from pipeline.catalog import table as catalog
from pipeline.documents import tree_listing
from pipeline.errors import (
    ArchiveRefused,
    InputRefused,
    NoPermission,
    NoSpace,
    OutputConflict,
    OutputDamaged,
    UsageError,
)
from pipeline.exports import class_tree as extraction


class TestGroups:
    def test_are_consecutive_classes_closed_when_they_are_large(self) -> None:
        counts = {f"n{number:02}": 1300 for number in reversed(range(16))}
        found = extraction.groups(counts)
        assert [group.index for group in found] == [0, 1, 2]
        assert [group.images for group in found] == [7 * 1300, 7 * 1300, 2 * 1300]
        assert [wnid for group in found for wnid in group.classes] == sorted(counts)

    def test_close_at_the_very_number(self) -> None:
        found = extraction.groups({"a": 8191, "b": 1, "c": 8192, "d": 1})
        assert [group.classes for group in found] == [("a", "b"), ("c",), ("d",)]

    def test_do_not_hold_more_folders_than_may_be_open(self) -> None:
        found = extraction.groups({f"n{number:05}": 1 for number in range(600)})
        assert [len(group.classes) for group in found] == [256, 256, 88]

    def test_of_no_classes_are_none(self) -> None:
        assert extraction.groups({}) == ()


class TestListing:
    def test_is_read_as_it_was_written_and_its_bytes_do_not_depend_on_chunks(
        self, tmp_path: Path
    ) -> None:
        listing = extract(tmp_path / "tree", archive(tmp_path), tmp_path)
        assert listing.schema == tree_listing.LISTING_SCHEMA
        content = tree_listing.listing_bytes(listing)
        pieces = pa.concat_tables([listing.slice(0, 5), listing.slice(5)])
        assert tree_listing.listing_bytes(pieces) == content
        (tmp_path / "listing").write_bytes(content)
        assert tree_listing.read_listing(tmp_path / "listing").equals(listing)
        (tmp_path / "listing").write_bytes(content[:-20])
        with pytest.raises(OutputDamaged):
            tree_listing.read_listing(tmp_path / "listing")

    @pytest.mark.parametrize(
        "name", ["../a", "a/..", "a/.", "/etc", "/etc/passwd", "a/b/c", "a", "", "a/", "../../a/b"]
    )
    def test_names_files_of_class_folders_only(self, tmp_path: Path, name: str) -> None:
        def forged(file: str) -> None:
            columns = [[file], [1], ["0" * 32]]
            content = pa.table(list(map(pa.array, columns)), schema=tree_listing.LISTING_SCHEMA)
            (tmp_path / "listing").write_bytes(tree_listing.listing_bytes(content))

        forged("n01/..a.JPEG")
        assert tree_listing.read_listing(tmp_path / "listing").num_rows == 1
        forged(name)
        with pytest.raises(OutputDamaged, match="not as it was written"):
            tree_listing.read_listing(tmp_path / "listing")

    def test_tells_what_is_missing_or_of_another_size(self, tmp_path: Path) -> None:
        root = tmp_path / "tree"
        listing = extract(root, archive(tmp_path), tmp_path)
        assert tree_listing.missing(root, listing) == []
        (root / "n00/n00_1.JPEG").unlink()
        (root / "n01/n01_0.JPEG").write_bytes(b"short")
        (root / "n02/n02_3.JPEG").unlink()
        (root / "n02/n02_3.JPEG").symlink_to("nowhere")
        (root / "n02/more.JPEG").touch()
        lacking = ["n00/n00_1.JPEG", "n01/n01_0.JPEG", "n02/n02_3.JPEG"]
        assert tree_listing.missing(root, listing) == lacking
        assert tree_listing.missing(tmp_path / "absent", listing) == listing["file"].to_pylist()


class TestFromArchives:
    def test_the_tree_is_the_one_that_tar_makes(self, raw_set: RawSet, tmp_path: Path) -> None:
        expected, train, validation = unpacked(raw_set, tmp_path / "tar")
        out = tmp_path / "out"
        with storage.SourceReader(raw_set.raw) as sources:
            listings = {
                name: extraction.extract_group(out / name, rows, sources)
                for name, rows in (("train", train), ("val", validation))
            }
        assert tree_of(out) == expected
        listed = {
            f"{name}/{each['file']}": (each["bytes"], each["xxh3_128"])
            for name, listing in listings.items()
            for each in listing.to_pylist()
        }
        assert listed == {
            file: (len(data), xxhash.xxh3_128_hexdigest(data)) for file, data in expected.items()
        }

    def test_the_listing_is_sorted_and_the_rows_may_have_any_order(self, tmp_path: Path) -> None:
        rows = archive(tmp_path)
        listing = extract(tmp_path / "tree", rows, tmp_path)
        assert listing.to_pylist() == listing_of(IMAGES)
        again = extract(tmp_path / "again", rows.sort_by([("name", "descending")]), tmp_path)
        assert tree_listing.listing_bytes(again) == tree_listing.listing_bytes(listing)

    def test_columns_may_be_those_of_a_catalog(self, tmp_path: Path) -> None:
        rows = archive(tmp_path)
        words = pa.dictionary(pa.int32(), pa.string())
        for name, kind in (("source", catalog.SCHEMA.field("source").type), ("folder", words)):
            column = rows[name].cast(kind)
            rows = rows.set_column(rows.schema.get_field_index(name), name, column)
        extract(tmp_path / "tree", rows, tmp_path)
        assert tree_of(tmp_path / "tree") == IMAGES

    def test_images_are_read_in_the_order_in_which_they_lie(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = {f"n{place % 5}/{place}": bytes([place]) * 50 for place in range(200)}
        rows = archive(tmp_path, files)
        seen: list[tuple[str, int]] = []
        for verb in ("read", "will_need"):
            usual = getattr(storage.SourceReader, verb)

            def noting(
                reader: storage.SourceReader,
                *place: object,
                verb: str = verb,
                usual: Callable[..., object] = usual,
            ) -> object:
                seen.append((verb, int(str(place[1]))))
                return usual(reader, *place)

            monkeypatch.setattr(storage.SourceReader, verb, noting)
        done: list[int] = []
        extract(tmp_path / "tree", rows, tmp_path, progress=done.append)
        for verb in ("read", "will_need"):
            assert [place for each, place in seen if each == verb] == list(range(0, 10000, 50))
        first = seen.index(("read", 0))
        assert first == 65
        assert done == [64, 128, 192]

    def test_an_image_that_is_cut_off_is_refused_and_nothing_appears(self, tmp_path: Path) -> None:
        rows = archive(tmp_path)
        os.truncate(tmp_path / "train.tar", (tmp_path / "train.tar").stat().st_size - 1)
        with pytest.raises(ArchiveRefused) as refusal:
            extract(tmp_path / "tree", rows, tmp_path)
        assert "n02/n02_3.JPEG" in (refusal.value.place or "")
        assert os.listdir(tmp_path / "tree") == []

    @pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\0b", "x" * 300])
    @pytest.mark.parametrize("column", ["folder", "name"])
    def test_unsafe_names_are_refused_before_anything_is_made(
        self, tmp_path: Path, name: str, column: str
    ) -> None:
        rows = archive(tmp_path).to_pylist()
        rows[-1][column] = name
        with pytest.raises(InputRefused):
            extract(tmp_path / "tree", pa.Table.from_pylist(rows), tmp_path)
        assert os.listdir(tmp_path) == ["train.tar"]

    @pytest.mark.parametrize("transfer", ["link", "symlink", "move", "teleport"])
    def test_images_of_an_archive_can_only_be_copied(self, tmp_path: Path, transfer: str) -> None:
        with pytest.raises(UsageError):
            extract(tmp_path / "tree", archive(tmp_path), tmp_path, transfer)

    def test_no_rows_make_no_folder(self, tmp_path: Path) -> None:
        listing = extract(tmp_path / "tree", archive(tmp_path).slice(0, 0), tmp_path)
        assert listing.equals(tree_listing.LISTING_SCHEMA.empty_table())
        assert os.listdir(tmp_path) == ["train.tar"]


class TestWhatIsThere:
    def test_is_kept_if_it_is_right(self, tmp_path: Path) -> None:
        root, rows = tmp_path / "tree", archive(tmp_path)
        listing = extract(root, rows, tmp_path)
        before = {path: path.stat().st_ino for path in root.rglob("*")}
        assert extract(root, rows, tmp_path).equals(listing)
        assert {path: path.stat().st_ino for path in root.rglob("*")} == before

    def test_is_made_anew_if_it_is_wrong_and_nothing_else_is_touched(self, tmp_path: Path) -> None:
        root, rows = tmp_path / "tree", archive(tmp_path)
        fill(tmp_path, {"outside": b"mine"})
        listing = extract(root, rows, tmp_path)
        (root / "n00/n00_0.JPEG").write_bytes(b"another size")
        (root / "n00/n00_1.JPEG").write_bytes(bytes(101))
        (root / "n00/n00_2.JPEG").unlink()
        (root / "n01/n01_0.JPEG").unlink()
        (root / "n01/n01_0.JPEG").symlink_to(tmp_path / "outside")
        (root / "n01/n01_1.JPEG").unlink()
        (root / "n01/n01_1.JPEG").symlink_to("nowhere")
        kept = {path: path.stat().st_ino for path in root.glob("*/*_3.JPEG")}
        assert extract(root, rows, tmp_path).equals(listing)
        assert tree_of(root) == IMAGES
        assert not any(path.is_symlink() for path in root.rglob("*"))
        assert {path: path.stat().st_ino for path in kept} == kept
        assert (tmp_path / "outside").read_bytes() == b"mine"

    def test_may_be_an_empty_folder_or_hold_hidden_names(self, tmp_path: Path) -> None:
        root = tmp_path / "tree"
        (root / "n00").mkdir(parents=True)
        (root / "n01/.git").mkdir(parents=True)
        fill(root, {"n02/.DS_Store": b"hidden", "unrelated": b"mine"})
        extract(root, archive(tmp_path), tmp_path)
        others = {"n01/.git/": b"", "n02/.DS_Store": b"hidden", "unrelated": b"mine"}
        assert tree_of(root) == IMAGES | others

    @pytest.mark.parametrize(
        "name", ["n01/other.JPEG", "n01/n01_0.JPEG/below", "n01/below/a", "n01"]
    )
    def test_must_not_be_what_does_not_belong_there(self, tmp_path: Path, name: str) -> None:
        root = fill(tmp_path / "tree", {name: b"mine"})
        with pytest.raises(OutputConflict) as refusal:
            extract(root, archive(tmp_path), tmp_path)
        assert refusal.value.file == str(root / Path(*Path(name).parts[:2]))
        assert tree_of(root) == {name: b"mine"}

    @pytest.mark.parametrize("leads", [True, False])
    def test_may_be_a_link_to_a_folder_but_not_to_nowhere(
        self, tmp_path: Path, leads: bool
    ) -> None:
        root = tmp_path / "tree"
        root.mkdir()
        (root / "n01").symlink_to(tmp_path / "elsewhere")
        if leads:
            (tmp_path / "elsewhere").mkdir()
            extract(root, archive(tmp_path), tmp_path)
            assert (tmp_path / "elsewhere/n01_0.JPEG").is_file()
            assert tree_listing.missing(root, extract(root, archive(tmp_path), tmp_path)) == []
        else:
            with pytest.raises(OutputConflict):
                extract(root, archive(tmp_path), tmp_path)

    def test_may_have_been_made_by_another_process_meanwhile(self, tmp_path: Path) -> None:
        files = {f"n00/{place}": bytes([place]) for place in range(100)} | IMAGES
        root, rows = tmp_path / "tree", archive(tmp_path, files)
        extract(root, rows, tmp_path, progress=lambda _: overtake(root, rows, tmp_path))
        assert tree_of(root) == files


def overtake(root: Path, rows: pa.Table, raw: Path) -> None:
    if not (root / "n00").exists():
        extract(root, rows, raw)


class TestFailures:
    def test_a_full_disk_is_said_and_leaves_nothing_half_done(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = archive(tmp_path)
        refuse = OSError(errno.ENOSPC, "injected")
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", Mock(side_effect=[100, 101, refuse]))
            with pytest.raises(NoSpace) as refusal:
                extract(tmp_path / "tree", rows, tmp_path)
        assert refusal.value.file == str(tmp_path / "tree/n00/n00_2.JPEG")
        assert os.listdir(tmp_path / "tree") == []
        extract(tmp_path / "tree", rows, tmp_path)
        assert tree_of(tmp_path / "tree") == IMAGES

    def test_a_target_that_cannot_be_written_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = archive(tmp_path)
        monkeypatch.setattr(os, "mkdir", Mock(side_effect=OSError(errno.EROFS, "injected")))
        with pytest.raises(NoPermission) as refusal:
            extract(tmp_path, rows, tmp_path)
        assert refusal.value.file == str(tmp_path / "n00")
