from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from catalogrows import objects
from commands import prepare
from support import RawSet

from pipeline import paths, storage
from pipeline.catalog import table as catalog
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ConfigError
from pipeline.exports.imagefolder import write
from pipeline.job.resolve import resolve
from pipeline.state import status

TABLE = LabelTable(
    Path("synsets.tsv"),
    ("n01", "n02"),
    ("tench", "goldfish"),
    {"ilsvrc2012_id": ("449", "450")},
)


def rows(**columns: object) -> pa.Table:
    """One row of a catalog, as far as it is read."""
    first = {
        "key": "a.JPEG",
        "class_index": 1,
        "class_id": "n02",
        "class_text": "goldfish",
        "objects": [],
    }
    row = dict.fromkeys(catalog.SCHEMA.names) | first | columns
    return pa.Table.from_pylist([row], catalog.SCHEMA)


def written(tree: Path, *parts: pa.Table, table: LabelTable = TABLE) -> pa.Table:
    with storage.StagedFile(tree / paths.METADATA) as staged:
        count = write(staged, parts, table)
        storage.publish(staged)
    found = pq.read_table(tree / "metadata.parquet", partitioning=None)
    assert found.num_rows == count
    return found


def test_a_row_names_the_file_in_its_class_folder(tmp_path: Path) -> None:
    part = rows(key="n02/b.JPEG", objects=objects([0.0, 0.25, 0.5, 1.0]))
    assert written(tmp_path, part).to_pylist() == [
        {
            "file_name": "n02/b.JPEG",
            "label": 1,
            "wnid": "n02",
            "ilsvrc_id": 450,
            "words": "goldfish",
            "boxes": [{"xmin": 0.0, "ymin": 0.25, "xmax": 0.5, "ymax": 1.0}],
        }
    ]


def test_a_flat_image_is_named_by_where_it_lies_in_the_tree(tmp_path: Path) -> None:
    assert written(tmp_path, rows(key="val_7.JPEG"))["file_name"].to_pylist() == ["n02/val_7.JPEG"]


def test_an_image_without_a_class_has_no_label(tmp_path: Path) -> None:
    (row,) = written(tmp_path, rows(class_index=-1, class_id="", class_text="")).to_pylist()
    assert (row["file_name"], row["label"], row["wnid"]) == ("a.JPEG", None, None)


def test_labels_are_named_for_hugging_face_by_all_classes(tmp_path: Path) -> None:
    metadata = written(tmp_path, rows()).schema.metadata
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    assert features == {"label": {"names": ["n01", "n02"], "_type": "ClassLabel"}}


def test_the_parts_of_a_catalog_do_not_matter(tmp_path: Path) -> None:
    parts = [rows(key=f"n02/{number}.JPEG") for number in range(5)]
    written(tmp_path / "parts", *parts)
    written(tmp_path / "whole", pa.concat_tables(parts))
    parted, whole = ((tmp_path / name / paths.METADATA).read_bytes() for name in ("parts", "whole"))
    assert parted == whole


def test_a_class_number_that_is_none_leaves_no_file(tmp_path: Path) -> None:
    table = LabelTable(Path("t.tsv"), TABLE.class_ids, TABLE.words, {"ilsvrc2012_id": ("1", "")})
    with pytest.raises(ConfigError, match=r"t\.tsv: not a number of a class"):
        written(tmp_path, rows(), table=table)
    assert list(tmp_path.iterdir()) == []


def test_every_extracted_image_has_its_row(sample: RawSet, out: Path) -> None:
    run = prepare(sample, out, "--extract", "--until", "extract")
    assert run.returncode == 0, run.stderr
    resolved = resolve(status.recorded_jobs(out)[-1])
    for split in resolved.splits.values():
        read = partial(catalog.read, paths.catalog(out, split.name, split.catalog_digest))
        tree = paths.tree(out, split.split.folder)
        images = {str(path.relative_to(tree)) for path in tree.glob("*/*")}
        found = written(tree, *read(), table=resolved.table).to_pylist()
        assert {row["file_name"] for row in found} == images
        assert len(found) == len(images)
        for row in found:
            folder = row["file_name"].partition("/")[0]
            assert row["wnid"] == folder == resolved.table.class_ids[row["label"]]
