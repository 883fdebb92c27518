"""Extraction: a tree like that of tar, complete or absent, and no image is ever lost."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import random
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pyarrow as pa
import pytest
import xxhash
from support import RawSet, swept, write_catalog

from pipeline import storage
from pipeline.catalog import table as catalog
from pipeline.errors import (
    ArchiveRefused,
    EnvironmentRefused,
    InputRefused,
    NoPermission,
    NoSpace,
    OutputConflict,
    OutputDamaged,
    TreeRefused,
    UsageError,
    Vanished,
)
from pipeline.exports import class_listing
from pipeline.exports import class_tree as extraction
from pipeline.exports.base import TRANSFERS
from pipeline.job.resolve import resolve
from pipeline.state import cleaning

KILLS = 20
TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
STEPS = ("mkdir", "open", "write", "link", "symlink", "rename", "replace", "unlink", "rmdir")
Tree = dict[str, bytes]
IMAGES = {
    f"n0{number}/n0{number}_{place}.JPEG": random.Random(f"{number} {place}").randbytes(100 + place)
    for number in range(3)
    for place in range(4)
}


def tree_of(root: Path) -> Tree:
    """Every file below a folder, links followed, hidden or not; empty folders end in a slash."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file():
            found[name] = path.read_bytes()
        elif not list(path.iterdir()):
            found[f"{name}/"] = b""
    return found


def fill(root: Path, files: Tree) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def row(file: str, source: str, offset: int, length: int) -> dict[str, object]:
    wnid, _, name = file.partition("/")
    place = {"source": source, "offset": offset, "length": length}
    return {"folder": wnid, "name": name, **place}


def table(rows: list[dict[str, object]]) -> pa.Table:
    """Rows of a group, in no order."""
    return pa.Table.from_pylist(
        sorted(rows, key=lambda each: hashlib.md5(repr(each).encode()).digest())
    )


def archive(folder: Path, files: Tree = IMAGES) -> pa.Table:
    """Write images end to end, as one file; return the rows that say where they are."""
    rows, offset = [], 0
    for file, content in files.items():
        rows.append(row(file, "train.tar", offset, len(content)))
        offset += len(content)
    fill(folder, {"train.tar": b"".join(files.values())})
    return table(rows)


def foldered(folder: Path, files: Tree = IMAGES) -> pa.Table:
    """Write images as an unpacked tree of class folders; return its rows."""
    fill(folder / "train", files)
    return table([row(file, f"train/{file}", 0, len(data)) for file, data in files.items()])


def flat(folder: Path, files: Tree = IMAGES) -> pa.Table:
    """Write images as files of one folder; return the rows."""
    fill(folder / "val", {file.partition("/")[2]: data for file, data in files.items()})
    return table(
        [row(file, f"val/{file.partition('/')[2]}", 0, len(data)) for file, data in files.items()]
    )


def extract(
    root: Path,
    rows: pa.Table,
    raw: Path,
    transfer: str = "copy",
    progress: Callable[[int], None] | None = None,
) -> pa.Table:
    whole_files = not all(source.endswith(".tar") for source in rows["source"].to_pylist())
    tree = raw if whole_files else None
    with storage.SourceReader(raw) as sources:
        return extraction.extract_group(
            root, rows, sources, transfer=transfer, whole_files=tree is not None, progress=progress
        )


def listing_of(files: Tree) -> list[dict[str, object]]:
    return [
        {"file": file, "bytes": len(data), "xxh3_128": xxhash.xxh3_128_hexdigest(data)}
        for file, data in sorted(files.items())
    ]


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
        assert listing.schema == class_listing.LISTING_SCHEMA
        content = class_listing.listing_bytes(listing)
        pieces = pa.concat_tables([listing.slice(0, 5), listing.slice(5)])
        assert class_listing.listing_bytes(pieces) == content
        (tmp_path / "listing").write_bytes(content)
        assert class_listing.read_listing(tmp_path / "listing").equals(listing)
        (tmp_path / "listing").write_bytes(content[:-20])
        with pytest.raises(OutputDamaged):
            class_listing.read_listing(tmp_path / "listing")

    @pytest.mark.parametrize(
        "name", ["../a", "a/..", "a/.", "/etc", "/etc/passwd", "a/b/c", "a", "", "a/", "../../a/b"]
    )
    def test_names_files_of_class_folders_only(self, tmp_path: Path, name: str) -> None:
        def forged(file: str) -> None:
            columns = [[file], [1], ["0" * 32]]
            content = pa.table(list(map(pa.array, columns)), schema=class_listing.LISTING_SCHEMA)
            (tmp_path / "listing").write_bytes(class_listing.listing_bytes(content))

        forged("n01/..a.JPEG")
        assert class_listing.read_listing(tmp_path / "listing").num_rows == 1
        forged(name)
        with pytest.raises(OutputDamaged, match="not as it was written"):
            class_listing.read_listing(tmp_path / "listing")

    def test_tells_what_is_missing_or_of_another_size(self, tmp_path: Path) -> None:
        root = tmp_path / "tree"
        listing = extract(root, archive(tmp_path), tmp_path)
        assert class_listing.missing(root, listing) == []
        (root / "n00/n00_1.JPEG").unlink()
        (root / "n01/n01_0.JPEG").write_bytes(b"short")
        (root / "n02/n02_3.JPEG").unlink()
        (root / "n02/n02_3.JPEG").symlink_to("nowhere")
        (root / "n02/more.JPEG").touch()
        lacking = ["n00/n00_1.JPEG", "n01/n01_0.JPEG", "n02/n02_3.JPEG"]
        assert class_listing.missing(root, listing) == lacking
        assert class_listing.missing(tmp_path / "absent", listing) == listing["file"].to_pylist()


def unpacked(raw_set: RawSet, folder: Path) -> tuple[Tree, pa.Table, pa.Table]:
    """What tar makes of both archives, and the rows of either."""
    train, validation = [], []
    expected = {}
    labels = (raw_set.config.parent / "validation_synsets.txt").read_text().split()
    with tarfile.open(raw_set.raw / TRAIN) as outer:
        for member in outer:
            wnid = member.name.removesuffix(".tar")
            with tarfile.open(fileobj=outer.extractfile(member)) as inner:
                inner.extractall(folder / "train" / wnid, filter="data")
                for one in inner:
                    offset = member.offset_data + one.offset_data
                    train.append(row(f"{wnid}/{one.name}", TRAIN, offset, one.size))
    with tarfile.open(raw_set.raw / VALIDATION) as tar:
        for one in tar:
            file = f"{labels[int(one.name[15:23]) - 1]}/{one.name}"
            content = tar.extractfile(one)
            assert content is not None
            expected[f"val/{file}"] = content.read()
            validation.append(row(file, VALIDATION, one.offset_data, one.size))
    expected |= tree_of(folder)
    return expected, table(train), table(validation)


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
        assert class_listing.listing_bytes(again) == class_listing.listing_bytes(listing)

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
        assert listing.equals(class_listing.LISTING_SCHEMA.empty_table())
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
            assert class_listing.missing(root, extract(root, archive(tmp_path), tmp_path)) == []
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


class TestFromTrees:
    @pytest.mark.parametrize("make", [foldered, flat])
    @pytest.mark.parametrize("transfer", TRANSFERS)
    def test_every_transfer_makes_the_same_tree(
        self, tmp_path: Path, transfer: str, make: Callable[[Path], pa.Table]
    ) -> None:
        root, rows = tmp_path / "out", make(tmp_path)
        before = {path.name: path.stat().st_ino for path in tmp_path.rglob("*.JPEG")}
        listing = extract(root, rows, tmp_path, transfer)
        assert listing.to_pylist() == listing_of(IMAGES)
        assert tree_of(root) == IMAGES
        made = {path.name: path for path in root.rglob("*.JPEG")}
        same = {name: path.stat().st_ino == before[name] for name, path in made.items()}
        assert set(same.values()) == {transfer != "copy"}
        assert {path.is_symlink() for path in made.values()} == {transfer == "symlink"}
        left = [path for path in tmp_path.rglob("*.JPEG") if root not in path.parents]
        assert len(left) == (0 if transfer == "move" else len(IMAGES))
        assert extract(root, rows, tmp_path, transfer).equals(listing)
        assert tree_of(root) == IMAGES

    def test_moving_removes_class_folders_that_are_empty_then(self, tmp_path: Path) -> None:
        rows = foldered(tmp_path)
        fill(tmp_path / "train", {"n01/.hidden": b"mine"})
        extract(tmp_path / "out", rows, tmp_path, "move")
        assert tree_of(tmp_path / "train") == {"n01/.hidden": b"mine"}

    @pytest.mark.parametrize("make", [foldered, flat])
    def test_moving_leaves_the_folder_of_the_split(
        self, tmp_path: Path, make: Callable[[Path], pa.Table]
    ) -> None:
        extract(tmp_path / "out", make(tmp_path), tmp_path, "move")
        assert tree_of(tmp_path / ("train" if make is foldered else "val")) == {}
        assert sorted(os.listdir(tmp_path)) == ["out", "train" if make is foldered else "val"]

    def test_a_flat_folder_is_reorganised_in_place(self, tmp_path: Path) -> None:
        extract(tmp_path / "val", flat(tmp_path), tmp_path, "move")
        assert tree_of(tmp_path) == {f"val/{name}": data for name, data in IMAGES.items()}

    def test_one_that_is_half_reorganised_too(self, tmp_path: Path) -> None:
        rows = flat(tmp_path)
        for name in list(IMAGES)[:6]:
            (tmp_path / "val" / name).parent.mkdir(exist_ok=True)
            (tmp_path / "val" / name.partition("/")[2]).rename(tmp_path / "val" / name)
        extract(tmp_path / "val", rows, tmp_path, "move")
        assert tree_of(tmp_path) == {f"val/{name}": data for name, data in IMAGES.items()}

    @pytest.mark.parametrize("size", [4, len(IMAGES["n02/n02_0.JPEG"])])
    def test_a_move_onto_a_different_image_is_refused_and_loses_neither(
        self, tmp_path: Path, size: int
    ) -> None:
        rows = flat(tmp_path)
        fill(tmp_path / "val", {"n02/n02_0.JPEG": bytes(size)})
        before = tree_of(tmp_path)
        with pytest.raises(OutputConflict, match="two different images"):
            extract(tmp_path / "val", rows, tmp_path, "move")
        assert tree_of(tmp_path) == before

    @pytest.mark.parametrize("alias", [False, True])
    @pytest.mark.parametrize("transfer", TRANSFERS)
    def test_an_image_that_lies_where_it_goes_is_never_removed(
        self, tmp_path: Path, transfer: str, alias: bool
    ) -> None:
        rows = foldered(tmp_path)
        if alias:
            (tmp_path / "alias").symlink_to("train")
        extract(tmp_path / ("alias" if alias else "train"), rows, tmp_path, transfer)
        assert tree_of(tmp_path / "train") == IMAGES

    def test_nor_is_one_whose_class_folder_is_a_link_to_where_it_was(self, tmp_path: Path) -> None:
        rows = foldered(tmp_path)
        (tmp_path / "out").mkdir()
        (tmp_path / "out/n01").symlink_to(tmp_path / "train/n01")
        extract(tmp_path / "out", rows, tmp_path, "move")
        listing = pa.Table.from_pylist(listing_of(IMAGES))
        assert class_listing.missing(tmp_path / "out", listing) == []
        assert len(list((tmp_path / "train/n01").iterdir())) == 4

    def test_moving_over_links_to_the_sources_leaves_files(self, tmp_path: Path) -> None:
        rows = foldered(tmp_path)
        extract(tmp_path / "out", rows, tmp_path, "symlink")
        extract(tmp_path / "out", rows, tmp_path, "move")
        assert tree_of(tmp_path) == {f"out/{name}": data for name, data in IMAGES.items()} | {
            "train/": b""
        }

    @pytest.mark.parametrize("transfer", ["copy", "link", "symlink"])
    def test_links_to_the_sources_count_as_right(self, tmp_path: Path, transfer: str) -> None:
        rows = foldered(tmp_path)
        extract(tmp_path / "out", rows, tmp_path, "symlink")
        extract(tmp_path / "out", rows, tmp_path, transfer)
        assert all(path.is_symlink() for path in (tmp_path / "out").rglob("*.JPEG"))

    def test_sources_may_be_links_themselves(self, tmp_path: Path) -> None:
        rows = foldered(tmp_path)
        (tmp_path / "train").rename(tmp_path / "elsewhere")
        for name in IMAGES:
            (tmp_path / "train" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "train" / name).symlink_to(tmp_path / "elsewhere" / name)
        extract(tmp_path / "out", rows, tmp_path, "move")
        assert tree_of(tmp_path / "out") == IMAGES == tree_of(tmp_path / "elsewhere")
        assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))
        assert tree_of(tmp_path / "train") == {}

    @pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM])
    def test_without_hard_links_moving_copies_and_linking_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        rows = foldered(tmp_path)
        monkeypatch.setattr(os, "link", Mock(side_effect=OSError(number, "injected")))
        with pytest.raises(EnvironmentRefused) as refusal:
            extract(tmp_path / "out", rows, tmp_path, "link")
        assert "copy" in (refusal.value.remedy or "")
        assert os.listdir(tmp_path / "out") == []
        extract(tmp_path / "out", rows, tmp_path, "move")
        assert tree_of(tmp_path / "out") == IMAGES
        assert tree_of(tmp_path / "train") == {}

    def test_a_file_that_has_grown_or_vanished_is_not_trusted(self, tmp_path: Path) -> None:
        rows = foldered(tmp_path)
        with (tmp_path / "train/n01/n01_1.JPEG").open("ab") as file:
            file.write(b"more")
        with pytest.raises(TreeRefused, match="has changed"):
            extract(tmp_path / "out", rows, tmp_path)
        (tmp_path / "train/n01/n01_1.JPEG").unlink()
        with pytest.raises(Vanished):
            extract(tmp_path / "out", rows, tmp_path)
        assert os.listdir(tmp_path / "out") == []

    @pytest.mark.parametrize("left", [None, b"short"])
    def test_an_image_that_is_nowhere_is_said_to_be_lost(
        self, tmp_path: Path, left: bytes | None
    ) -> None:
        rows = foldered(tmp_path)
        (tmp_path / "train/n01/n01_1.JPEG").unlink()
        fill(tmp_path / "out", {"n01/n01_1.JPEG": left} if left else {})
        with pytest.raises(TreeRefused) as refusal:
            extract(tmp_path / "out", rows, tmp_path, "move")
        assert refusal.value.file == str(tmp_path / "train/n01/n01_1.JPEG")
        assert len(tree_of(tmp_path / "train")) == len(IMAGES) - 1

    def test_nothing_is_removed_before_all_is_durable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = foldered(tmp_path)
        refuse = Mock(side_effect=NoSpace("injected"))
        monkeypatch.setattr(storage, "sync_file_system", refuse)
        with pytest.raises(NoSpace):
            extract(tmp_path / "out", rows, tmp_path, "move")
        assert tree_of(tmp_path / "train") == IMAGES

    def test_nor_when_what_was_moved_is_gone_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows, lost = foldered(tmp_path), tmp_path / "out/n01/n01_1.JPEG"
        monkeypatch.setattr(storage, "sync_file_system", lambda _: lost.unlink())
        with pytest.raises(Vanished):
            extract(tmp_path / "out", rows, tmp_path, "move")
        assert (tmp_path / "train/n01/n01_1.JPEG").exists()


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


def doomed(fatal: int, counted: Path, *arguments: object) -> None:
    """Extract, and die of SIGKILL at a step; a write dies when half of it is done."""
    steps = 0
    for verb in STEPS:
        usual = getattr(os, verb)

        def step(
            *place: object, verb: str = verb, usual: Callable[..., object] = usual, **more: object
        ) -> object:
            nonlocal steps
            steps += 1
            if steps == fatal:
                if verb == "write":
                    usual(place[0], bytes(place[1])[: len(place[1]) // 2])  # type: ignore[call-overload, arg-type]
                os.kill(os.getpid(), signal.SIGKILL)
            return usual(*place, **more)

        setattr(os, verb, step)
    extract(*arguments)  # type: ignore[arg-type]
    counted.write_text(str(steps))


def die(fatal: int, counted: Path, *arguments: object) -> int | None:
    # Not by fork: threads of this process may hold locks.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.exports.class_tree"])
    process = context.Process(target=doomed, args=(fatal, counted, *arguments))
    process.start()
    process.join(120)
    return process.exitcode


class TestKills:
    def test_a_class_folder_is_complete_or_absent(
        self, small: RawSet, tmp_path: Path, chance: random.Random
    ) -> None:
        expected, rows, _ = unpacked(small, tmp_path / "tar")
        whole = {
            name.removeprefix("train/"): data
            for name, data in expected.items()
            if name.startswith("train/")
        }
        steps = tmp_path / "steps"
        assert die(0, steps, tmp_path / "usual", rows, small.raw) == 0
        for fatal in chance.sample(range(1, int(steps.read_text())), k=KILLS // 2):
            job = small.job(tmp_path / str(fatal), steps=("extract",))
            root = tmp_path / str(fatal) / "train"
            assert die(fatal, steps, root, rows, small.raw) == -signal.SIGKILL
            seen = {name: data for name, data in tree_of(root).items() if name[0] != "."}
            classes = {name.partition("/")[0] for name in seen}
            assert seen == {
                name: whole[name] for name in whole if name.partition("/")[0] in classes
            }
            write_catalog(Path(job.out), whole)
            cleaning.sweep(resolve(job))
            assert not root.exists() or tree_of(root) == seen
            extract(root, rows, small.raw)
            assert tree_of(root) == whole

    @pytest.mark.parametrize("in_place", [False, True])
    def test_moving_loses_nothing(
        self, tmp_path: Path, chance: random.Random, in_place: bool
    ) -> None:
        steps = tmp_path / "steps"
        rows = flat(tmp_path / "usual")
        assert die(0, steps, tmp_path / "usual/val", rows, tmp_path / "usual", "move") == 0
        for fatal in chance.sample(range(1, int(steps.read_text())), k=KILLS // 2):
            tree = tmp_path / str(fatal)
            rows = flat(tree)
            root = tree / ("val" if in_place else "out/val")
            arguments = (root, rows, tree, "move")
            assert die(fatal, steps, *arguments) == -signal.SIGKILL
            assert set(tree_of(tree).values()) >= set(IMAGES.values())
            for temp in storage.temp_files(root):
                assert temp.owner_gone
                swept(temp)
            assert set(tree_of(tree).values()) >= set(IMAGES.values())
            listing = extract(*arguments)
            assert listing.to_pylist() == listing_of(IMAGES)
            assert tree_of(root) == IMAGES
            assert in_place or tree_of(tree / "val") == {}
