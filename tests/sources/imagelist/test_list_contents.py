"""Files that are given as image lists and are none: named, with what to do."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import BadAnnotation
from pipeline.sources.imagelist import list_contents as listcontents


def zipped(name: str) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "x")
    return memory.getvalue()


def parquet() -> bytes:
    memory = io.BytesIO()
    pq.write_table(pa.table({"path": ["a"]}), memory)
    return memory.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "remedy"),
    [
        (parquet(), "a Parquet file", "read_parquet"),
        (gzip.compress(b"path,label\n", mtime=0), "gzip data", "gzip -dc LIST"),
        (zipped("list.csv"), "a zip archive", "unzip LIST"),
        (zipped("[Content_Types].xml"), "an Excel workbook (xlsx)", "save it as CSV"),
        (b"SQLite format 3\x00", "an SQLite database", "sqlite3"),
        (b"\xff\xd8\xff\xe0", "a JPEG image", "give the list itself"),
        (b"<!DOCTYPE html>", "a web page", "give the list itself"),
    ],
)
def test_a_file_of_another_kind_is_named(
    tmp_path: Path, content: bytes, kind: str, remedy: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(BadAnnotation) as refusal:
        listcontents.check(tmp_path / "a.csv")
    assert refusal.value.what == f"this is {kind}, and no image list"
    assert remedy in str(refusal.value.remedy)


@pytest.mark.parametrize("content", [b"", b"path,label\n", b'{"path": "a"}\n', b"0\t1\ta.jpg\n"])
def test_a_text_may_be_a_list(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    listcontents.check(tmp_path / "a.csv")
