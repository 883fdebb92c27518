"""A Parquet file of paths is an image list where the folder of its images is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import shardmill
from drawnlists import current, encoded, lay, shards
from drawnshards import tar

from pipeline.errors import ArchiveRefused, BadAnnotation
from pipeline.sources.imagelist import table_list
from pipeline.sources.imagelist.columns import PATH_AND_LABEL

WORDS = [f"sea/{n}.jpg,{'ab'[n % 2]}" for n in range(5)]


def parquet(path: Path, columns: Mapping[str, Sequence[object]]) -> Path:
    """Write columns in row groups of two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path, row_group_size=2)
    return path


def run(*words: object, status: int = 0) -> str:
    ended = shardmill(*words)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def refused(path: Path, columns: Mapping[str, Sequence[object]]) -> BadAnnotation:
    parquet(path, columns)
    with pytest.raises(BadAnnotation) as caught:
        list(table_list.open_list(path, PATH_AND_LABEL, None).tables())
    return caught.value


def read(out: Path) -> list[bytes]:
    (shard,) = shards(current(out, "tfrecord", "photos"), "photos")
    return [shard.read_bytes()]


@pytest.mark.parametrize("root", ["folder", "tar"])
def test_it_gives_the_shards_of_the_same_csv_list(tmp_path: Path, root: str) -> None:
    paths, labels = zip(*(word.split(",") for word in WORDS), strict=True)
    for number, path in enumerate(paths):
        lay(tmp_path / "images" / path, encoded(number))
    members = [(path, encoded(number)) for number, path in enumerate(paths)]
    place = tmp_path / "images" if root == "folder" else tar(tmp_path / "t/images.tar", members)
    lay(tmp_path / "csv/photos.csv", "\n".join(["file,kind", *WORDS]).encode())
    kinds = pa.array(labels).dictionary_encode()
    parquet(tmp_path / "in/photos.parquet", {"n": range(5), "kind": kinds, "file": paths})
    columns = ("--path-column", "file", "--label-column", "kind", "--root", place)
    for name, source in (("a", "csv/photos.csv"), ("b", "in/photos.parquet")):
        words = ("--out", tmp_path / name, "--format", "tfrecord", "--shards", 1)
        run("imagelist", tmp_path / source, *columns, *words)
    assert read(tmp_path / "a") == read(tmp_path / "b")
    table = "lists/photos.classes.tsv"
    assert (tmp_path / "a" / table).read_text() == (tmp_path / "b" / table).read_text()
    again = ("imagelist", tmp_path / "in/photos.parquet", *columns, "--out", tmp_path / "b")
    assert "already complete, 5 records" in run(*again, "--format", "tfrecord", "--shards", 1)


def test_a_column_divides_it_into_splits(tmp_path: Path, out: Path) -> None:
    for number in range(4):
        lay(tmp_path / f"images/{number}.jpg", encoded(number))
    columns: dict[str, Sequence[object]] = {
        "path": [f"{n}.jpg" for n in range(4)],
        "label": [0.5, 1.0, 2.0, 7.0],
        "split": ["train", "test", "train", "train"],
    }
    path = parquet(tmp_path / "in/photos.parquet", columns)
    said = run("imagelist", path, "--root", tmp_path / "images", "--out", out, "--format", "mds")
    assert "train: complete, 3 records" in said
    assert "test: complete, 1 record" in said


def test_images_in_the_file_need_no_root(tmp_path: Path, out: Path) -> None:
    columns: dict[str, Sequence[object]] = {"image": [encoded(0)], "path": ["0.jpg"], "label": [1]}
    path = parquet(tmp_path / "in/photos.parquet", columns)
    said = run("imagelist", path, "--root", tmp_path, "--out", out, status=2)
    assert "leave --root out" in said
    run("imagelist", path, "--out", out)


def test_texts_of_digits_are_classes_and_numbers_are_numbers(tmp_path: Path) -> None:
    texts = {"path": ["a", "b"], "label": ["7", "10"]}
    listed = table_list.open_list(parquet(tmp_path / "a.parquet", texts), PATH_AND_LABEL, None)
    assert listed.classes is not None
    assert listed.classes.table.names == ("10", "7")
    numbers: dict[str, Sequence[object]] = {"path": ["a", "b"], "label": [7, 10]}
    listed = table_list.open_list(parquet(tmp_path / "b.parquet", numbers), PATH_AND_LABEL, None)
    (table,) = listed.tables()
    assert table["labels"].to_pylist() == [[7.0], [10.0]]


@pytest.mark.parametrize(
    ("columns", "what", "place"),
    [
        ({"pth": ["a"], "label": [1]}, "there is no column 'path'; did you mean 'pth'?", 1),
        ({"path": ["a"] * 3, "label": [1, 1, None]}, "neither a text nor a number", 3),
        ({"path": ["a"], "label": [True]}, "neither a text nor a number", 1),
        ({"path": [b"a"], "label": [1]}, "neither a text nor a number", 1),
        ({"path": [["a"]], "label": [1]}, "neither a text nor a number", 1),
        ({"path": ["a", "../b"], "label": [1, 2]}, "path", 2),
        ({"path": ["a", "b", "a"], "label": [1, 2, 3]}, "stands there twice", 3),
        ({"path": ["a"], "label": [float("nan")]}, "not a label", 1),
        ({"path": pa.array([], pa.string()), "label": []}, "no image in the list", 1),
    ],
)
def test_what_is_wrong_is_refused_with_its_row(
    tmp_path: Path, columns: Mapping[str, Sequence[object]], what: str, place: int
) -> None:
    error = refused(tmp_path / "a.parquet", columns)
    assert what in error.what
    assert error.place == f"row {place}"
    assert error.remedy


def test_what_is_no_parquet_or_is_cut_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", {"path": ["a"] * 9, "label": range(9)})
    whole = path.read_bytes()
    for content in (b"path,label\na,1\n", whole[:-20], b"PAR1" + bytes(60) + whole[64:]):
        path.write_bytes(content)
        with pytest.raises(ArchiveRefused) as caught:
            table_list.open_list(path, PATH_AND_LABEL, None)
        assert caught.value.file == str(path)
