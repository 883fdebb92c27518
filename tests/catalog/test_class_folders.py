"""Where the images of a catalog lie in class folders."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import storage
from pipeline.catalog import class_folders
from pipeline.catalog import table as catalog

ROWS = (  # key, source, class index, id of the class, its words, number of the image; its place
    ("n01/a.JPEG", "train.tar", 0, "n01", "crane", 0, "n01/a.JPEG"),
    ("b.JPEG", "test.tar", -1, "", "", 0, "b.JPEG"),
    ("small owl/c.jpg", "train/small owl/c.jpg", 2, "", "small owl", 7, "small owl/c.jpg"),
    ("x/d.jpg", "x/d.jpg", 7, "", "", 8, "00007/x_d.jpg"),
    ("x/e.jpg#9", "x/e.jpg", 123456, "", "", 9, "123456/x_e#9.jpg"),
    ("f#10", "f", 7, "", "", 10, "00007/f#10"),
    ("g.jpg", "g.jpg", -1, "", "", 11, "g.jpg"),
    ("00007/i.jpg", "00007/i.jpg", 1, "", "00007", 12, "00007/i.jpg"),
    ("h/i.jpg", "h/i.jpg", 3, "", "crow", 13, "crow/h_i.jpg"),
    ("e\u0301/i.jpg", "e\u0301/i.jpg", 4, "", "\u00e9", 14, "\u00e9/i.jpg"),
    ("j.jpg", "j.jpg", 5, "", ".", 15, "./j.jpg"),
)


@pytest.fixture
def rows() -> pa.Table:
    """A row of each kind."""
    keys, sources, indexes, ids, texts, numbers, _ = zip(*ROWS, strict=True)
    known = {"key": keys, "source": sources, "class_index": indexes, "id": numbers}
    columns = {**known, "class_id": ids, "class_text": texts, "filename": keys}
    rest = {"offset": 0, "length": 1, "line": 0, "labels": [], "objects": []}
    columns |= {name: tuple([value] * len(ROWS)) for name, value in rest.items()}
    schema = catalog.SCHEMA
    plain = [f.type.value_type if pa.types.is_dictionary(f.type) else f.type for f in schema]
    arrays = [
        pa.array(columns[field.name], kind).cast(field.type)
        for field, kind in zip(schema, plain, strict=True)
    ]
    return pa.table(arrays, schema=schema)


def test_a_folder_is_named_by_id_by_words_or_by_number(rows: pa.Table) -> None:
    assert class_folders.paths(rows).to_pylist() == [row[-1] for row in ROWS]


@pytest.mark.parametrize("folder", ["n01", "small owl", "00007", "123456", "crane", "7", "absent"])
def test_the_rows_of_a_folder_are_those_that_lie_there(
    rows: pa.Table, tmp_path: Path, folder: str
) -> None:
    path = tmp_path / "catalog.parquet"
    with storage.StagedFile(path) as staged:
        catalog.write(staged, [rows[:4], rows[4:]])
        storage.publish(staged)
    found = class_folders.read(path, [folder])
    assert class_folders.paths(found).to_pylist() == [
        row[-1] for row in ROWS if row[-1].startswith(f"{folder}/")
    ]
    begun = class_folders.read(path, [], [folder[:3]])
    assert class_folders.paths(begun).to_pylist() == [
        row[-1] for row in ROWS if row[-1].startswith(folder[:3]) and "/" in row[-1]
    ]
