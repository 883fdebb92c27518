"""ILSVRC2012: from the members of archives to a catalog, or a refusal that says which member."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.archives.index import INDEX_SCHEMA
from pipeline.catalog import table as catalog
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ArchiveRefused, ConfigError, CountMismatch
from pipeline.sources.ilsvrc2012 import label_files as labels
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.expectation import Expectation, expectation, unused
from pipeline.sources.ilsvrc2012.members import archive_rows
from pipeline.sources.ilsvrc2012.rows import build_catalog

Row = tuple[str, str, int, int, str]

TRAIN: list[Row] = [
    ("", "n02.tar", 512, 4096, "file"),
    ("n02.tar", "n02_7.JPEG", 1024, 100, "file"),
    ("n02.tar", "n02_10.JPEG", 2048, 200, "file"),
    ("", "n01.tar", 5120, 2048, "file"),
    ("n01.tar", "n01_3.JPEG", 6144, 300, "file"),
]
# Out of number order, as the real archive is.
FLAT: list[Row] = [
    ("", "val_00000003.JPEG", 512, 30, "file"),
    ("", "val_00000001.JPEG", 1024, 10, "file"),
    ("", "val_00000002.JPEG", 2048, 20, "file"),
]


def index(rows: list[Row]) -> pa.Table:
    names = INDEX_SCHEMA.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], INDEX_SCHEMA)


@pytest.fixture
def table(tmp_path: Path) -> LabelTable:
    """Three classes."""
    path = tmp_path / "table.tsv"
    path.write_text("wnid\timages\twords\nn01\t1\ttench\nn02\t2\tgoldfish\nn03\t0\tshark\n")
    return labels.load_table(path)


@pytest.fixture
def train() -> SplitConfig:
    """A split of class tars."""
    return SplitConfig("train", "train.tar", "train", "class-tars", 2, counts="labels:images")


@pytest.fixture
def flat(tmp_path: Path) -> SplitConfig:
    """A flat split: line n of the list is the class of image n."""
    path = tmp_path / "list.txt"
    path.write_text("n02\nn01\nn02\n")
    member = r"val_(\d{8})\.JPEG"
    return SplitConfig("val", "val.tar", "val", "flat", 2, member=member, labels=path, images=3)


def build(
    rows: list[Row], split: SplitConfig, table: LabelTable, classes: tuple[str, ...] | None = None
) -> list[dict[str, object]]:
    expected = expectation(split, table, classes)
    half = len(rows) // 2
    parts = [index(rows[:half]), index(rows[half:])]
    found = archive_rows(parts, split, table, expected)
    built = pa.concat_tables(build_catalog(found, split, table, expected, classes))
    assert built.schema == catalog.SCHEMA
    listed: list[dict[str, object]] = built.to_pylist()
    return listed


@pytest.mark.parametrize("rows_at_once", [1, 2, 3, 4])
def test_a_catalog_is_the_same_however_many_rows_are_held(
    train: SplitConfig, table: LabelTable, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = build(TRAIN, train, table)
    assert len(whole) == 3
    monkeypatch.setattr(catalog, "ROWS", rows_at_once)
    assert build(TRAIN, train, table) == whole


class TestExpectation:
    def test_counts_the_classes_that_have_images(
        self, train: SplitConfig, table: LabelTable
    ) -> None:
        assert expectation(train, table, None) == Expectation({"n01": 1, "n02": 2})
        assert expectation(train, table, ("n02", "n03")) == Expectation({"n02": 2})
        assert expectation(train, table, None).images == 3

    def test_counts_the_labels_of_a_flat_split(self, flat: SplitConfig, table: LabelTable) -> None:
        numbered = ("n02", "n01", "n02")
        assert expectation(flat, table, None) == Expectation({"n02": 2, "n01": 1}, numbered, True)
        assert expectation(flat, table, ("n01",)) == Expectation({"n01": 1}, numbered, True)

    def test_a_list_that_is_too_short_is_refused(
        self, flat: SplitConfig, table: LabelTable
    ) -> None:
        (flat.labels or Path()).write_text("n02\nn01\n")
        with pytest.raises(ConfigError, match="too few labels") as refusal:
            expectation(flat, table, None)
        assert (refusal.value.file, refusal.value.expected) == (str(flat.labels), "3 lines")


class TestClassTars:
    def test_give_a_row_per_image_sorted_by_key(
        self, train: SplitConfig, table: LabelTable
    ) -> None:
        rows = build(TRAIN, train, table)
        assert [row["key"] for row in rows] == [
            "n01/n01_3.JPEG",
            "n02/n02_10.JPEG",
            "n02/n02_7.JPEG",
        ]
        assert rows[1] == {
            "key": "n02/n02_10.JPEG",
            "filename": "n02_10.JPEG",
            "source": "train.tar",
            "offset": 2048,
            "length": 200,
            "class_index": 1,
            "class_id": "n02",
            "class_text": "goldfish",
            "objects": [],
            "line": 0,
            "id": 1,
            "labels": [],
        }

    def test_may_be_packed_with_folders_and_leading_dots(
        self, train: SplitConfig, table: LabelTable
    ) -> None:
        packed: list[Row] = [("", "./", 0, 0, "directory")]
        for container, name, offset, size, kind in TRAIN:
            packed.append((container and f"./{container}", f"./{name}", offset, size, kind))
            if not container:
                packed.append((f"./{name}", "./", 0, 0, "directory"))
        assert build(packed, train, table) == build(TRAIN, train, table)

    def test_are_reduced_to_the_chosen_classes(self, train: SplitConfig, table: LabelTable) -> None:
        rows = build(TRAIN, train, table, ("n01", "n03"))
        assert [(row["key"], row["class_index"]) for row in rows] == [("n01/n01_3.JPEG", 0)]

    @pytest.mark.parametrize(
        ("row", "expected"),
        [
            (("", "n04.tar", 9, 9, "file"), "a tar named after a WNID"),
            (("", "readme.txt", 9, 9, "file"), "a tar named after a WNID"),
            (("", "n03.tar", 9, 0, "symlink"), "a tar named after a WNID"),
            (("n01.tar", "n01_4.JPEG", 9, 0, "hardlink"), "regular files only"),
            (("n01.tar", "n01_4.JPEG", 9, 0, "device"), "regular files only"),
            (("n01.tar", "n02/n01_4.JPEG", 9, 9, "file"), "a folder named after its class"),
            (("n01.tar", "n01/sub/n01_4.JPEG", 9, 9, "file"), "a folder named after its class"),
            (("", "train/n04/n04_1.JPEG", 9, 9, "file"), "an image in a folder named after one"),
            (("", "n02/../n01/n01_4.JPEG", 9, 9, "file"), "a plain file name"),
            (("n01.tar", "../n01_4.JPEG", 9, 9, "file"), "a plain file name"),
            (("n01.tar", "/etc/n01_4.JPEG", 9, 9, "file"), "a plain file name"),
            (("n01.tar", "..", 9, 9, "file"), "a plain file name"),
            (("n01.tar", "n01_\n4.JPEG", 9, 9, "file"), "a plain file name"),
            (("n01.tar", f"{'ü' * 128}", 9, 9, "file"), "a plain file name"),
        ],
    )
    def test_with_a_member_that_does_not_belong_there_are_refused(
        self, train: SplitConfig, table: LabelTable, row: Row, expected: str
    ) -> None:
        with pytest.raises(ArchiveRefused) as refusal:
            build([*TRAIN, row], train, table)
        error = refusal.value
        assert (error.file, expected in str(error.expected)) == ("train.tar", True)
        assert f"{row[1]}, offset 9" in str(error.place)
        assert row[4] in str(error.found)

    def test_with_a_member_twice_are_refused(self, train: SplitConfig, table: LabelTable) -> None:
        with pytest.raises(ArchiveRefused, match="twice") as refusal:
            build([*TRAIN, ("n01.tar", "./n01_3.JPEG", 7168, 300, "file")], train, table)
        assert refusal.value.place == "n01/n01_3.JPEG"
        assert "pack the archive anew" in str(refusal.value.remedy)

    def test_one_image_short_are_refused_with_the_class(
        self, train: SplitConfig, table: LabelTable
    ) -> None:
        with pytest.raises(CountMismatch) as refusal:
            build([row for row in TRAIN if row[1] != "n02_7.JPEG"], train, table)
        assert refusal.value.expected == "3 images in 2 classes"
        assert refusal.value.found == "2 images in 2 classes; n02 1 of 2"

    def test_with_a_class_too_many_are_refused(self, train: SplitConfig, table: LabelTable) -> None:
        more = [("", "n03.tar", 8192, 1024, "file"), ("n03.tar", "n03_1.JPEG", 8704, 9, "file")]
        with pytest.raises(CountMismatch) as refusal:
            build([*TRAIN, *more], train, table)
        assert "n03 1 of 0" in str(refusal.value.found)

    def test_without_any_member_are_refused(self, train: SplitConfig, table: LabelTable) -> None:
        with pytest.raises(CountMismatch) as refusal:
            build([], train, table)
        assert refusal.value.found == "0 images in 0 classes; n01 0 of 1, n02 0 of 2"

    def test_of_many_wrong_classes_name_a_few(self, train: SplitConfig, table: LabelTable) -> None:
        counts = {f"n{number:02}": 1 for number in range(20)}
        none = archive_rows([], train, table, Expectation(counts))
        with pytest.raises(CountMismatch, match="in 20 of 20 classes") as refusal:
            list(build_catalog(none, train, table, Expectation(counts), None))
        assert str(refusal.value.found).endswith("n07 0 of 1 and 12 more")


class TestFlat:
    def test_images_are_labelled_by_their_number_not_by_their_place(
        self, flat: SplitConfig, table: LabelTable
    ) -> None:
        rows = build(FLAT, flat, table)
        assert [(row["key"], row["class_id"], row["offset"]) for row in rows] == [
            ("val_00000001.JPEG", "n02", 1024),
            ("val_00000002.JPEG", "n01", 2048),
            ("val_00000003.JPEG", "n02", 512),
        ]
        assert [row["class_text"] for row in rows] == ["goldfish", "tench", "goldfish"]

    def test_may_be_packed_with_a_folder_and_leading_dots(
        self, flat: SplitConfig, table: LabelTable
    ) -> None:
        packed = [("", "./", 0, 0, "directory")]
        packed += [(row[0], f"./{row[1]}", *row[2:]) for row in FLAT]
        assert build(packed, flat, table) == build(FLAT, flat, table)

    def test_is_reduced_to_the_chosen_classes(self, flat: SplitConfig, table: LabelTable) -> None:
        assert [row["key"] for row in build(FLAT, flat, table, ("n01",))] == ["val_00000002.JPEG"]

    @pytest.mark.parametrize("folder", ["val/", "./val/", "ILSVRC/Data/val/", "val/{}/"])
    def test_may_lie_in_folders(self, flat: SplitConfig, table: LabelTable, folder: str) -> None:
        classes = {row["key"]: row["class_id"] for row in build(FLAT, flat, table)}
        moved = [(row[0], f"{folder.format(classes[row[1]])}{row[1]}", *row[2:]) for row in FLAT]
        assert build(moved, flat, table) == build(FLAT, flat, table)

    def test_in_the_folder_of_another_class_is_refused(
        self, flat: SplitConfig, table: LabelTable
    ) -> None:
        with pytest.raises(ArchiveRefused) as refusal:
            build([("", f"n02/{FLAT[2][1]}", *FLAT[2][2:]), *FLAT[:2]], flat, table)  # of n01
        assert refusal.value.found == "file 'n02/val_00000002.JPEG'"

    def test_clutter_is_passed_over(self, flat: SplitConfig, table: LabelTable) -> None:
        left = [("", f"{start}{row[1]}", *row[2:]) for row in FLAT for start in ("._", "@eaDir/")]
        assert build([*left, *FLAT], flat, table) == build(FLAT, flat, table)

    def test_the_choice_of_classes_comes_before_the_check_of_the_whole(
        self, flat: SplitConfig, table: LabelTable
    ) -> None:
        of_n02 = [row for row in FLAT if "2.JPEG" not in row[1]]
        assert len(build(of_n02, flat, table, ("n02",))) == 2
        with pytest.raises(CountMismatch) as refusal:
            build(of_n02[:1], flat, table, ("n02",))
        assert refusal.value.expected == "2 of 3 images, each once"
        assert refusal.value.found == "1 image; missing: 1"
        with pytest.raises(CountMismatch) as refusal:
            build(of_n02, flat, table)
        assert "with --classes" in str(refusal.value.remedy)

    def test_what_is_left_out_need_not_be_there(
        self, flat: SplitConfig, table: LabelTable, tmp_path: Path
    ) -> None:
        (tmp_path / "blacklist.txt").write_text("2\n")
        listed = SplitConfig(**(vars(flat) | {"blacklist": tmp_path / "blacklist.txt"}))
        expected = expectation(listed, table, None, skip_blacklisted=True)
        for rows in (FLAT, FLAT[:2]):
            parts = archive_rows([index(rows)], listed, table, expected)
            (built,) = build_catalog(parts, listed, table, expected, None)
            assert built["key"].to_pylist() == ["val_00000001.JPEG", "val_00000003.JPEG"]

    @pytest.fixture
    def counted(self, flat: SplitConfig, tmp_path: Path) -> SplitConfig:
        """The same images by their classes, of three lines of labels, and a blacklist."""
        (tmp_path / "counts.tsv").write_text("n01\t1\nn02\t2\n")
        path, blacklist = str(tmp_path / "counts.tsv"), tmp_path / "blacklist.txt"
        return replace(flat, counts=path, images=None, blacklist=blacklist)

    @pytest.mark.parametrize(("classes", "left"), [(None, [2, 3]), (("n02",), [3])])
    def test_what_is_left_out_is_among_the_counts(
        self,
        counted: SplitConfig,
        table: LabelTable,
        classes: tuple[str, ...] | None,
        left: list[int],
    ) -> None:
        assert counted.blacklist is not None
        counted.blacklist.write_text("1\n")
        expected = expectation(counted, table, classes, skip_blacklisted=True)
        parts = archive_rows([index(FLAT)], counted, table, expected)
        (built,) = build_catalog(parts, counted, table, expected, classes)
        assert built["key"].to_pylist() == [f"val_{number:08d}.JPEG" for number in left]
        assert expected.images == len(left)

    def test_a_blacklist_of_more_images_than_are_counted_is_refused(
        self, counted: SplitConfig, table: LabelTable
    ) -> None:
        assert counted.blacklist is not None
        counted.blacklist.write_text("1\n3\n")
        Path(str(counted.counts)).write_text("n01\t1\nn02\t1\n")
        with pytest.raises(ConfigError, match="more images of a class") as refusal:
            expectation(counted, table, None, skip_blacklisted=True)
        assert (refusal.value.file, refusal.value.found) == (
            str(counted.blacklist),
            "n02 1 too many",
        )

    def test_a_blacklist_of_counted_images_that_are_not_there_is_refused(
        self, counted: SplitConfig, table: LabelTable
    ) -> None:
        assert counted.blacklist is not None
        counted.blacklist.write_text("3\n")
        expected = expectation(counted, table, None, skip_blacklisted=True)
        parts = archive_rows([index(FLAT[1:])], counted, table, expected)
        with pytest.raises(CountMismatch, match="not there") as refusal:
            list(build_catalog(parts, counted, table, expected, None))
        assert (refusal.value.file, refusal.value.found) == (
            str(counted.blacklist),
            "the numbers 3",
        )

    def test_says_which_labels_and_chosen_classes_have_no_image(
        self, counted: SplitConfig, table: LabelTable
    ) -> None:
        Path(str(counted.counts)).write_text("n02\t2\n")
        expected = expectation(counted, table, None)
        assert unused(counted, expected, None) == ["1 of 3 lines of list.txt are of no image here"]
        chosen = ("n01", "n02")
        assert unused(counted, expectation(counted, table, chosen), chosen) == [
            "1 of 2 chosen classes have no image here: n01"
        ]

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("val_00000004.JPEG", "file"),  # beyond the list
            ("val_00000000.JPEG", "file"),
            ("val_00000003.JPEG", "file"),  # again
            ("VAL_00000003.JPEG", "file"),
            ("sub/val_00000003.JPEG", "file"),
            ("n01.tar", "file"),
            ("val_00000003.JPEG", "symlink"),
        ],
    )
    def test_with_a_member_that_does_not_belong_there_is_refused(
        self, flat: SplitConfig, table: LabelTable, name: str, kind: str
    ) -> None:
        with pytest.raises(ArchiveRefused) as refusal:
            build([*FLAT, ("", name, 9, 9, kind)], flat, table)
        assert refusal.value.place == f"member {name}, offset 9"
        assert refusal.value.found == f"{kind} {name!r}"
        assert "from 1 to 3, each once" in str(refusal.value.expected)

    @pytest.mark.parametrize("name", ["val_².JPEG", "val_.JPEG", "val_3.JPEG"])
    def test_a_number_is_written_in_ascii_digits(
        self, flat: SplitConfig, table: LabelTable, name: str
    ) -> None:
        loose = SplitConfig(**(vars(flat) | {"member": r"val_([^3]+)?.*\.JPEG", "images": 1}))
        with pytest.raises(ArchiveRefused):
            build([("", name, 9, 9, "file")], loose, table)

    def test_one_image_short_is_refused_with_its_number(
        self, flat: SplitConfig, table: LabelTable
    ) -> None:
        with pytest.raises(CountMismatch) as refusal:
            build(FLAT[:2], flat, table)
        assert refusal.value.found == "2 images; missing: 2"

    def test_numbers_beyond_the_expected_ones_are_refused(
        self, flat: SplitConfig, table: LabelTable
    ) -> None:
        with pytest.raises(CountMismatch) as refusal:
            build(FLAT, SplitConfig(**(vars(flat) | {"images": 2})), table)
        assert refusal.value.found == "3 images; not expected: 3"

    def test_may_lack_numbers_where_classes_are_counted(
        self, flat: SplitConfig, table: LabelTable, tmp_path: Path
    ) -> None:
        (tmp_path / "counts.tsv").write_text("n02\t2\n")
        changes = {"images": None, "counts": str(tmp_path / "counts.tsv")}
        counted = SplitConfig(**(vars(flat) | changes))
        assert len(build(FLAT[:2], counted, table)) == 2
        with pytest.raises(CountMismatch, match="wrong number of images in 1 of"):
            build(FLAT, counted, table)
