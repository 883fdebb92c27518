"""Image lists and folders of images as a source: what they name becomes the rows of a catalog."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from drawnlists import ListedSet, draw_list, encoded, lay

from pipeline.catalog import table as catalog
from pipeline.errors import BadAnnotation, NoPermission, TransientError, TreeRefused
from pipeline.sources.imagelist import list_rows, text_blocks
from pipeline.sources.imagelist import scan as imagelist
from pipeline.sources.imagelist.image_listing import ImageListing

IMAGE = encoded()


def listed(folder: Path, *lines: str, files: tuple[str, ...] = ("a.jpg", "b.jpg")) -> ListedSet:
    """Write a list, and the same image under some names."""
    for name in files:
        lay(folder / "root" / name, IMAGE)
    (folder / "root").mkdir(exist_ok=True)
    made = ListedSet(folder / "root", folder / "images.lst")
    made.path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return made


def scan(made: ListedSet) -> ImageListing:
    return imagelist.scan(made.path, made.root)


def rows(found: ImageListing) -> list[dict[str, Any]]:
    """Return the catalog, whose every part has its schema."""
    tables = list(list_rows.catalog_rows(found))
    assert all(table.schema.equals(catalog.SCHEMA) for table in tables)
    made: list[dict[str, Any]] = pa.concat_tables(tables).to_pylist()
    return made


class TestRows:
    def test_say_what_a_line_says(self, tmp_path: Path) -> None:
        made = listed(tmp_path, "7\t3\tsub folder/ü.jpg", "", "0\t2.000000\tb.jpg")
        lay(made.root / "sub folder/ü.jpg", IMAGE)
        first, second = rows(scan(made))
        assert first == {
            "key": "sub folder/ü.jpg",
            "filename": "ü.jpg",
            "source": "sub folder/ü.jpg",
            "offset": 0,
            "length": len(IMAGE),
            "class_index": 3,
            "class_id": "",
            "class_text": "",
            "objects": [],
            "line": 1,
            "id": 7,
            "labels": [],
        }
        assert (second["key"], second["line"], second["id"]) == ("b.jpg", 3, 0)

    @pytest.mark.parametrize(
        ("text", "class_index", "labels"),
        [
            ("4", 4, []),
            ("-1", -1, []),
            ("-0.0", 0, []),
            ("2147483520", 2147483520, []),
            ("2147483648", -1, [2.0**31]),
            ("0.5", -1, [0.5]),
            ("-2", -1, [-2.0]),
            ("1\t2\t0.25", -1, [1.0, 2.0, 0.25]),
            ("3\t4", -1, [3.0, 4.0]),
        ],
    )
    def test_have_a_class_where_one_whole_number_is_the_label(
        self, tmp_path: Path, text: str, class_index: int, labels: list[float]
    ) -> None:
        made = listed(tmp_path, "0\t9\tb.jpg", f"1\t{text}\ta.jpg", "2\t1\t2\tb.jpg")
        found = rows(scan(made))[1]
        assert (found["class_index"], found["labels"]) == (class_index, labels)

    def test_follow_the_list_over_its_parts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(text_blocks, "ROWS", 7)
        made = draw_list(tmp_path / "drawn")
        found = rows(scan(made))
        assert [row["key"] for row in found] == made.names
        assert [row["line"] for row in found] == list(range(1, 25))

    def test_name_absolute_paths_as_they_stand_there(self, tmp_path: Path) -> None:
        elsewhere = lay(tmp_path / "else where/c.jpg", IMAGE)
        made = listed(tmp_path, f"0\t1\t{elsewhere}", "1\t1\ta.jpg")
        found = rows(scan(made))
        assert [row["source"] for row in found] == [str(elsewhere), "a.jpg"]
        assert [row["length"] for row in found] == [len(IMAGE)] * 2

    @pytest.mark.parametrize("name", ["gone.jpg", "folder", "nowhere.jpg", "loop.jpg", "a.jpg/b"])
    def test_have_no_length_where_no_file_is(self, tmp_path: Path, name: str) -> None:
        made = listed(tmp_path, "0\t1\ta.jpg", f"1\t1\t{name}")
        (made.root / "folder").mkdir()
        (made.root / "nowhere.jpg").symlink_to("gone.jpg")
        (made.root / "loop.jpg").symlink_to("loop.jpg")
        found = scan(made)
        assert (found.images, found.missing, found.bytes) == (2, 1, len(IMAGE))
        assert [row["length"] for row in rows(found)] == [len(IMAGE), -1]

    def test_have_no_length_where_no_file_can_have_the_name(self, tmp_path: Path) -> None:
        made = listed(tmp_path, f"0\t1\t{'x' * 300}.jpg", "1\t1\ta.jpg")
        assert [row["length"] for row in rows(scan(made))] == [-1, len(IMAGE)]

    def test_of_an_empty_file_have_the_length_0(self, tmp_path: Path) -> None:
        made = listed(tmp_path, "0\t1\tempty.jpg", "1\t1\ta.jpg")
        lay(made.root / "empty.jpg", b"")
        found = scan(made)
        assert found.missing == 0
        assert rows(found)[0]["length"] == 0


class TestKeys:
    def test_of_a_path_that_is_named_twice_have_the_id(self, tmp_path: Path) -> None:
        made = listed(tmp_path, "5\t1\ta.jpg", "6\t2\tb.jpg", "9\t3\ta.jpg", "7\t3\ta.jpg")
        keys = [row["key"] for row in rows(scan(made))]
        assert keys == ["a.jpg#5", "b.jpg", "a.jpg#9", "a.jpg#7"]

    def test_are_unique_whatever_paths_look_like(self, tmp_path: Path) -> None:
        names = ("a.jpg", "a.jpg#1", "a.jpg#1#2", "a.jpg#x")
        lines = ["1\t0\ta.jpg", "0\t0\ta.jpg", "2\t0\ta.jpg#1", "3\t0\ta.jpg#1#2", "4\t0\ta.jpg#x"]
        found = rows(scan(listed(tmp_path, *lines, files=names)))
        keys = [row["key"] for row in found]
        assert keys == ["a.jpg#1", "a.jpg#0", "a.jpg#1#2", "a.jpg#1#2#3", "a.jpg#x"]
        assert [row["source"] for row in found] == ["a.jpg", *names]

    def test_are_the_paths_where_each_is_named_once(self, tmp_path: Path) -> None:
        names = ("a.jpg", "a.jpg#1")
        found = rows(scan(listed(tmp_path, "1\t0\ta.jpg", "0\t0\ta.jpg#1", files=names)))
        assert [row["key"] for row in found] == list(names)

    def test_do_not_depend_on_the_parts_in_which_a_list_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = listed(tmp_path, *(f"{at}\t0\t{'ab'[at % 2]}.jpg" for at in range(9)))
        whole = [row["key"] for row in rows(scan(made))]
        monkeypatch.setattr(text_blocks, "ROWS", 2)
        assert [row["key"] for row in rows(scan(made))] == whole


class TestDigest:
    def test_is_the_same_wherever_the_root_lies_and_whatever_its_times(
        self, tmp_path: Path
    ) -> None:
        first, second = (draw_list(tmp_path / name) for name in "ab")
        os.utime(second.root / second.names[0], (0, 0))
        assert scan(first).digest == scan(second).digest

    def test_is_of_what_a_list_says_and_not_of_how(self, tmp_path: Path) -> None:
        plain = listed(tmp_path / "a", "0\t1\ta.jpg", "2\t3\tb.jpg")
        odd = listed(tmp_path / "b", "\ufeff0 1.0 a.jpg\r", "+02\t3e0\t b.jpg ")
        assert scan(plain).digest == scan(odd).digest

    @pytest.mark.parametrize(
        "lines",
        [
            ("0\t1\ta.jpg", "3\t3\tb.jpg"),
            ("0\t1\ta.jpg", "2\t4\tb.jpg"),
            ("0\t1\ta.jpg", "2\t3\ta.jpg"),
            ("2\t3\tb.jpg", "0\t1\ta.jpg"),
            ("0\t1\ta.jpg",),
            ("0\t1\t3\ta.jpg", "2\t3\tb.jpg"),
            ("0\t1\ta.jpg", "", "2\t3\tb.jpg"),
        ],
        ids=["id", "label", "path", "order", "number", "labels", "line"],
    )
    def test_changes_with_what_a_list_says(self, tmp_path: Path, lines: tuple[str, ...]) -> None:
        before = scan(listed(tmp_path / "a", "0\t1\ta.jpg", "2\t3\tb.jpg"))
        assert scan(listed(tmp_path / "b", *lines)).digest != before.digest

    def test_tells_labels_of_one_line_from_those_of_the_next(self, tmp_path: Path) -> None:
        first = listed(tmp_path / "a", "0\t1\t2\ta.jpg", "1\t3\tb.jpg")
        second = listed(tmp_path / "b", "0\t1\ta.jpg", "1\t2\t3\tb.jpg")
        assert scan(first).digest != scan(second).digest

    def test_changes_with_the_size_of_a_file(self, tmp_path: Path) -> None:
        made = listed(tmp_path, "0\t1\ta.jpg", "2\t3\tb.jpg")
        before = scan(made).digest
        lay(made.root / "b.jpg", IMAGE + b"\0")
        assert scan(made).digest != before
        (made.root / "b.jpg").unlink()
        assert scan(made).digest != before


class TestListing:
    def test_counts_and_knows_the_customary_suffix(self, tmp_path: Path) -> None:
        found = scan(listed(tmp_path, "0\t1\ta.jpg", "1\t1\t2\t3\tb.jpg"))
        assert (found.images, found.missing, found.widths.most) == (2, 0, 3)
        assert (found.bytes, found.suffix) == (2 * len(IMAGE), ".jpg")
        assert scan(listed(tmp_path, "0\t1\tname", files=("name",))).suffix == ""

    @pytest.mark.parametrize(
        ("lines", "place"),
        [
            (("0\t1\ta.jpg", "1\tx\tb.jpg"), "line 2"),
            (("0\t1\ta.jpg", "", "b.jpg"), "line 3"),
            (("0\t1\ta.jpg", "0\t1\tb.jpg"), "line 2"),
            (("-1\t1\ta.jpg",), "line 1"),
            (("0\t16777217\ta.jpg",), "line 1"),
            ((), "line 1"),
        ],
        ids=["label", "field", "twice", "id", "float32", "empty"],
    )
    def test_refuses_a_bad_line_with_its_number(
        self, tmp_path: Path, lines: tuple[str, ...], place: str
    ) -> None:
        made = listed(tmp_path, *lines)
        with pytest.raises(BadAnnotation) as refusal:
            scan(made)
        assert (refusal.value.file, refusal.value.place) == (str(made.path), place)

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may look everywhere")
    def test_a_folder_that_may_not_be_looked_into_is_refused_by_name(self, tmp_path: Path) -> None:
        made = listed(tmp_path, "0\t1\tclosed/a.jpg")
        (made.root / "closed").mkdir(mode=0)
        with pytest.raises(NoPermission, match=r"closed/a\.jpg"):
            scan(made)

    @pytest.mark.parametrize("change", ["list", "file", "gone"])
    def test_a_change_after_the_look_is_noticed(self, tmp_path: Path, change: str) -> None:
        made = listed(tmp_path, "0\t1\ta.jpg", "1\t2\tb.jpg")
        found = scan(made)
        if change == "list":
            made.add("2\t3\ta.jpg")
        elif change == "file":
            lay(made.root / "b.jpg", IMAGE[:-1])
        else:
            (made.root / "b.jpg").unlink()
        with pytest.raises(TransientError, match="changed meanwhile"):
            rows(found)


class TestFolder:
    def test_of_classes_is_labelled_as_im2rec_does(self, tmp_path: Path) -> None:
        for name in ("b/2.jpg", "b/1.PNG", "a/c/3.jpeg", "a/x.txt", "top.jpg"):
            lay(tmp_path / name, IMAGE)
        found = rows(imagelist.scan(tmp_path, tmp_path, recursive=True))
        assert [
            (row["id"], row["key"], row["class_index"], row["class_text"]) for row in found
        ] == [
            (0, "top.jpg", 0, "."),
            (1, "a/c/3.jpeg", 1, "a/c"),
            (2, "b/1.PNG", 2, "b"),
            (3, "b/2.jpg", 2, "b"),
        ]
        assert {row["line"] for row in found} == {0}
        assert {tuple(row["labels"]) for row in found} == {()}

    def test_by_itself_is_one_class(self, tmp_path: Path) -> None:
        for name in ("2.jpg", "1.jpg", "a/3.jpg"):
            lay(tmp_path / name, IMAGE)
        found = rows(imagelist.scan(tmp_path, tmp_path))
        assert [(row["key"], row["class_index"]) for row in found] == [("1.jpg", 0), ("2.jpg", 0)]

    def test_holds_what_ends_as_is_asked(self, tmp_path: Path) -> None:
        for name in ("1.jpg", "2.gif"):
            lay(tmp_path / name, IMAGE)
        found = rows(imagelist.scan(tmp_path, tmp_path, extensions=[".gif"]))
        assert [row["key"] for row in found] == ["2.gif"]

    def test_is_not_the_list_of_it(self, tmp_path: Path) -> None:
        made = listed(tmp_path, "0\t0\ta.jpg", "1\t0\tb.jpg")
        digests = {scan(made).digest}
        for recursive in (False, True):
            digests.add(imagelist.scan(made.root, made.root, recursive=recursive).digest)
        assert len(digests) == 3  # lines are told of one, and classes in words of another

    def test_without_an_image_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(TreeRefused):
            imagelist.scan(tmp_path, tmp_path)

    def test_a_new_image_is_noticed(self, tmp_path: Path) -> None:
        lay(tmp_path / "1.jpg", IMAGE)
        found = imagelist.scan(tmp_path, tmp_path)
        lay(tmp_path / "2.jpg", IMAGE)
        with pytest.raises(TransientError):
            rows(found)
