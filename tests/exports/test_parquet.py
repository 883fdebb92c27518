from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from catalogrows import objects
from commands import prepare
from hypothesis import given
from hypothesis import strategies as st
from largeexport import peaks_of_exports
from support import RawSet

from pipeline import manifest, paths, storage
from pipeline.catalog import table as catalog
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ConfigError, OutputDamaged
from pipeline.exports import parquet, row_groups
from pipeline.exports.exported_split import ExportedSplit
from pipeline.exports.parquet import read_facts, write
from pipeline.job.resolve import resolve
from pipeline.shards import facts
from pipeline.state import status

WNIDS = ("n01", "n02", "n03")
TABLE = LabelTable(
    Path("synsets.tsv"),
    WNIDS,
    ("tench", "goldfish", "white shark"),
    {"ilsvrc2012_id": ("449", "450", "442")},
)
FEW, MANY = 8192, 98_304  # images
MOST = 216  # bytes of memory for each image more: it is 158, and of rows that are held 280
SHARDS = 32


@dataclass(frozen=True)
class Image:
    """A row of a catalog, as far as it is read."""

    key: str
    class_index: int = -1
    boxes: tuple[float, ...] = ()


def catalog_of(images: Sequence[Image]) -> pa.Table:
    """Rows of a catalog."""
    classes = [image.class_index for image in images]
    columns: dict[str, list[Any]] = {
        "key": [image.key for image in images],
        "class_index": classes,
        "class_id": ["" if each < 0 else WNIDS[each] for each in classes],
        "class_text": ["" if each < 0 else TABLE.words[each] for each in classes],
        "objects": [objects(image.boxes) for image in images],
    }
    rest = [[None] * len(images) for _ in catalog.SCHEMA]
    whole = dict(zip(catalog.SCHEMA.names, rest, strict=True)) | columns
    return pa.table(whole, catalog.SCHEMA)


def facts_of(shard: int, images: dict[str, int]) -> pa.Table:
    """The facts of a shard: key -> number of an image, which says all of it."""
    rows: dict[str, list[Any]] = {name: [None] * len(images) for name in facts.SCHEMA.names}
    numbers = list(images.values())
    rows |= {
        "key": list(images),
        "shard": [shard] * len(images),
        "record": list(range(len(images))),
        "width": [100 + each for each in numbers],
        "height": [200 + each for each in numbers],
        "mode": ["CMYK" if each % 2 else "RGB" for each in numbers],
        "bytes": [300 + each for each in numbers],
        "xxh3_128": [f"{each:032x}" for each in numbers],
    }
    return pa.table(rows, facts.SCHEMA)


def split_of(
    images: Sequence[Image],
    stored: Mapping[str, Iterable[pa.Table]] = MappingProxyType({}),
    *,
    name: str = "train",
    folder: str | None = "train",
) -> ExportedSplit:
    return ExportedSplit(name, lambda: [catalog_of(images)], stored, folder)


def export(path: Path, *splits: ExportedSplit, table: LabelTable = TABLE) -> pq.ParquetFile:
    with storage.StagedFile(path) as staged:
        rows = write(staged, splits, table)
        storage.publish(staged)
    found = pq.ParquetFile(path)
    assert found.metadata.num_rows == rows
    return found


def test_a_row_says_what_catalog_labels_and_facts_say(tmp_path: Path) -> None:
    images = [
        Image("n01/a.JPEG", 0),
        Image("n02/b.JPEG", 1, (0.0, 0.25, 0.5, 1.0, 0.125, 0.25, 0.5, 0.75)),
    ]
    stored = {"tfrecord": [facts_of(3, {"n02/b.JPEG": 7, "n01/a.JPEG": 8})]}
    found = export(tmp_path / "images.parquet", split_of(images, stored)).read()
    assert found.to_pylist() == [
        {
            "split": "train",
            "file_name": "train/n01/a.JPEG",
            "wnid": "n01",
            "class_id": 0,
            "ilsvrc_id": 449,
            "words": "tench",
            "width": 108,
            "height": 208,
            "mode": "RGB",
            "source_mode": "RGB",
            "bytes": 308,
            "xxh3_128": f"{8:032x}",
            "boxes": [],
            "tfrecord_shard": 3,
            "tfrecord_record": 1,
            "tfrecord_bytes": None,
            "tfrecord_xxh3_128": None,
        },
        {
            "split": "train",
            "file_name": "train/n02/b.JPEG",
            "wnid": "n02",
            "class_id": 1,
            "ilsvrc_id": 450,
            "words": "goldfish",
            "width": 107,
            "height": 207,
            "mode": "CMYK",
            "source_mode": "CMYK",
            "bytes": 307,
            "xxh3_128": f"{7:032x}",
            "boxes": [
                {"xmin": 0.0, "ymin": 0.25, "xmax": 0.5, "ymax": 1.0},
                {"xmin": 0.125, "ymin": 0.25, "xmax": 0.5, "ymax": 0.75},
            ],
            "tfrecord_shard": 3,
            "tfrecord_record": 0,
            "tfrecord_bytes": None,
            "tfrecord_xxh3_128": None,
        },
    ]
    assert found.schema.equals(parquet.schema(["tfrecord"], WNIDS), check_metadata=False)


def test_formats_that_store_another_image_say_so(tmp_path: Path) -> None:
    stored = {
        "webdataset": [facts_of(0, {"n01/same.JPEG": 2, "n01/mended.JPEG": 4})],
        "tfrecord": [
            facts_of(0, {"n01/mended.JPEG": 5}),
            facts_of(1, {"n01/only.JPEG": 6, "n01/same.JPEG": 2}),
        ],
    }
    names = ["same", "mended", "only", "nowhere"]
    images = [Image(f"n01/{name}.JPEG", 0) for name in names]
    rows = export(tmp_path / "images.parquet", split_of(images, stored)).read().to_pylist()
    columns = ["bytes", "mode", "webdataset_record", "webdataset_bytes"]
    columns += ["tfrecord_shard", "tfrecord_record", "tfrecord_bytes", "tfrecord_xxh3_128"]
    assert {
        name: [row[each] for each in columns] for name, row in zip(names, rows, strict=True)
    } == {
        "same": [302, "RGB", 0, None, 1, 1, None, None],
        "mended": [304, "RGB", 1, None, 0, 0, 305, f"{5:032x}"],
        "only": [306, "RGB", None, None, 1, 0, None, None],
        "nowhere": [None] * 8,
    }


def test_a_part_of_the_catalog_may_be_left_out_of_all_formats(tmp_path: Path) -> None:
    parts = [catalog_of([Image(f"n01/{name}.JPEG", 0)]) for name in "abc"]
    stored = {"tfrecord": [facts_of(0, {"n01/b.JPEG": 1})]}
    split = ExportedSplit("train", lambda: [parts[0].slice(1), *parts], stored)
    found = export(tmp_path / "images.parquet", split).read()
    assert found["xxh3_128"].to_pylist() == [None, f"{1:032x}", None]
    assert found["mode"].to_pylist() == [None, "CMYK", None]


def test_images_without_a_class_have_none(tmp_path: Path) -> None:
    (row,) = export(tmp_path / "images.parquet", split_of([Image("a.JPEG")])).read().to_pylist()
    assert [row[name] for name in ("wnid", "class_id", "ilsvrc_id", "words")] == [None] * 4
    assert row["file_name"] == "train/a.JPEG"


def test_a_table_without_numbers_of_the_devkit_gives_none(tmp_path: Path) -> None:
    table = LabelTable(Path("t.tsv"), WNIDS, TABLE.words, {})
    found = export(tmp_path / "a.parquet", split_of([Image("n03/a.JPEG", 2)]), table=table).read()
    assert found.select(["class_id", "ilsvrc_id"]).to_pylist() == [
        {"class_id": 2, "ilsvrc_id": None}
    ]


def test_a_table_of_no_classes_is_that_of_an_image_list(tmp_path: Path) -> None:
    table = LabelTable(Path("list.lst"), (), (), {})
    split = split_of([Image("a/1.jpg", 2)], folder=None)
    found = export(tmp_path / "a.parquet", split, table=table)
    assert found.read().select(["file_name", "class_id", "ilsvrc_id"]).to_pylist() == [
        {"file_name": "a/1.jpg", "class_id": 2, "ilsvrc_id": None}
    ]
    assert b"huggingface" not in (found.schema_arrow.metadata or {})


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("val", "val/n02/7.JPEG"), ("", "n02/7.JPEG"), (None, "7.JPEG")],
)
def test_files_are_named_as_in_the_tree_or_by_their_keys(
    tmp_path: Path, folder: str | None, expected: str
) -> None:
    split = split_of([Image("7.JPEG", 1)], name="validation", folder=folder)
    (row,) = export(tmp_path / "a.parquet", split).read().to_pylist()
    assert (row["split"], row["file_name"]) == ("validation", expected)


def test_images_that_lie_in_no_class_folders_are_named_where_they_lie(tmp_path: Path) -> None:
    split = split_of([Image("07.jpg", 1)], folder="images/train")
    split = replace(split, in_class_folders=False)
    (row,) = export(tmp_path / "a.parquet", split).read().to_pylist()
    assert row["file_name"] == "images/train/07.jpg"


def test_a_format_that_a_split_lacks_has_columns_without_values(tmp_path: Path) -> None:
    train = split_of([Image("n01/a.JPEG", 0)], {"tfrecord": [facts_of(0, {"n01/a.JPEG": 1})]})
    other = split_of([Image("n01/b.JPEG", 0)], {"recordio": [facts_of(2, {"n01/b.JPEG": 2})]})
    found = export(tmp_path / "a.parquet", train, other).read()
    assert found.select(["bytes", "tfrecord_shard", "recordio_shard"]).to_pylist() == [
        {"bytes": 301, "tfrecord_shard": 0, "recordio_shard": None},
        {"bytes": 302, "tfrecord_shard": None, "recordio_shard": 2},
    ]


def test_class_ids_are_named_for_hugging_face(tmp_path: Path) -> None:
    metadata = export(tmp_path / "a.parquet", split_of([])).schema_arrow.metadata
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    assert features == {"class_id": {"names": list(WNIDS), "_type": "ClassLabel"}}


def test_row_groups_are_full_and_of_one_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_groups, "ROWS", 4)
    images = [Image(f"n01/{number}.JPEG", 0) for number in range(9)]

    def parts(*cuts: int) -> ExportedSplit:
        pieces = [images[start:stop] for start, stop in pairwise((0, *cuts, len(images)))]
        return ExportedSplit("train", lambda: [catalog_of(piece) for piece in pieces])

    found = export(tmp_path / "a.parquet", parts(1, 1, 7), split_of(images[:3]))
    groups = [found.metadata.row_group(each).num_rows for each in range(found.num_row_groups)]
    assert groups == [4, 4, 1, 3]
    same = export(tmp_path / "b.parquet", parts(3, 6), split_of(images[:3]))
    assert same.read().equals(found.read())
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@given(
    formats=st.lists(
        st.dictionaries(st.integers(0, 11), st.integers(1, 9), max_size=12), max_size=3
    ),
    cut=st.integers(0, 12),
    order=st.permutations(range(12)),
)
def test_facts_find_their_images_in_whatever_order(
    tmp_path_factory: pytest.TempPathFactory,
    formats: list[dict[int, int]],
    cut: int,
    order: list[int],
) -> None:
    keys = [f"n01/{number}.JPEG" for number in range(12)]
    stored = {}
    for number, images in enumerate(formats):
        placed = {keys[each]: images[each] for each in order if each in images}
        halves = [dict(list(placed.items())[:cut]), dict(list(placed.items())[cut:])]
        stored[f"f{number}"] = [facts_of(shard, half) for shard, half in enumerate(halves)]
    split = split_of([Image(key, 0) for key in keys], stored)
    path = tmp_path_factory.mktemp("any") / "images.parquet"
    rows = export(path, split).read().to_pylist()
    for place, row in enumerate(rows):
        held = [images[place] for images in formats if place in images]
        assert row["width"] == (held[0] + 100 if held else None)
        assert row["xxh3_128"] == (f"{held[0]:032x}" if held else None)
        for number, images in enumerate(formats):
            own = images.get(place)
            differs = own is not None and own != held[0]
            assert (row[f"f{number}_record"] is None) == (own is None)
            assert row[f"f{number}_bytes"] == (own + 300 if differs and own else None)


@pytest.mark.parametrize(
    ("shards", "found"),
    [
        ([{"n01/a.JPEG": 1, "n01/stray.JPEG": 2}], "'n01/stray.JPEG' of split train"),
        ([{"n01/a.JPEG": 1}, {"n01/a.JPEG": 2}], "'n01/a.JPEG' of split train"),
    ],
)
@pytest.mark.parametrize("rows_at_once", [1, 100])
def test_facts_of_other_images_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shards: list[dict[str, int]],
    found: str,
    rows_at_once: int,
) -> None:
    monkeypatch.setattr(parquet, "ROWS", rows_at_once)
    stored = {"recordio": [facts_of(index, each) for index, each in enumerate(shards)]}
    split = split_of([Image("n01/a.JPEG", 0), Image("n01/b.JPEG", 0)], stored)
    with pytest.raises(OutputDamaged, match="recordio are of other images") as caught:
        export(tmp_path / "a.parquet", split)
    assert caught.value.place == found
    assert list(tmp_path.iterdir()) == []


def test_facts_of_an_empty_catalog_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputDamaged, match="not in the catalog"):
        export(tmp_path / "a.parquet", split_of([], {"tfrecord": [facts_of(0, {"a": 1})]}))


def test_a_class_number_that_is_none_is_refused(tmp_path: Path) -> None:
    table = LabelTable(Path("t.tsv"), WNIDS, TABLE.words, {"ilsvrc2012_id": ("1", "2", "x")})
    with pytest.raises(ConfigError, match=r"t\.tsv: not a number of a class"):
        export(tmp_path / "a.parquet", split_of([]), table=table)


@pytest.mark.parametrize("wrong", [None, "0" * 31, "g" * 32])
def test_facts_without_a_hash_are_damaged(tmp_path: Path, wrong: str | None) -> None:
    table = facts_of(0, {"n01/a.JPEG": 1})
    place = table.schema.get_field_index("xxh3_128")
    table = table.set_column(place, table.schema.field(place), pa.array([wrong], pa.string()))
    with (tmp_path / "facts.parquet").open("wb") as stream:
        facts.write(stream, [table])
    with pytest.raises(OutputDamaged, match="no hash"):
        list(read_facts(tmp_path / "facts.parquet"))


def test_rows_of_a_job_are_its_extracted_files(raw_set: RawSet, out: Path) -> None:
    formats = ("webdataset", "tfrecord")
    options = [option for name in formats for option in ("--format", name)]
    run = prepare(raw_set, out, "--extract", *options)
    assert run.returncode == 0, run.stderr
    resolved = resolve(status.recorded_jobs(out)[-1])
    splits = []
    for split in resolved.splits.values():
        rows = partial(catalog.read, paths.catalog(out, split.name, split.catalog_digest))
        stored = {name: read_facts(paths.facts(split.output(name).folder)) for name in formats}
        splits.append(ExportedSplit(split.name, rows, stored, split.split.folder))
    rows = export(out / "images.parquet", *splits, table=resolved.table).read().to_pylist()
    files = {str(path.relative_to(out)): path for path in out.glob("*/n*/*.JPEG")}
    assert {row["file_name"] for row in rows} == set(files)
    documents = [
        manifest.load(paths.manifest(split.output("webdataset").folder))
        for split in resolved.splits.values()
    ]
    repaired = {Path(each["key"]).name for document in documents for each in document["repairs"]}
    for row in rows:
        path = files[row["file_name"]]
        assert row["wnid"] == path.parent.name == resolved.table.class_ids[row["class_id"]]
        if path.name not in repaired:
            assert (row["bytes"], row["xxh3_128"]) == (
                path.stat().st_size,
                manifest.hash_file(path),
            )
    for split in resolved.splits.values():
        mine = [row for row in rows if row["split"] == split.name]
        counts = manifest.load(paths.manifest(split.output("tfrecord").folder))["counts"]
        assert sum(row["tfrecord_shard"] is not None for row in mine) == counts["records"]
        assert sum(len(row["boxes"]) for row in mine) == counts["boxes"]


def write_large(folder: Path, images: int) -> None:
    """Write a catalog, and facts in another order."""
    chance = np.random.default_rng(0)
    keys = np.array([f"n01440764/n01440764_{number}.JPEG" for number in range(images)])

    def rows() -> Iterable[pa.Table]:
        for part in np.array_split(keys, images // 1200):
            few = catalog_of([Image(str(part[0]), 0, (0.0, 0.0, 1.0, 1.0))])
            column = pa.array(part, pa.string())
            yield few.take(pa.array(np.zeros(len(part), np.int64))).set_column(0, "key", column)

    def shards() -> Iterable[pa.Table]:
        for shard, part in enumerate(np.array_split(chance.permutation(keys), SHARDS)):
            one = facts_of(shard, {"": 1}).take(pa.array(np.zeros(len(part), np.int64)))
            digits = chance.bytes(16 * len(part)).hex()
            hashes = [digits[place : place + 32] for place in range(0, len(digits), 32)]
            yield one.set_column(0, "key", pa.array(part, pa.string())).set_column(
                one.schema.get_field_index("xxh3_128"), "xxh3_128", pa.array(hashes)
            )

    with storage.StagedFile(folder / f"{images}.catalog.parquet") as staged:
        catalog.write(staged, rows())
        storage.publish(staged)
    with (folder / f"{images}.parquet").open("wb") as stream:
        facts.write(stream, shards())


def test_a_large_export_is_made_in_memory_that_hardly_grows_with_it(tmp_path: Path) -> None:
    for images in (FEW, MANY):
        write_large(tmp_path, images)
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        few, many = apart.submit(peaks_of_exports, tmp_path, (FEW, MANY)).result()
    assert few < many < few + MOST * (MANY - FEW), (few, many)
