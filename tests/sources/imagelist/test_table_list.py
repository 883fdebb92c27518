"""Image lists whose columns have names: CSV, TSV and JSONL."""

from __future__ import annotations

import json
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.class_table import ClassTable
from pipeline.errors import BadAnnotation
from pipeline.sources.imagelist import lst, table_forms, table_list
from pipeline.sources.imagelist.columns import PATH_AND_LABEL, Columns
from pipeline.sources.imagelist.table_list import TableList
from pipeline.sources.imagelist.text_blocks import ROWS

CSV = "path,label\na/1.jpg,cat\nb.jpg,ant\n"
JSONL = '{"path": "a/1.jpg", "label": "cat"}\n{"path": "b.jpg", "label": "ant"}\n'
READ = [(2, 0, [1.0], "a/1.jpg", "cat"), (3, 1, [0.0], "b.jpg", "ant")]


def opened(
    folder: Path,
    content: str | bytes,
    name: str = "a.csv",
    columns: Columns = PATH_AND_LABEL,
    table: ClassTable | None = None,
) -> TableList:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return table_list.open_list(path, columns, table)


def rows(listed: TableList) -> list[tuple[Any, ...]]:
    """Return (line, id, labels, path, text) of each image."""
    tables = list(listed.tables())
    assert all(table.schema.names == [*lst.SCHEMA.names, "text"] for table in tables)
    return [tuple(row.values()) for table in tables for row in table.to_pylist()]


def refused(folder: Path, content: str | bytes, **given: Any) -> BadAnnotation:
    with pytest.raises(BadAnnotation) as refusal:
        rows(opened(folder, content, **given))
    error = refusal.value
    assert error.file == str(folder / given.get("name", "a.csv"))
    assert error.expected
    assert error.found
    assert error.remedy
    assert error.exit_status == 3
    return error


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.CSV", CSV.replace("\n", "\r\n").encode("utf-8-sig")),
        ("a.csv", 'label,path,more\n cat ,"a/1.jpg",\nant,./b.jpg,x\n'),
        ("a.csv", CSV.removesuffix("\n")),
        ("a.tsv", CSV.replace(",", "\t")),
        ("a.jsonl", "\n" + JSONL),
        ("a.ndjson", "\r\n" + JSONL.replace("\n", "\r\n")),
    ],
)
def test_every_form_says_the_same(tmp_path: Path, name: str, content: str | bytes) -> None:
    listed = opened(tmp_path, content, name)
    assert rows(listed) == READ
    assert listed.classes is not None
    assert listed.classes.table.names == ("ant", "cat")


def test_a_quoted_field_holds_commas_quotes_and_ends_of_lines(tmp_path: Path) -> None:
    content = 'path,note,label\n"a, 1.jpg","one\r\n""two""\n\nthree",1\n\nb.jpg,,2\n'
    assert rows(opened(tmp_path, content)) == [
        (2, 0, [1.0], "a, 1.jpg", ""),
        (7, 1, [2.0], "b.jpg", ""),
    ]


def test_labels_that_are_numbers_are_stored_as_they_stand(tmp_path: Path) -> None:
    listed = opened(tmp_path, "path,label\na,7\nb,-1\nc,0.5\n")
    assert listed.classes is None
    assert [row[2] for row in rows(listed)] == [[7.0], [-1.0], [0.5]]
    listed = opened(tmp_path, '{"path": "a", "label": 7}\n{"path": "b", "label": 0.5}', "a.jsonl")
    assert [row[2] for row in rows(listed)] == [[7.0], [0.5]]


def test_a_text_of_digits_is_a_name_in_json(tmp_path: Path) -> None:
    content = '{"path": "a", "label": "10"}\n{"path": "b", "label": "9"}\n'
    listed = opened(tmp_path, content, "a.jsonl")
    assert [row[2:] for row in rows(listed)] == [([0.0], "a", "10"), ([1.0], "b", "9")]
    assert listed.classes is not None
    assert "numbers in names of classes are sorted as text" in " ".join(listed.classes.notes())


def test_a_table_of_classes_numbers_the_labels(tmp_path: Path) -> None:
    listed = opened(tmp_path, CSV, table=ClassTable(("cat", "7", "ant")))
    assert [row[2] for row in rows(listed)] == [[0.0], [2.0]]
    assert listed.classes is not None
    assert listed.classes.pinned
    assert listed.classes.absent == ("7",)
    listed = opened(tmp_path, "path,label\na,7\n", table=ClassTable(("cat", "7")))
    assert rows(listed) == [(2, 0, [1.0], "a", "7")]


def test_names_in_two_encodings_are_one_class(tmp_path: Path) -> None:
    listed = opened(tmp_path, "path,label\na,\u00e9\nb,e\u0301\n")
    assert [row[2] for row in rows(listed)] == [[0.0], [0.0]]


def test_columns_have_the_names_that_are_given(tmp_path: Path) -> None:
    content = "path,label,file,kind\nx,y,a.jpg,3\n"
    assert rows(opened(tmp_path, content, columns=Columns("file", "kind"))) == [
        (2, 0, [3.0], "a.jpg", "")
    ]


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        ("Path,label\na,1\n", 1, "no column 'path'; did you mean 'Path'?"),
        ("path,lable\na,1\n", 1, "no column 'label'; did you mean 'lable'?"),
        ("path,label,path\na,1,b\n", 1, "the column 'path' is there 2 times"),
        ("a.jpg,cat\n", 1, "no column 'path'"),
        ("path;label\na;1\n", 1, "no column 'path'"),
        ("\n", 1, "without a header"),
        ("path,label\n", 1, "no image in the list"),
        ("path,label\na,1\nb\n", 3, "the row is too short"),
        ("path,label\na,1\n\nb,c,2\n", 4, "the row is too long"),
        ("path,label\na,1\nb,\n", 3, "an empty label"),
        ("path,label\na,cat\nb, \n", 3, "an empty label"),
        ("path,label\n,1\n", 2, "no path"),
        ('path,label\na,1\n"b,1\nc,1\n', 3, "broken"),
        ('path,label\n"b"x,1\n', 2, "broken"),
        ("path,label\na,1\rb,2\n", 2, "broken"),
        ('path,label\n"a\nb",1\n', 2, "a path that no image may have"),
        ("path,label\na,1\nb,2\nc,3\n./b,2\n", 5, "the path 'b' stands there twice"),
        ("path,label\n../a,1\n", 2, "leaves the folder"),
        ("path,label\nb/../../a,1\n", 2, "leaves the folder"),
        ("path,label\n/etc/a,1\n", 2, "leaves the folder"),
        ("path,label\nfolder/,1\n", 2, "that of a folder"),
        ("path,label\na,1\nb,cat\n", 3, "numbers, and others that are texts"),
        ("path,label\na,cat\nb,cat\nc,1\n", 4, "numbers, and others that are texts"),
        ("path,label\na,1e99\n", 2, "not a label"),
        ("path,label\na,16777217\n", 2, "a label that float32 would change"),
        ("path,label\na,x/../y\n", 2, "no name of a class"),
        ("path,label\na,x\x1b[2J\n", 2, "it holds control characters"),
        (b"path,label\na,cat\n" + b"b,\xe9\n", 3, "a line that is no text"),
        ("path,label\na,1\n".encode("utf-16"), 1, "UTF-16"),
    ],
)
def test_a_bad_table_is_refused_by_its_line(
    tmp_path: Path, content: str | bytes, line: int, what: str
) -> None:
    error = refused(tmp_path, content)
    assert error.place == f"line {line}"
    assert what in error.what
    assert "TABs" not in str(error.remedy)


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_the_command_that_a_refused_encoding_names_makes_a_list_that_is_read(
    tmp_path: Path, encoding: str
) -> None:
    error = refused(tmp_path, "path,label\na,caf\xe9\n".encode(encoding))
    command = str(error.remedy).rpartition(": ")[2]
    command = command.replace("LIST", Path(str(error.file)).name)
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    listed = opened(tmp_path, (tmp_path / "NEW.csv").read_bytes())
    assert rows(listed) == [(2, 0, [0.0], "a", "caf\xe9")]


def test_a_number_and_a_text_are_told_apart_in_a_refusal(tmp_path: Path) -> None:
    content = '{"path": "a", "label": "3"}\n{"path": "b", "label": 3}\n'
    error = refused(tmp_path, content, name="list.jsonl")
    assert error.found == "the number 3 in line 2, the text '3' in line 1"


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        (JSONL + '{"path": "c"', 3, "no JSON"),
        (JSONL + "[1, 2]", 3, "no JSON object"),
        (JSONL + '{"path": "c", "labels": "x"}', 3, "no column 'label'; did you mean 'labels'?"),
        (JSONL + '{"path": "c", "label": null}', 3, "neither a text nor a number"),
        (JSONL + '{"path": "c", "label": [1]}', 3, "neither a text nor a number"),
        (JSONL + '{"path": "c", "label": "x", "path": "d"}', 3, "a key that stands there twice"),
        (
            JSONL + r'{"path": "c", "label": "x", "l\u0061bel": 1}',
            3,
            "a key that stands there twice",
        ),
        (JSONL + '{"path": 7, "label": "x"}', 3, "a path that is no text"),
        (JSONL + '{"path": "c", "label": 7}', 3, "numbers, and others that are texts"),
        ('{"path": "c", "label": ' + "9" * 6000 + "}", 1, "no JSON"),
        ('{"path": "c", "label": ' + "9" * 30 + "}", 1, "a label that float32 would change"),
        ('{"path": "c", "label": ' + "9" * 400 + "}", 1, "not a label"),
        (json.dumps([{"path": "c", "label": 1}], indent=1), 1, "no JSON"),
        ("[" * 100_000, 1, "no JSON"),
    ],
)
def test_a_bad_line_of_json_is_refused_by_its_line(
    tmp_path: Path, content: str, line: int, what: str
) -> None:
    error = refused(tmp_path, content, name="a.jsonl")
    assert error.place == f"line {line}"
    assert what in error.what


def test_a_label_that_the_table_lacks_is_refused_with_the_nearest(tmp_path: Path) -> None:
    error = refused(tmp_path, CSV + "c,catt\n", table=ClassTable(("ant", "cat")))
    assert error.place == "line 4"
    assert "did you mean 'cat'?" in error.what


def test_more_texts_than_there_can_be_classes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_list, "MOST_CLASSES", 2)
    error = refused(tmp_path, CSV + "c,bee\n")
    assert error.place == "line 4"
    assert "--label-column" in str(error.remedy)


def test_a_list_that_is_called_so_may_be_of_im2rec(tmp_path: Path) -> None:
    for content, named in [
        (b"0\t1\ta.jpg\n", False),
        (b"\xef\xbb\xbf7 0.5 a.jpg\n", False),
        (b"path\tlabel\n", True),
        (b"1.jpg\t2\tx\n", True),
        (b"", True),
    ]:
        (tmp_path / "a.tsv").write_bytes(content)
        assert table_forms.has_named_columns(tmp_path / "a.tsv") is named
    assert not table_forms.has_named_columns(tmp_path / "a.lst")


def test_ids_and_lines_go_on_from_table_to_table(tmp_path: Path) -> None:
    content = "path,label\n" + "".join(f"{number}.jpg,1\n" for number in range(ROWS + 2))
    first, second = opened(tmp_path, content).tables()
    assert (first.num_rows, second["id"].to_pylist()) == (ROWS, [ROWS, ROWS + 1])
    assert second["line"].to_pylist() == [ROWS + 2, ROWS + 3]


def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"

    def peak(count: int) -> int:
        with path.open("w") as file:
            file.write("path,label\n")
            file.writelines(
                f"folder/{number:09}.jpg,class{number % 5}\n" for number in range(count)
            )
        tracemalloc.start()
        for table in table_list.open_list(path, PATH_AND_LABEL, None).tables():
            assert table.num_rows
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    few, many = 2 * ROWS, 4 * ROWS
    assert peak(many) < peak(few) + 40 * (many - few)  # a row's text alone has 80 bytes
