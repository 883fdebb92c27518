"""Class tables: how folders get labels, what is said of them, which files are tables."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog import class_table as classtable
from pipeline.catalog.class_table import ClassTable, FolderClasses
from pipeline.errors import ConfigError, TreeRefused
from pipeline.sources.imagelist.folder import Listing, scan

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))


def fill(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def labelled(listing: Listing) -> dict[str, int]:
    return dict(zip(listing.paths.to_pylist(), listing.labels.tolist(), strict=True))


def classes_of(listing: Listing) -> FolderClasses:
    assert listing.classes is not None
    return listing.classes


def notes(listing: Listing) -> str:
    return "\n".join(classes_of(listing).notes())


def table(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class TestAPinnedTable:
    PINNED = ClassTable(("ant", "bee", "cow/calf", "cow"))

    def test_says_the_labels_whatever_folders_there_are(self, tmp_path: Path) -> None:
        fill(tmp_path, "cow/0.jpg", "ant/1.jpg", "cow/calf/2.jpg")
        listing = scan(tmp_path, recursive=True, table=self.PINNED)
        assert labelled(listing) == {"ant/1.jpg": 0, "cow/0.jpg": 3, "cow/calf/2.jpg": 2}
        assert listing.folders == self.PINNED.names
        assert "without an image here: bee" in notes(listing)

    def test_refuses_a_folder_of_images_that_it_does_not_have(self, tmp_path: Path) -> None:
        fill(tmp_path, "ant/0.jpg", "dog/0.jpg", "empty/readme.txt")
        with pytest.raises(TreeRefused, match="table of classes") as refusal:
            scan(tmp_path, recursive=True, table=self.PINNED)
        assert refusal.value.found == "dog"
        assert refusal.value.exit_status == 3
        # What the remedy says, done.
        longer = ClassTable((*self.PINNED.names, "dog"))
        assert labelled(scan(tmp_path, recursive=True, table=longer))["dog/0.jpg"] == 4

    def test_has_no_folder_itself_unless_it_says_so(self, tmp_path: Path) -> None:
        fill(tmp_path, "0.jpg", "ant/0.jpg")
        with pytest.raises(TreeRefused) as refusal:
            scan(tmp_path, recursive=True, table=self.PINNED)
        assert refusal.value.found == ". (the folder itself)"
        assert scan(tmp_path, recursive=True, table=ClassTable((".", "ant"))).labels.tolist() == [
            0,
            1,
        ]

    @pytest.mark.parametrize("stored", [COMPOSED, DECOMPOSED], ids=["NFC", "NFD"])
    @pytest.mark.parametrize("written", [COMPOSED, DECOMPOSED], ids=["NFC", "NFD"])
    def test_knows_a_name_in_every_encoding(
        self, tmp_path: Path, stored: str, written: str
    ) -> None:
        fill(tmp_path, f"caf{stored}/0.jpg")
        listing = scan(tmp_path, recursive=True, table=ClassTable(("a", f"caf{written}")))
        assert listing.labels.tolist() == [1]
        assert listing.folders == ("a", f"caf{written}")


def test_one_name_in_two_encodings_is_one_class_and_is_said(tmp_path: Path) -> None:
    fill(tmp_path, f"{DECOMPOSED}/0.jpg", f"{COMPOSED}/1.jpg", "z/2.jpg")
    listing = scan(tmp_path, recursive=True)
    found = labelled(listing)
    assert found[f"{DECOMPOSED}/0.jpg"] == found[f"{COMPOSED}/1.jpg"]
    assert len(listing.folders) == 2
    assert "two encodings: one class" in notes(listing)


def test_folders_without_an_image_are_named_but_not_those_above_a_class(tmp_path: Path) -> None:
    fill(tmp_path, "0/x.jpg", "180/x.webp", "270/deep/x.jpg", "none/a/b.txt", "none/c/d.txt")
    (tmp_path / "bare").mkdir()
    classes = classes_of(scan(tmp_path, recursive=True))
    assert classes.bare == ("180", "bare", "none")
    assert classes.table.names == ("0", "270/deep")


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (("1", "10", "2"), ("10", "2")),
        (("0", "180", "270", "90"), ("270", "90")),
        (("class1", "class10", "class9"), ("class10", "class9")),
        (("ant", "x/10", "x/9"), ("x/10", "x/9")),
        (("9", "10", "1"), None),  # an order that somebody chose
        (("1", "2", "3"), None),
        (("n01440764", "n01443537", "n02007558"), None),
        (("10 birds", "9 cats"), None),
        (("ant", "bee"), None),
    ],
)
def test_numbers_that_are_sorted_as_text_are_noticed(
    names: tuple[str, ...], pair: tuple[str, str] | None
) -> None:
    assert classtable.sorted_as_text(names) == pair
    said = "\n".join(FolderClasses(ClassTable(names)).notes())
    assert ("sorted as text" in said) == (pair is not None)


def test_a_summary_names_the_first_and_the_last() -> None:
    few = FolderClasses(ClassTable(("ant", "bee")))
    assert few.summary() == "2 classes: ant 0, bee 1"
    many = FolderClasses(ClassTable(tuple(f"c{number:04}" for number in range(1000))))
    assert many.summary() == (
        "1,000 classes: c0000 0, c0001 1, c0002 2, c0003 3, c0004 4, ..., c0999 999"
    )


@pytest.mark.parametrize(
    ("first", "second", "differs"),
    [
        (("ant", "bee"), ("ant", "bee"), None),
        (("ant", "bee"), ("ant", "bee", "cow"), None),
        (("ant", "cow"), ("ant", "bee", "cow"), "cow"),
        (("ant", "dog"), ("ant", "bee"), "dog"),  # label 1 is two things
        (("rose", "tulip"), ("ant", "bee"), None),  # other things altogether
        ((COMPOSED,), (DECOMPOSED,), None),
    ],
)
def test_tables_disagree_where_a_name_or_a_label_is_two_things(
    first: tuple[str, ...], second: tuple[str, ...], differs: str | None
) -> None:
    assert ClassTable(first).disagreement(ClassTable(second)) == differs


def test_a_difference_is_said_in_words() -> None:
    three, two = ClassTable(("ant", "bee", "cow")), ClassTable(("ant", "cow"))
    assert two.difference(three, "X") == "the class cow has label 1 here, and 2 in X"
    other = ClassTable(("ant", "dog"))
    assert other.difference(three, "X") == "label 1 is dog here, and bee in X"
    assert three.difference(three, "X") is None


def test_a_union_is_sorted_as_a_walk_meets_the_folders() -> None:
    first, second = ClassTable(("cat/deep", "cat-2")), ClassTable((".", "cat", f"{COMPOSED}"))
    found = classtable.union([first, second, ClassTable((DECOMPOSED,))])
    assert found.names == (".", "cat", "cat/deep", "cat-2", COMPOSED)


@pytest.mark.parametrize(
    "content",
    [
        "bee\nant\n",
        "# mine\n\nbee/\r\n ant\r\n",
        "\ufeffbee\nant",
        "folder\tlabel\nbee\t0\nant\t1\n",
        "folder\tlabel\nant\t1\nbee\t0\n",
        "wnid\tsorted_index\ttensorflow\twords\nbee\t0\t1\ta bee\nant\t1\t2\tan ant\n",
        "bee 0\nant 1\n",
    ],
    ids=["names", "odd", "bom", "table", "unsorted", "labels.tsv", "printed"],
)
def test_names_and_tables_are_read(tmp_path: Path, content: str) -> None:
    assert classtable.read(table(tmp_path / "t", content)).names == ("bee", "ant")


def test_names_that_end_in_numbers_are_no_printed_table(tmp_path: Path) -> None:
    assert classtable.read(table(tmp_path / "t", "class 0\nclass 1\n")).names == (
        "class 0",
        "class 1",
    )


@pytest.mark.parametrize(
    ("content", "place", "said"),
    [
        ("", "line 1", "no class is named"),
        ("folder\tlabel\n", "line 1", "no class is named"),
        ("ant\nbee\nant\n", "line 3", "stands there twice"),
        (f"{COMPOSED}\n{DECOMPOSED}\n", "line 2", "stands there twice"),
        ("ant\tx\n", "line 1", "no name of a class"),
        ("folder\tlabel\nant\tx\n", "line 2", "no class and its label"),
        ("folder\tlabel\nant\n", "line 2", "no class and its label"),
        ("folder\tlabel\nant\t0\nbee\t0\n", "line 3", "stands there twice"),
        ("folder\tlabel\nant\t1\nbee\t2\n", "line 2", "gap"),
        (b"\xff\n", None, "not UTF-8"),
    ],
)
def test_what_is_no_table_is_refused_by_line(
    tmp_path: Path, content: str | bytes, place: str | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as refusal:
        classtable.read(table(tmp_path / "t", content))
    assert refusal.value.exit_status == 2
    assert place is None or refusal.value.place == place
    assert refusal.value.remedy


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such table"):
        classtable.read(tmp_path / "none")


_NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1
).filter(lambda name: name != "..")  # no folder below another is named so


@given(names=st.lists(_NAMES, min_size=1, unique_by=classtable.normal))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    written = ClassTable(tuple(names))
    path = table(tmp_path_factory.mktemp("table") / "t", written.content())
    assert classtable.read(path) == written
