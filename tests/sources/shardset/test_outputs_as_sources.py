"""Outputs of any kind as a source: the catalog is theirs, and trips over formats lose nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from commands import shardmill
from drawnlists import current, encoded, lay, manifest_of, shards
from drawnshards import parquet, tar
from drawnsources import DETECTION, SOURCES, boxed, samples
from drawntrees import CLASSES
from filetimes import age

from pipeline import paths
from pipeline.catalog import table as catalog
from pipeline.formats.examples.example import parse_example
from pipeline.formats.tfrecord.shard import read_records
from pipeline.job.resolve import resolve
from pipeline.shards import foreign

PLACES = {"source", "offset", "length"}
TRIPS = (("webdataset", "hf-parquet"), ("mds", "hf-parquet", "webdataset"))


def run(*words: object) -> None:
    ended = shardmill(*words)
    assert ended.returncode in {0, 4}, ended.stdout + ended.stderr


def rows(out: Path, name: str) -> dict[str, list[dict[str, object]]]:
    """The catalog of each split that a format has, without where the images lie."""
    found = {}
    for split in sorted(each.name for each in (out / name).iterdir() if each.is_dir()):
        digest = manifest_of(out, name, split)["digests"]["catalog"]
        parts = catalog.read(paths.catalog(out, split, digest))
        every = [row for part in parts for row in catalog.dicts(part)]
        found[split] = [{k: v for k, v in row.items() if k not in PLACES} for row in every]
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_the_catalog_of_the_output_of_any_source_is_the_original_but_for_places(
    tmp_path: Path, out: Path, source: str
) -> None:
    drawn, first = SOURCES[source](tmp_path), tmp_path / "first"
    of_objects = DETECTION if DETECTION[0] in drawn.words else ()
    may_be = [each for each in foreign.READ if each != "recordio" or not of_objects]
    name = may_be[list(SOURCES).index(source) % len(may_be)]
    run(*drawn.words, "--out", first, "--format", name, "--format", "recordio")
    run("reshard", first, "--from", name, "--out", out, "--format", "recordio", *of_objects)
    before, found = rows(first, name), rows(out, "recordio")
    assert sum(map(len, found.values())) == len(drawn.images)
    if source == "open_images":  # its catalog also has the images that could not be fetched
        there = {row["key"] for every in found.values() for row in every}
        before = {k: [row for row in every if row["key"] in there] for k, every in before.items()}
    assert found == before


def test_what_shards_lack_is_not_in_the_catalog_of_an_output_of_them(
    tmp_path: Path, out: Path
) -> None:
    drawn, first = SOURCES["shards_parquet"](tmp_path), tmp_path / "first"
    run(*drawn.words, "--out", first, "--format", "recordio")
    run("reshard", first, "--out", out, "--format", "recordio", *DETECTION)
    ((_, found),), ((_, before),) = rows(out, "recordio").items(), rows(first, "recordio").items()
    assert found == [row for row in before if row["boxes"]]
    assert len(found) == len(before) - 1


def tree(folder: Path) -> tuple[object, ...]:
    """A tree of which the first class alone is wanted."""
    words = SOURCES["imagenet_tree"](folder).words
    return *words, "--classes", lay(folder / "some.txt", f"{CLASSES[0]}\n".encode())


def coco(folder: Path) -> tuple[object, ...]:
    """Annotations with a category of which there is no object."""
    return tuple(SOURCES["annotated_coco"](folder).words)


def named_numbers(folder: Path) -> tuple[object, ...]:
    """Parquet whose features name more classes than its rows are of."""
    rows = [{"image": {"bytes": encoded(n), "path": f"{n}.jpg"}, "label": 1} for n in range(2)]
    path = parquet(folder / "in/train-00000-of-00001.parquet", rows, ("ant", "bee", "cow"))
    return "reshard", path.parent


def class_folders(folder: Path) -> tuple[object, ...]:
    """Class folders, and a table of more classes."""
    lay(folder / "photos/bee/1.jpg", encoded(1))
    table = lay(folder / "table.txt", b"ant\nbee\ncow\n")
    return "imagelist", folder / "photos", "--recursive", "--classes", table


def features(out: Path) -> dict[str, Any]:
    """What `datasets` is told of the columns of each split."""
    found = {}
    for shard in sorted(out.glob("hf-parquet/*/current/*-of-*.parquet")):
        said = json.loads(pq.read_schema(shard).metadata[b"huggingface"])
        found[shard.parts[-3]] = said["info"]["features"]
    return found


@pytest.mark.parametrize("source", [tree, coco, named_numbers, class_folders])
def test_classes_without_an_image_are_carried_over_outputs_of_outputs(
    tmp_path: Path, source: Callable[[Path], tuple[object, ...]]
) -> None:
    words, outs = source(tmp_path), [tmp_path / str(number) for number in range(3)]
    of_objects = DETECTION if DETECTION[0] in words else ()
    run(*words, "--out", outs[0], "--format", "webdataset", "--format", "hf-parquet")
    both = ("--format", "webdataset", "--format", "hf-parquet", *of_objects)
    for first, second in pairwise(outs):
        run("reshard", first, "--from", "webdataset", "--out", second, *both)
    original = features(outs[0])
    assert all(len(each["label"]["names"]) in {2, 3} for each in original.values())
    assert [features(each) for each in outs[1:]] == [original] * 2


def test_a_label_table_that_was_changed_is_not_taken(tmp_path: Path) -> None:
    first = tmp_path / "first"
    run(*tree(tmp_path), "--out", first, "--format", "webdataset")
    table = first / "lists/labels.tsv"
    written = table.read_text()
    changes = (("a class", "an ant"), ("\t1\t", "\t2\t"), (CLASSES[1], CLASSES[0]))
    for number, (old, new) in enumerate(changes):
        out = tmp_path / str(number)
        table.write_text(written.replace(old, new))
        run("reshard", first, "--out", out, "--format", "hf-parquet")
        ((_, found),) = features(out).items()
        assert found["label"]["names"] == ["a class"]


def without(table: Path) -> None:
    """Remove a label table."""
    table.unlink()


def other_words(table: Path) -> None:
    """Call the class without an image otherwise."""
    table.write_text(table.read_text().replace("\t2\ta class", "\t2\tan ant"))


@pytest.mark.parametrize("change", [without, other_words])
def test_an_output_stays_as_it_is_when_the_label_table_of_its_source_changes(
    tmp_path: Path, out: Path, change: Callable[[Path], None]
) -> None:
    def prepare() -> str:
        resolve.cache_clear()
        ended = shardmill("reshard", first, "--out", out, "--format", "hf-parquet")
        assert ended.returncode == 0, ended.stderr
        return ended.stdout + ended.stderr

    first = tmp_path / "first"
    run(*tree(tmp_path), "--out", first, "--format", "webdataset")
    age(first)
    assert "already complete" not in prepare()
    table, before = first / "lists/labels.tsv", features(out)
    written = table.read_text()
    change(table)
    assert not table.exists() or table.read_text() != written
    assert "already complete" in prepare()
    assert features(out) == before


def contents(out: Path) -> list[tuple[str, str, int, list[tuple[float, ...]]]]:
    """Return of each Example the hash of its image, its name, label and boxes, sorted."""
    found = []
    for shard in shards(current(out, "tfrecord", "photos"), "photos"):
        for record in read_records(shard):
            example = parse_example(record.data)
            boxes = [tuple(round(corner, 5) for corner in box) for box in example.boxes]
            digest = hashlib.sha256(example.encoded).hexdigest()
            found.append((digest, example.filename, example.label, boxes))
    return sorted(found)


@pytest.mark.parametrize("trip", TRIPS)
def test_a_trip_over_formats_keeps_images_names_labels_and_boxes(
    tmp_path: Path, trip: tuple[str, ...]
) -> None:
    source = tar(tmp_path / "photos.tar", samples(boxed()))
    for number, name in enumerate(("tfrecord", *trip, "tfrecord")):
        out = tmp_path / str(number)
        run("reshard", source, "--name", "photos", "--out", out, "--format", name)
        source = current(out, name, "photos")
    drawn = [
        (each.digest, f"{number}.jpg", each.label, [tuple(box) for _, *box in each.objects])
        for number, each in enumerate(boxed())
    ]
    assert contents(out) == contents(tmp_path / "0") == sorted(drawn)


@pytest.mark.parametrize(
    ("others", "names"),
    [(("ant", "bee"), ["ant", "bee", "cow"]), (("bee", "cow"), None)],
)
def test_a_table_of_all_splits_names_numbers_that_have_one_name_in_all(
    tmp_path: Path, out: Path, others: tuple[str, ...], names: list[str] | None
) -> None:
    for split, said in {"train": ("ant", "bee", "cow"), "test": others}.items():
        images = [{"bytes": encoded(n), "path": f"{n}.jpg"} for n in range(len(said))]
        rows = [{"image": image, "label": n} for n, image in enumerate(images)]
        parquet(tmp_path / f"in/{split}-00000-of-00001.parquet", rows, said)
    run("reshard", tmp_path / "in", "--out", out, "--format", "none", "--export", "parquet")
    said_of_columns = (pq.read_schema(out / "metadata.parquet").metadata or {}).get(b"huggingface")
    found = json.loads(said_of_columns)["info"]["features"] if said_of_columns else None
    assert (found and found["class_index"]["names"]) == names
