"""Sources with columns: MDS shards of any program, and what Parquet files say of objects."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import shardmill
from drawnlists import current, encoded, stored
from drawnshards import mds, mds_index, tar

COLUMNS = {"image": "jpeg", "label": "int", "path": "str", "depth": "uint16"}


def run(*words: object, status: int = 0) -> str:
    ended = shardmill(*words)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def row(number: int, label: int = 0) -> dict[str, bytes]:
    return {
        "image": encoded(number),
        "label": struct.pack("<q", label),
        "path": f"a/{number}.jpg".encode(),
        "depth": bytes(2),
    }


def records(out: Path, split: str, name: str = "tfrecord") -> list[tuple[object, str]]:
    """The label and the hash of the image of each record, sorted."""
    found = stored(out, name, split)
    return sorted((said["label"], hashlib.sha256(image).hexdigest()) for said, image in found)


def expected(*listed: tuple[int, int]) -> list[tuple[int, str]]:
    """The same of numbers of drawn images, and their labels."""
    return sorted((label, hashlib.sha256(encoded(n)).hexdigest()) for n, label in listed)


def test_mds_shards_of_another_program(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "in/train"
    mds(folder / "shard.00000.mds", COLUMNS, [row(0, 3), {**row(1), "image": b""}, row(2, -1)])
    mds(folder / "shard.00001.mds", COLUMNS, [row(3, 1)])
    mds_index(folder, ["shard.00000.mds", "shard.00001.mds"])
    said = run("reshard", tmp_path / "in", "--out", out, "--format", "tfrecord")
    assert "train: complete, 3 records" in said
    assert "a record without an image: 1 time" in said
    assert "columns that are not taken: 2 times" in said
    assert records(out, "train") == expected((0, 3), (2, -1), (3, 1))
    assert "3 compared" in run("verify", out, "--against", tmp_path / "in")
    (folder / "shard.00001.mds").unlink()
    said = run("reshard", tmp_path / "in", "--out", out, status=3)
    assert "missing: shard.00001.mds" in said


@pytest.mark.parametrize(
    ("encodings", "value", "label"),
    [
        ({"img": "png", "cls": "str"}, b"ant", 0),
        ({"jpg": "bytes", "y": "str_int"}, b"7", 7),
        ({"x": "jpeg:quality=90", "labels": "uint16"}, b"\x05\x00", 5),
    ],
)
def test_columns_of_mds_by_their_encodings(
    tmp_path: Path, out: Path, encodings: dict[str, str], value: bytes, label: int
) -> None:
    image, named = encodings
    path = mds(tmp_path / "photos.mds", encodings, [{image: encoded(1), named: value}])
    run("reshard", path, "--out", out, "--format", "tfrecord")
    assert records(out, "photos") == expected((1, label))


@pytest.mark.parametrize(
    ("encodings", "what"),
    [
        ({"image": "pil", "label": "int"}, "no column has images as files"),
        ({"image": "jpeg", "label": "pkl"}, "labels of a type that is not taken"),
    ],
)
def test_columns_of_mds_that_are_refused(
    tmp_path: Path, out: Path, encodings: dict[str, str], what: str
) -> None:
    content = {"image": encoded(1), "label": bytes(8)}
    path = mds(tmp_path / "photos.mds", encodings, [content])
    assert what in run("reshard", path, "--out", out, status=3)


def test_mds_that_is_damaged_or_none(tmp_path: Path, out: Path) -> None:
    path = mds(tmp_path / "photos.mds", COLUMNS, [row(1), row(2)])
    whole = path.read_bytes()
    cuts = (whole[:-1], whole[:9], b"", whole.replace(b"column_sizes", b"column_bytes"))
    for content in (*cuts, b"\xff" * 64, whole[:4] + b"\0" + whole[5:]):
        path.write_bytes(content)
        assert "cut short or damaged" in run("reshard", path, "--out", out, status=3)


def test_compressed_mds_is_refused_with_a_remedy_that_works(tmp_path: Path, out: Path) -> None:
    path = mds(tmp_path / "in/shard.00000.mds", COLUMNS, [row(1, 1)])
    subprocess.run(["gzip", path], check=True)
    mds_index(tmp_path / "in", ["shard.00000.mds.gz"], "zip_data")
    said = run("reshard", tmp_path / "in", "--out", out, status=3)
    command = "gzip -dc shard.00000.mds.gz > shard.00000.mds"
    assert command in " ".join(said.split())
    subprocess.run(["sh", "-c", command], check=True, cwd=tmp_path / "in")
    (tmp_path / "in/shard.00000.mds.gz").rename(tmp_path / "elsewhere")
    shards = [{"raw_data": {"basename": path.name}, "zip_data": {"basename": f"{path.name}.gz"}}]
    (tmp_path / "in/index.json").write_text(json.dumps({"shards": shards}))
    run("reshard", tmp_path / "in", "--out", out, "--format", "tfrecord")
    assert records(out, "in") == expected((1, 1))


def test_an_index_of_mds_that_cannot_be_read_is_refused(tmp_path: Path, out: Path) -> None:
    mds(tmp_path / "in/shard.00000.mds", COLUMNS, [row(1)])
    (tmp_path / "in/index.json").write_text('{"shards": 1}')
    assert "an index of MDS shards" in run("reshard", tmp_path / "in", "--out", out, status=3)


@pytest.mark.parametrize("name", ["hf-parquet", "mds"])
def test_shards_with_columns_keep_labels_words_and_boxes(
    tmp_path: Path, out: Path, name: str
) -> None:
    boxes = b'{"boxes": [[0.25, 0.5, 0.75, 1], [0, 0, 1, 0.5]]}'
    samples = [("a.jpg", encoded(1)), ("a.cls", b"ant"), ("a.json", boxes)]
    samples += [("b.jpg", encoded(2)), ("b.cls", b"bee")]
    path = tar(tmp_path / "photos.tar", samples)
    run("reshard", path, "--out", tmp_path / "first", "--format", name)
    shards = current(tmp_path / "first", name, "photos")
    run("reshard", shards, "--name", "photos", "--out", out, "--format", "mds")
    found = sorted(stored(out, "mds", "photos"), key=lambda record: str(record[0]["key"]))
    assert [said["label"] for said, _ in found] == [0, 1]
    assert found[0][0]["boxes"] == [[0.25, 0.5, 0.75, 1], [0, 0, 1, 0.5]]
    assert found[1][0]["boxes"] == []


OBJECT = {"bbox": [4.0, 3.0, 8.5, 6.0], "category": 7}


@pytest.mark.parametrize("objects", [[OBJECT], {name: [each] for name, each in OBJECT.items()}])
def test_objects_in_pixels_become_boxes(tmp_path: Path, out: Path, objects: object) -> None:
    listed = [{"image": {"bytes": encoded(0)}, "width": 40, "height": 30, "objects": objects}]
    pq.write_table(pa.Table.from_pylist(listed), tmp_path / "photos.parquet")
    run(
        "imagelist",
        tmp_path / "photos.parquet",
        "--out",
        out,
        "--format",
        "mds",
        "--labels",
        "detection",
    )
    ((said, _),) = stored(out, "mds", "photos")
    assert said["boxes"] == [pytest.approx([0.1, 0.1, 0.3125, 0.3])]
    assert said["box_labels"] == [7]


@pytest.mark.parametrize("named", ["path", "image"])
def test_paths_in_parquet_lead_to_the_images(tmp_path: Path, out: Path, named: str) -> None:
    (tmp_path / "a").mkdir()
    for number in range(2):
        (tmp_path / f"a/{number}.jpg").write_bytes(encoded(number))
    listed = [{named: f"a/{n}.jpg", "label": n + 1} for n in range(2)]
    path = tmp_path / "photos.parquet"
    pq.write_table(pa.Table.from_pylist(listed), path)
    run("imagelist", path, "--out", out, "--format", "tfrecord")
    assert records(out, "photos") == expected((0, 1), (1, 2))
    assert "2 compared with their sources" in run("verify", out, "--against", tmp_path)


def test_images_as_paths_in_a_struct_and_one_that_is_not_there(tmp_path: Path, out: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(encoded(1))
    images = [{"bytes": None, "path": "1.jpg"}, {"bytes": encoded(2), "path": "2.jpg"}]
    path = tmp_path / "in.parquet"
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(images, kind), "label": [3, 4]}), path)
    run("imagelist", path, "--out", out, "--format", "tfrecord")
    assert records(out, "in") == expected((1, 3), (2, 4))
    (tmp_path / "1.jpg").unlink()
    said = run("imagelist", path, "--out", tmp_path / "other", status=3)
    assert "an image that a row has the path of is not there" in said


def test_a_box_beyond_its_image_is_refused(tmp_path: Path, out: Path) -> None:
    far = {"bbox": [[0.0, 0.0, 50.0, 3.0]]}
    listed = [{"image": {"bytes": encoded(0)}, "width": 40, "height": 30, "objects": far}]
    pq.write_table(pa.Table.from_pylist(listed), tmp_path / "photos.parquet")
    said = run("imagelist", tmp_path / "photos.parquet", "--out", out, status=3)
    assert "leaves its image" in said
