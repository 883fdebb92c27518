"""Names that this program writes, told from names that somebody else may have put beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import write_catalog

from pipeline import paths
from pipeline.state.ownership import Catalogued, begins_owned, is_owned

DIGEST = "0123456789ab"
OUTPUT = f"tfrecord/train/{DIGEST}"


@pytest.mark.parametrize(
    "name",
    [
        f"{OUTPUT}/train-00000-of-00008",
        f"{OUTPUT}/idx/train-00007-of-00008",
        f"{OUTPUT}/manifest.json",
        f"recordio/my-list.2/{DIGEST}/my-list.2-00000-of-00001.rec",
        f"recordio/train/{DIGEST}/train.lst",
        f"recordio/train/{DIGEST}/without_boxes.tsv",
        f"webdataset/train/{DIGEST}/index.json",
        f"facts/train/{DIGEST}/facts.parquet",
        "tfrecord/train/current",
        "bboxes.csv",
        "bboxes.validation.report.csv",
        "lists/train.classes.tsv",
        "dbcollection/classification.strict.h5",
        "val/metadata.parquet",
        f".shardmill/shards/{DIGEST}/00003.facts.arrow",
        f".shardmill/archives/a.tar.1024-{10**18}.json",
        f".shardmill/sources/{DIGEST}/00000.json",
        "report/index.html",
        f"report/{DIGEST}/classes/00012.html",
        f"report/{DIGEST}/my-list.2/00012-03.jpg",
        f"report/{DIGEST}/train",
        f".shardmill/report/{DIGEST}/train.00003.sheets.json",
        f".shardmill/report/{DIGEST}/train.chosen.arrow",
        "report/duplicates.parquet",
        f"report/{DIGEST}/duplicates/duplicates-00003.jpg",
        f".shardmill/hashes/train/{DIGEST}.json",
        f".shardmill/hashes/train/{DIGEST}.arrow",
    ],
)
def test_a_name_that_is_written_is_owned(out: Path, name: str) -> None:
    assert is_owned(out, out / name)


@pytest.mark.parametrize(
    "name",
    [
        "mynotes.txt",
        "../bboxes.csv",
        "lists/mynotes.txt",
        f"{OUTPUT}/notes.lst",
        f"{OUTPUT}/train-00000-of-00008.rec",
        f"{OUTPUT}/index.json",
        f"{OUTPUT}/train",
        f"webdataset/train/{DIGEST}/without_boxes.tsv",
        f"{OUTPUT}/validation-00000-of-00008",
        f"{OUTPUT}/mine/train-00000-of-00008",
        f"recordio/train/{DIGEST}/subset.rec",
        "tfrecord/train/my-notes/manifest.json",
        f".shardmill/shards/{DIGEST}/mynotes.txt",
        f".shardmill/plans/train-{DIGEST}.txt",
        ".shardmill/mynotes.json",
        "train/n01440764/n01440764_1.JPEG",
        "report/mynotes.html",
        f"report/{DIGEST}/train/photo.jpg",
        f".shardmill/report/{DIGEST}/mynotes.json",
    ],
)
def test_a_name_that_is_not_written_is_not(out: Path, name: str) -> None:
    assert not is_owned(out, out / name)
    assert not is_owned(out, out.parent / "bboxes.csv")


@pytest.mark.parametrize(
    ("name", "owned"),
    [
        (f"bboxes.{'a' * 140}", True),
        (f"lists/{'a' * 140}", True),
        (f"dbcollection/{'a' * 140}", False),  # its names are a few short ones
        (f"tfrecord/{'a' * 140}/{DIGEST}/{'a' * 140}", True),
        ("a" * 140, False),
        (f"../bboxes.{'a' * 140}", False),
        (f"tfrecord/{'a' * 140}", False),
        (f"train/n01440764/{'a' * 140}", False),
    ],
)
def test_the_beginning_of_a_long_name_is_owned_where_such_names_are_written(
    out: Path, name: str, owned: bool
) -> None:
    assert begins_owned(out, out / name) == owned


def test_names_of_images_are_those_of_the_catalogs(out: Path) -> None:
    write_catalog(out, ["n01/1.JPEG", "n02/2.JPEG"])
    write_catalog(out, ["n01/a/3.JPEG"], "ba9876543210")
    images = Catalogued(out, ["n01"])
    names = ("1.JPEG", "2.JPEG", "3.JPEG", "mynotes.txt")
    assert [("n01", name) in images for name in names] == [True, False, True, False]
    damaged = paths.catalog(out, "train", "ba9876543210")
    damaged.write_bytes(damaged.read_bytes()[:-9])
    assert ("n01", "3.JPEG") not in Catalogued(out, ["n01"])
    assert ("n01", "1.JPEG") not in Catalogued(out / "absent", ["n01"])
