from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import manifest
from pipeline.errors import OutputDamaged, UsageError
from pipeline.exports import parquet
from pipeline.exports.croissant import (
    CONFORMS_TO,
    DescribedFile,
    Description,
    document,
    media_type,
    serialise,
    sha256_of,
)
from pipeline.manifest import FileEntry

IMAGES = DescribedFile("parquet/images.parquet", 1234, "a" * 64)
LABELS = DescribedFile("lists/labels.tsv", 56, "b" * 64)
SHARD = DescribedFile("tfrecord/train/0123456789ab/train-00000-of-00001", 789, "c" * 64)
FULL = Description(
    name="ilsvrc2012",
    about="Images of a thousand classes.",
    splits={"train": 1_281_167, "validation": 50_000},
    files=(IMAGES, LABELS, SHARD),
    images=IMAGES.name,
    columns=parquet.schema(["tfrecord"], ["n01"]),
    classes=LABELS.name,
    class_columns=("wnid", "sorted_index", "words"),
)


def record_set(found: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [each for each in found["recordSet"] if each["@id"] == name]
    return dict(one)


def fields(found: dict[str, Any], name: str) -> dict[str, Any]:
    return {field["name"]: field for field in record_set(found, name)["field"]}


def test_files_are_named_with_size_and_sha256() -> None:
    found = document(FULL)
    assert found["conformsTo"] == CONFORMS_TO
    assert found["distribution"][2] == {
        "@type": "cr:FileObject",
        "@id": SHARD.name,
        "name": SHARD.name,
        "contentUrl": SHARD.name,
        "contentSize": "789 B",
        "encodingFormat": "application/octet-stream",
        "sha256": "c" * 64,
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/images.parquet", "application/x-parquet"),
        ("labels.tsv", "text/tab-separated-values"),
        ("train-00000-of-00001.tar", "application/x-tar"),
        ("manifest.json", "application/json"),
        ("train-00000-of-00001", "application/octet-stream"),
        ("train-00000-of-00001.rec", "application/octet-stream"),
    ],
)
def test_what_a_file_is_goes_by_its_name(name: str, expected: str) -> None:
    assert media_type(name) == expected


def test_splits_stand_in_the_document_with_their_counts() -> None:
    assert record_set(document(FULL), "splits")["data"] == [
        {"splits/name": "train", "splits/images": 1_281_167},
        {"splits/name": "validation", "splits/images": 50_000},
    ]


def test_every_column_of_the_parquet_export_is_a_field() -> None:
    found = fields(document(FULL), "images")
    assert list(found) == FULL.columns.names
    assert found["width"] == {
        "@type": "cr:Field",
        "@id": "images/width",
        "name": "width",
        "dataType": "sc:Integer",
        "source": {"fileObject": {"@id": IMAGES.name}, "extract": {"column": "width"}},
    }
    assert found["tfrecord_xxh3_128"]["dataType"] == "sc:Text"


def test_a_box_has_its_corners_as_sub_fields() -> None:
    boxes = fields(document(FULL), "images")["boxes"]
    assert boxes["isArray"] is True
    assert [corner["@id"] for corner in boxes["subField"]] == [
        f"images/boxes/{name}" for name in ("xmin", "ymin", "xmax", "ymax")
    ]
    assert boxes["subField"][0]["dataType"] == "sc:Float"
    assert boxes["subField"][0]["source"]["transform"] == {"jsonPath": "xmin"}


def test_images_refer_to_splits_and_classes() -> None:
    found = fields(document(FULL), "images")
    assert found["split"]["references"] == {"field": {"@id": "splits/name"}}
    assert found["class_id"]["references"] == {"field": {"@id": "classes/sorted_index"}}


def test_classes_are_read_from_the_label_table() -> None:
    found = fields(document(FULL), "classes")
    assert {name: field["dataType"] for name, field in found.items()} == {
        "wnid": "sc:Text",
        "sorted_index": "sc:Integer",
        "words": "sc:Text",
    }
    assert found["words"]["source"]["fileObject"] == {"@id": LABELS.name}


def test_without_a_label_table_there_are_no_classes() -> None:
    found = document(replace(FULL, classes="", class_columns=()))
    assert [each["@id"] for each in found["recordSet"]] == ["splits", "images"]
    assert "references" not in fields(found, "images")["class_id"]


def test_what_is_not_said_is_left_out() -> None:
    assert not document(FULL).keys() & {"license", "citeAs", "url", "version", "datePublished"}
    said = document(replace(FULL, license="https://example.org/terms", cite_as="Somebody, 2015"))
    assert (said["license"], said["citeAs"]) == ("https://example.org/terms", "Somebody, 2015")


def test_every_id_is_there_once() -> None:
    def ids(value: object) -> list[str]:
        if isinstance(value, list):
            return [each for item in value for each in ids(item)]
        if not isinstance(value, dict):
            return []
        own = [value["@id"]] if "@id" in value and "@type" in value else []
        return own + [each for item in value.values() for each in ids(item)]

    found = document(FULL)
    found.pop("@context")
    assert len(ids(found)) == len(set(ids(found))) > len(FULL.columns.names)


@pytest.mark.parametrize("missing", [IMAGES, LABELS])
def test_a_file_of_records_must_be_described(missing: DescribedFile) -> None:
    files = tuple(file for file in FULL.files if file != missing)
    with pytest.raises(UsageError, match="not among the files") as caught:
        document(replace(FULL, files=files))
    assert caught.value.file == missing.name


def test_equal_descriptions_give_equal_bytes() -> None:
    assert serialise(FULL) == serialise(replace(FULL, splits=dict(FULL.splits)))
    assert json.loads(serialise(FULL)) == document(FULL)


def entry(folder: Path, name: str, content: bytes) -> FileEntry:
    (folder / name).write_bytes(content)
    return FileEntry(name, len(content), manifest.hash_bytes(content))


def test_the_sha256_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    contents = {"empty": b"", "small": b"abc", "large": bytes(range(256)) * 10_000}
    entries = [entry(tmp_path, name, content) for name, content in contents.items()]
    assert {each.file: found for each, found in sha256_of(tmp_path, entries, {}).items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in contents.items()
    }


def test_a_file_whose_sha256_is_known_is_not_read(tmp_path: Path) -> None:
    one = entry(tmp_path, "one", b"one")
    known = sha256_of(tmp_path, [one], {})
    (tmp_path / "one").unlink()
    two = entry(tmp_path, "two", b"two")
    assert sha256_of(tmp_path, [one, two], known) == known | sha256_of(tmp_path, [two], {})


def test_a_file_that_was_made_anew_is_read_again(tmp_path: Path) -> None:
    known = sha256_of(tmp_path, [entry(tmp_path, "one", b"before")], {})
    anew = entry(tmp_path, "one", b"after!")
    expected = hashlib.sha256(b"after!").hexdigest()
    assert sha256_of(tmp_path, [anew], known) == {anew: expected}


def test_a_damaged_file_gets_no_sha256(tmp_path: Path) -> None:
    one = entry(tmp_path, "one", b"one")
    (tmp_path / "one").write_bytes(b"eno")
    with pytest.raises(OutputDamaged, match="not as it was written") as caught:
        sha256_of(tmp_path, [one], {})
    assert caught.value.file == str(tmp_path / "one")
