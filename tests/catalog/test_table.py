"""The catalog: rows of images, written and read a row group at a time."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import storage
from pipeline.catalog import table as catalog
from pipeline.errors import OutputDamaged

WORDS = {"n01": "tench", "n02": "goldfish", "n03": "shark"}


def rows(wnids: str) -> pa.Table:
    listed = [
        {
            "key": f"{wnid}/ü_{number}.JPEG",
            "source": "train.tar",
            "offset": 512 * number,
            "length": 100 + number,
            "class_index": int(wnid[1:]) - 1,
            "synset": wnid,
            "text": WORDS[wnid],
            "boxes": [0.25, 0.5, 0.75, 1.0] * (number % 3),
            "box_classes": [number] * (number % 2),
        }
        for number, wnid in enumerate(wnids.split())
    ]
    return pa.Table.from_pylist(listed, catalog.SCHEMA)


PARTS = (rows("n02 n02 n01"), rows("n01"), rows("n03 n02"))


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A catalog of three row groups, whose dictionaries differ."""
    path = tmp_path / "catalog"
    with storage.StagedFile(path) as staged:
        assert catalog.write(staged, PARTS) == (6, 4 * (0 + 1 + 2 + 0 + 0 + 1))
        storage.publish(staged)
    return path


def test_it_is_read_as_it_was_written_part_by_part(listed: Path) -> None:
    found = list(catalog.read(listed))
    assert [table.schema for table in found] == [catalog.SCHEMA] * 3
    assert [table.to_pylist() for table in found] == [part.to_pylist() for part in PARTS]


def test_one_of_an_earlier_version_has_no_classes_of_objects(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    earlier = PARTS[0].drop_columns(["box_classes"])
    pq.write_table(earlier, path)
    (found,) = catalog.read(path)
    assert found.schema == catalog.SCHEMA
    assert found["box_classes"].to_pylist() == [[], [], []]
    assert found.drop_columns(["box_classes"]).to_pylist() == earlier.to_pylist()


def test_equal_parts_give_equal_bytes(listed: Path, tmp_path: Path) -> None:
    with storage.StagedFile(tmp_path / "again") as staged:
        catalog.write(staged, iter(PARTS))
        storage.publish(staged)
    assert (tmp_path / "again").read_bytes() == listed.read_bytes()


def test_one_without_images_is_read_too(tmp_path: Path) -> None:
    with storage.StagedFile(tmp_path / "none") as staged:
        assert catalog.write(staged, []) == (0, 0)
        storage.publish(staged)
    assert list(catalog.read(tmp_path / "none")) == []
    assert catalog.read_words(tmp_path / "none")["synset"].to_pylist() == []


def test_its_words_come_in_the_order_of_their_first_images(listed: Path) -> None:
    words = catalog.read_words(listed)
    assert {name: values.to_pylist() for name, values in words.items()} == {
        "synset": ["n02", "n01", "n03"],
        "text": ["goldfish", "tench", "shark"],
    }


def test_the_rows_of_some_classes_are_read(listed: Path) -> None:
    found = catalog.read_classes(listed, ["n01", "n03"])
    assert found["synset"].to_pylist() == ["n01", "n01", "n03"]


def test_a_damaged_one_is_refused_by_name(listed: Path) -> None:
    listed.write_bytes(listed.read_bytes()[:-9])
    with pytest.raises(OutputDamaged) as refusal:
        list(catalog.read(listed))
    assert refusal.value.file == str(listed)
