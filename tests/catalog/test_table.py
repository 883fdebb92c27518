"""The catalog: rows of images, written and read a row group at a time."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from catalogrows import as_before, objects

from pipeline import storage
from pipeline.catalog import class_folders
from pipeline.catalog import table as catalog
from pipeline.errors import OutputDamaged

WORDS = {"n01": "tench", "n02": "goldfish", "n03": "shark"}


def rows(wnids: str) -> pa.Table:
    listed = [
        {
            "key": f"{wnid}/ü_{number}.JPEG",
            "filename": f"ü_{number}.JPEG",
            "source": "train.tar",
            "offset": 512 * number,
            "length": 100 + number,
            "class_index": int(wnid[1:]) - 1,
            "class_id": wnid,
            "class_text": WORDS[wnid],
            "objects": objects([0.25, 0.5, 0.75, 1.0] * (number % 3), [number] * (number % 3)),
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
        assert catalog.write(staged, PARTS) == (6, 0 + 1 + 2 + 0 + 0 + 1)
        storage.publish(staged)
    return path


def test_it_is_read_as_it_was_written_part_by_part(listed: Path) -> None:
    found = list(catalog.read(listed))
    assert [table.schema for table in found] == [catalog.SCHEMA] * 3
    assert [table.to_pylist() for table in found] == [part.to_pylist() for part in PARTS]


EARLIER = pa.Table.from_pylist(
    [
        {
            "key": f"n01/{number}.JPEG",
            "filename": f"{number}.JPEG",
            "source": "train.tar",
            "offset": 512,
            "length": 100,
            "class_index": 0,
            "class_id": "n01",
            "class_text": "tench",
            "labels": [0.5],
            "id": number,
            "line": 0,
            "objects": [{**each, "class_id": {0: "n01"}.get(own)} for own, each in listed],
        }
        for number, listed in enumerate(
            list(zip(own, objects([0.0, 0.25, 0.5, 1.0] * len(own), own), strict=True))
            for own in ([], [0, 0], [0, 2, -1])
        )
    ],
    catalog.SCHEMA,
)


def test_one_of_an_earlier_version_is_read_as_one_of_this(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    pq.write_table(as_before(EARLIER), path)
    (found,) = catalog.read(path)
    assert found.schema == catalog.SCHEMA
    assert found.to_pylist() == EARLIER.to_pylist()
    assert class_folders.read(path, ["n02"], ["n0"])["class_id"].to_pylist() == ["n01"] * 3


def test_one_without_classes_of_objects_has_those_of_the_images(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    pq.write_table(as_before(EARLIER).drop_columns(["box_classes"]), path)
    (found,) = catalog.read(path)
    own = [[each["class_index"] for each in listed] for listed in found["objects"].to_pylist()]
    assert own == [[], [0, 0], [0, 0, 0]]


def test_one_of_an_earlier_list_names_the_files_of_the_images(tmp_path: Path) -> None:
    path, line = tmp_path / "catalog", pa.array([0, 1, 2], pa.int32())
    rows = EARLIER.set_column(10, "line", line)
    rows = rows.set_column(2, "source", pa.array(["train.tar", "b/c.jpg", "d.jpg"]))
    pq.write_table(as_before(rows), path)
    (found,) = catalog.read(path)
    assert found["filename"].to_pylist() == ["0.JPEG", "c.jpg", "d.jpg"]


@pytest.mark.parametrize("name", ["xmin", "class_index"])
def test_an_object_without_a_number_is_damage(tmp_path: Path, name: str) -> None:
    rows = EARLIER.to_pylist()
    rows[2]["objects"][1][name] = None
    path = tmp_path / "catalog"
    pq.write_table(pa.Table.from_pylist(rows, catalog.SCHEMA), path)
    with pytest.raises(OutputDamaged, match="not as it was written"):
        list(catalog.read(path))


def test_rows_give_boxes_and_classes_of_their_objects() -> None:
    whole = EARLIER.combine_chunks()
    for rows in (whole, whole[1:], *whole.to_batches()):
        given = catalog.dicts(rows)
        assert [row["key"] for row in given] == rows["key"].to_pylist()
        boxes = [(), ((0.0, 0.25, 0.5, 1.0),) * 2, ((0.0, 0.25, 0.5, 1.0),) * 3]
        assert [row["boxes"] for row in given] == boxes[-rows.num_rows :]
        assert [row["box_classes"] for row in given][-1] == (0, 2, -1)


def test_the_name_of_a_file_is_what_follows_the_last_slash() -> None:
    paths = pa.array(["skipped", "a/ü.jpg", "b.jpg", "/c//d e\n.jpg", ""])[1:]
    assert catalog.file_names(paths).to_pylist() == ["ü.jpg", "b.jpg", "d e\n.jpg", ""]


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
    assert catalog.read_words(tmp_path / "none")["class_id"].to_pylist() == []


def test_its_words_come_in_the_order_of_their_first_images(listed: Path) -> None:
    words = catalog.read_words(listed)
    assert {name: values.to_pylist() for name, values in words.items()} == {
        "class_id": ["n02", "n01", "n03"],
        "class_text": ["goldfish", "tench", "shark"],
    }


def test_the_rows_of_some_classes_are_read(listed: Path) -> None:
    found = class_folders.read(listed, ["n01", "n03"])
    assert found["class_id"].to_pylist() == ["n01", "n01", "n03"]


def test_a_damaged_one_is_refused_by_name(listed: Path) -> None:
    listed.write_bytes(listed.read_bytes()[:-9])
    with pytest.raises(OutputDamaged) as refusal:
        list(catalog.read(listed))
    assert refusal.value.file == str(listed)
