"""``shardmill imagelist`` on CSV and JSONL: the same promises as of a list of im2rec."""

from __future__ import annotations

from pathlib import Path

import documentation
import pyarrow.parquet as pq
import pytest
from commands import shardmill
from drawnlists import encoded, lay, manifest_of, stored

from pipeline import paths
from pipeline.job import build
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.sources.imagelist import table_list
from pipeline.sources.imagelist.columns import PATH_AND_LABEL

NAMES = ("x/1.jpg", "x/2.jpg", "y, z/3.jpg", "4.jpg")
CSV = 'path,label\nx/1.jpg,cat\nx/2.jpg,ant\n"y, z/3.jpg",cat\n4.jpg,bee\n'


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        lay(tmp_path / "root" / name, encoded(number))
    return lay(tmp_path / "root/photos.csv", CSV.encode())


def job(path: Path, out: Path, **options: object) -> Job:
    given = {"formats": ("recordio",), **options}
    return build.list_job(str(path), "", str(out), None, **given)  # type: ignore[arg-type]


def digest(asked: Job) -> str:
    resolve.cache_clear()  # the list may have changed
    (split,) = resolve(asked).splits.values()
    return split.catalog_digest


def test_texts_become_classes_in_shards_trees_and_a_table(photos: Path, out: Path) -> None:
    words = ("--format", "recordio", "--extract", "--export", "parquet")
    run = shardmill("imagelist", photos, "--out", out, *words)
    assert run.returncode == 0, run.stderr
    assert "photos: 3 classes: ant 0, bee 1, cat 2" in run.stdout
    assert paths.class_table(out, "photos").read_text() == "folder\tlabel\nant\t0\nbee\t1\ncat\t2\n"
    labels = {said["id"]: said["labels"] for said, _ in stored(out, "recordio", "photos")}
    assert labels == {0: (2.0,), 1: (0.0,), 2: (2.0,), 3: (1.0,)}
    laid = {path.relative_to(out / "photos").as_posix() for path in out.glob("photos/*/*")}
    assert laid == {"cat/x_1.jpg", "ant/x_2.jpg", "cat/y, z_3.jpg", "bee/4.jpg"}
    assert set(pq.read_table(out / paths.METADATA)["class_index"].to_pylist()) == {0, 1, 2}
    verified = shardmill("verify", out, "--against", photos.parent)
    assert verified.returncode == 0, verified.stderr
    run = shardmill("status", out)
    assert run.returncode == 0, run.stdout


def test_the_table_of_one_list_numbers_another(photos: Path, out: Path) -> None:
    assert shardmill("imagelist", photos, "--out", out, "--format", "recordio").returncode == 0
    other = lay(photos.parent / "other.jsonl", b'{"path": "4.jpg", "label": "cat"}\n')
    run = shardmill("imagelist", other, "--out", out, "--format", "recordio")
    assert run.returncode == 2
    assert "the class cat has label 0 here, and 2" in run.stderr
    table = paths.class_table(out, "photos")
    run = shardmill("imagelist", other, "--out", out, "--format", "recordio", "--classes", table)
    assert run.returncode == 0, run.stderr
    assert [said["labels"] for said, _ in stored(out, "recordio", "other")] == [(2.0,)]


def test_a_list_is_known_by_what_it_says(photos: Path, out: Path) -> None:
    first = digest(job(photos, out))
    photos.write_bytes(b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").replace(",", " , ", 1).encode())
    assert digest(job(photos, out)) == first
    photos.write_text(CSV.replace("4.jpg,bee", "4.jpg,cat"))
    assert digest(job(photos, out)) != first


def test_columns_and_tables_are_refused_where_they_mean_nothing(photos: Path, out: Path) -> None:
    listed = lay(photos.parent / "a.lst", b"0\t1\t4.jpg\n")
    for words, said in [
        (
            ("--path-column", "file"),
            "--label-column and --split-column are of lists",
        ),
        (("--classes", photos), "--classes is a table of class folders, or of labels"),
    ]:
        run = shardmill("imagelist", listed, "--out", out, *words)
        assert run.returncode == 2
        assert said in run.stderr


def test_a_bad_list_is_refused_and_leaves_nothing(photos: Path, out: Path) -> None:
    photos.write_text(CSV + "x/1.jpg,cat\n")
    run = shardmill("imagelist", photos, "--out", out)
    assert run.returncode == 3
    assert "line 6" in run.stderr
    assert "it is in line 2, too" in run.stderr
    assert not list(out.glob("recordio*"))


def test_the_list_in_the_documents_is_read(tmp_path: Path) -> None:
    path = tmp_path / "photos.csv"
    path.write_text(documentation.snippet("path,label"))
    (table,) = table_list.open_list(path, PATH_AND_LABEL, None).tables()
    assert table["path"].to_pylist() == ["beach/001.jpg", "park, north/17.jpg"]
    assert table["text"].to_pylist() == ["sea", "trees"]


def test_a_second_run_reads_no_list(photos: Path, out: Path) -> None:
    assert shardmill("imagelist", photos, "--out", out, "--format", "recordio").returncode == 0
    before = manifest_of(out, "recordio", "photos")
    run = shardmill("imagelist", photos, "--out", out, "--format", "recordio")
    assert run.returncode == 0, run.stderr
    assert manifest_of(out, "recordio", "photos") == before
