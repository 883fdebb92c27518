"""Label tables, counts, label lists and choices of classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.catalog.classes import LabelTable
from pipeline.errors import ConfigError
from pipeline.resources import shipped
from pipeline.sources.ilsvrc2012 import label_files as labels

TABLE = "wnid\timages\twords\nn02\t5\tgoldfish, Carassius\nn01\t3\ttench\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write some text to a file."""

    def write(text: str) -> Path:
        path = tmp_path / "written.txt"
        path.write_bytes(text.encode())
        return path

    return write


@pytest.fixture
def table(tmp_path: Path) -> LabelTable:
    """The table of two classes."""
    path = tmp_path / "table.tsv"
    path.write_text(TABLE)
    return labels.load_table(path)


def details(refusal: pytest.ExceptionInfo[ConfigError], path: Path) -> tuple[str | None, ...]:
    error = refusal.value
    assert error.file == str(path)
    return error.place, error.expected, error.found


class TestTable:
    def test_classes_are_ranked_by_wnid(self, table: LabelTable) -> None:
        assert table.class_ids == ("n01", "n02")
        assert table.words == ("tench", "goldfish, Carassius")
        assert table.index == {"n01": 0, "n02": 1}
        assert table.columns == {"wnid": ("n01", "n02"), "images": ("3", "5")}

    def test_the_shipped_table_has_the_thousand_classes(self) -> None:
        table = labels.load_table(shipped("config/ilsvrc2012/synsets.tsv"))
        assert len(table.class_ids) == 1000
        assert (table.class_ids[0], table.words[0]) == ("n01440764", "tench, Tinca tinca")
        assert sum(labels.load_counts("labels:num_train_images", table).values()) == 1_281_167

    @pytest.mark.parametrize(
        "text", ["\ufeff" + TABLE, TABLE.replace("\n", "\r\n"), TABLE.rstrip("\n"), TABLE + "\n\n"]
    )
    def test_byte_order_mark_line_ends_and_empty_lines_change_nothing(
        self, write: Callable[[str], Path], table: LabelTable, text: str
    ) -> None:
        found = labels.load_table(write(text))
        assert (found.class_ids, found.words, found.columns) == (
            table.class_ids,
            table.words,
            table.columns,
        )
        assert found.digest == table.digest

    def test_the_digest_follows_what_reaches_the_records(
        self, write: Callable[[str], Path], table: LabelTable
    ) -> None:
        lines = TABLE.splitlines()
        assert (
            labels.load_table(write("\n".join([lines[0], lines[2], lines[1]]))).digest
            == table.digest
        )
        assert labels.load_table(write(TABLE.replace("\t3\t", "\t4\t"))).digest == table.digest
        assert labels.load_table(write(TABLE.replace("tench", "Tench"))).digest != table.digest
        assert labels.load_table(write(TABLE.replace("n01", "n00"))).digest != table.digest

    @pytest.mark.parametrize(
        ("text", "place", "expected", "found"),
        [
            ("wnid\timages\n", "line 1", "wnid and words", "wnid, images"),
            ("words\n", "line 1", "wnid and words", "words"),
            ("", "line 1", "wnid and words", ""),
            (TABLE + "n03\t1\n", "line 4", "3", r"'n03\t1'"),
            (TABLE + "n03\t1\tcarp\tfish\n", "line 4", "3", r"'n03\t1\tcarp\tfish'"),
            (TABLE + "n01\t1\tcarp\n", "line 4", "each WNID once", r"'n01\t1\tcarp'"),
            (TABLE + "\n\t1\tcarp\n", "line 5", "each WNID once", r"'\t1\tcarp'"),
        ],
    )
    def test_a_malformed_line_is_refused_with_its_number(
        self, write: Callable[[str], Path], text: str, place: str, expected: str, found: str
    ) -> None:
        path = write(text)
        with pytest.raises(ConfigError) as refusal:
            labels.load_table(path)
        assert details(refusal, path) == (place, expected, found)

    def test_a_file_that_is_absent_or_no_text_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no such file"):
            labels.load_table(tmp_path / "absent.tsv")
        (tmp_path / "latin.tsv").write_bytes("wnid\twords\nn01\tzürich\n".encode("latin-1"))
        with pytest.raises(ConfigError, match="not UTF-8") as refusal:
            labels.load_table(tmp_path / "latin.tsv")
        assert "position" in str(refusal.value.place)


class TestCounts:
    def test_come_from_a_column_of_the_table(self, table: LabelTable) -> None:
        assert labels.load_counts("labels:images", table) == {"n01": 3, "n02": 5}

    def test_come_from_a_file(self, write: Callable[[str], Path], table: LabelTable) -> None:
        assert labels.load_counts(str(write("n02\t1\r\n\nn01\t0\n")), table) == {"n02": 1, "n01": 0}

    def test_of_a_column_that_is_not_there_are_refused(self, table: LabelTable) -> None:
        with pytest.raises(ConfigError) as refusal:
            labels.load_counts("labels:photos", table)
        assert details(refusal, table.path) == ("line 1", "photos", "wnid, images")

    def test_of_a_column_of_words_are_refused_with_the_class(self, table: LabelTable) -> None:
        with pytest.raises(ConfigError) as refusal:
            labels.load_counts("labels:wnid", table)
        assert details(refusal, table.path) == ("wnid of n01", "a whole number", "'n01'")

    @pytest.mark.parametrize(
        ("line", "found"),
        [
            ("n01 3", "n01 3"),
            ("n02\t1", "n02\t1"),
            ("n03\t1", "'n03'"),
            ("n01\tmany", "'many'"),
            ("n01\t-1", "'-1'"),
            ("n01\t٣", "'٣'"),
            ("n01\t", "''"),
            ("n01\t" + "9" * 5000, f"'{'9' * 80}'"),
        ],
    )
    def test_of_a_malformed_line_are_refused(
        self, write: Callable[[str], Path], table: LabelTable, line: str, found: str
    ) -> None:
        path = write(f"n02\t5\n{line}\n")
        with pytest.raises(ConfigError) as refusal:
            labels.load_counts(str(path), table)
        place, expected, shown = details(refusal, path)
        assert (place, shown) == ("line 2", found)
        assert expected


class TestList:
    def test_gives_each_line_its_class(
        self, write: Callable[[str], Path], table: LabelTable
    ) -> None:
        assert labels.load_list(write("\ufeffn02\r\nn01\r\nn02\n\n"), table) == (
            "n02",
            "n01",
            "n02",
        )

    @pytest.mark.parametrize(
        ("text", "place", "found"),
        [("n02\n\nn01\n", "line 2", "nothing"), ("n01\nn01 \n", "line 2", "'n01 '")],
    )
    def test_a_line_without_a_class_would_shift_the_others_and_is_refused(
        self, write: Callable[[str], Path], table: LabelTable, text: str, place: str, found: str
    ) -> None:
        path = write(text)
        with pytest.raises(ConfigError) as refusal:
            labels.load_list(path, table)
        assert (refusal.value.file, refusal.value.place) == (str(path), place)
        assert refusal.value.found == found


class TestClasses:
    def test_are_chosen_once_each_whatever_the_order(
        self, write: Callable[[str], Path], table: LabelTable
    ) -> None:
        text = "# fish\n n02 # gold\n\nn01\nn02\n"
        assert labels.load_classes(write(text), table) == ("n01", "n02")

    def test_an_unknown_one_is_refused_with_its_line(
        self, write: Callable[[str], Path], table: LabelTable
    ) -> None:
        path = write("# fish\nn03\n")
        with pytest.raises(ConfigError) as refusal:
            labels.load_classes(path, table)
        assert details(refusal, path) == ("line 2", f"a WNID of {table.path}", "'n03'")

    def test_a_choice_of_none_is_refused(
        self, write: Callable[[str], Path], table: LabelTable
    ) -> None:
        with pytest.raises(ConfigError, match="no class is named"):
            labels.load_classes(write("# none\n\n"), table)


class TestNumbers:
    def test_are_read_one_per_line(self, write: Callable[[str], Path]) -> None:
        assert labels.load_numbers(write("3\r\n1\n\n"), 3) == {1, 3}

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("0", "1 to 3, once"),
            ("4", "1 to 3, once"),
            ("1", "1 to 3, once"),
            ("x", "whole number"),
            ("9" * 5000, "whole number"),
        ],
    )
    def test_of_no_image_or_of_one_twice_are_refused_with_their_line(
        self, write: Callable[[str], Path], line: str, expected: str
    ) -> None:
        path = write(f"1\n{line}\n")
        with pytest.raises(ConfigError) as refusal:
            labels.load_numbers(path, 3)
        assert (refusal.value.file, refusal.value.place) == (str(path), "line 2")
        assert expected in str(refusal.value.expected)
