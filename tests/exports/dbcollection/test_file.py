from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from support import ROOT

from pipeline import storage
from pipeline.errors import ConfigError, InputRefused, UsageError
from pipeline.exports.dbcollection.file import (
    CLASSIFICATION,
    RAW256,
    USABLE,
    ClassText,
    Conventions,
    write,
)
from pipeline.exports.dbcollection.split import Split, arrange
from pipeline.exports.dbcollection.strict import STRICT
from pipeline.storage import StagedFile

TRAIN = ["n01/n01_1.JPEG", "n01/n01_20.JPEG", "n02/n02_3.JPEG", "n03/n03_4.JPEG", "n03/n03_5.JPEG"]
VALIDATION = ["n01/v_2.JPEG", "n03/v_1.JPEG"]
TEXTS = {
    "n01": ClassText("tench", "a fish"),
    "n02": ClassText("goldfish, Carassius auratus", ""),
    "n03": ClassText("hen", 'an adult female chicken; "a hen"'),
}
FULL_SIZE = Path(__file__).with_name("dbcollection_fullsize.py")
MOST = 500_000_000  # bytes


def split_of(name: str, keys: list[str], folder: str | None = None, *, flat: bool = False) -> Split:
    synsets = [key.partition("/")[0] for key in keys]
    rows = pa.table({"key": keys, "class_id": synsets})
    return arrange(name, Counter(synsets), [rows], folder=folder, flat=flat)


def written(
    path: Path,
    *splits: Split,
    task: str = CLASSIFICATION,
    texts: dict[str, ClassText] = TEXTS,
    data_dir: str = "/data",
    conventions: Conventions = USABLE,
    **provenance: str,
) -> Path:
    """Write a file."""
    options: dict[str, Any] = {"conventions": conventions, "provenance": provenance}
    with StagedFile(path) as staged:
        write(staged, task, splits, texts, data_dir, **options)
        storage.publish(staged)
    return path


@pytest.fixture
def both() -> tuple[Split, Split]:
    """Three classes of training images, and two of them again."""
    return split_of("train", TRAIN), split_of("val", VALIDATION)


def texts_in(path: Path, name: str) -> list[str]:
    with h5py.File(path) as file:
        rows = file[name][()]
    return [bytes(row).rstrip(b"\0").decode() for row in rows.reshape(-1, rows.shape[-1])]


def values_in(path: Path, name: str) -> Any:
    with h5py.File(path) as file:
        return file[name][()].tolist()


def test_a_file_holds_seven_datasets_a_split(tmp_path: Path, both: tuple[Split, Split]) -> None:
    path = written(tmp_path / "c.h5", *both)
    with h5py.File(path) as file:
        found = {name: sorted(group) for name, group in file.items()}
    datasets = ["classes", "descriptions", "image_filenames", "labels"]
    datasets += ["list_image_filenames_per_class", "object_fields", "object_ids"]
    assert found == {"train": datasets, "val": datasets}


def test_texts_are_those_of_the_classes_and_images_in_order(
    tmp_path: Path, both: tuple[Split, Split]
) -> None:
    path = written(tmp_path / "c.h5", *both)
    assert texts_in(path, "train/image_filenames") == [f"/data/train/{key}" for key in TRAIN]
    assert texts_in(path, "train/classes") == ["n01", "n02", "n03"]
    assert texts_in(path, "train/labels") == [text.words for text in TEXTS.values()]
    assert texts_in(path, "train/descriptions") == [text.gloss for text in TEXTS.values()]
    assert texts_in(path, "train/object_fields") == ["image_filenames", "classes"]
    assert texts_in(path, "val/labels") == ["tench", "hen"]


def test_class_ids_are_ranks_within_the_split(tmp_path: Path, both: tuple[Split, Split]) -> None:
    path = written(tmp_path / "c.h5", *both)
    assert values_in(path, "train/object_ids") == [[0, 0], [1, 0], [2, 1], [3, 2], [4, 2]]
    assert values_in(path, "val/object_ids") == [[0, 0], [1, 1]]
    lists = "list_image_filenames_per_class"
    assert values_in(path, f"train/{lists}") == [[0, 1], [2, -1], [3, 4]]
    assert values_in(path, f"val/{lists}") == [[0], [1]]


def test_types_widths_and_fill_values_follow_the_form(
    tmp_path: Path, both: tuple[Split, Split]
) -> None:
    with h5py.File(written(tmp_path / "c.h5", *both)) as file:
        found = {
            name: (data.dtype.str, data.shape, int(data.fillvalue))
            for name, data in file["train"].items()
        }
        packing = {
            (data.compression, data.compression_opts, data.shuffle, data.fletcher32)
            for group in file.values()
            for data in group.values()
            if data.chunks and data.maxshape == data.shape
        }
    assert found == {
        "image_filenames": ("|u1", (5, len("/data/train/n01/n01_20.JPEG") + 1), 0),
        "classes": ("|u1", (3, 4), 0),
        "labels": ("|u1", (3, 28), 0),
        "descriptions": ("|u1", (3, 33), 0),
        "object_fields": ("|u1", (2, 16), 0),
        "object_ids": ("<i4", (5, 2), -1),
        "list_image_filenames_per_class": ("<i4", (3, 2), -1),
    }
    assert packing == {("gzip", 4, False, False)}


def test_a_lone_text_has_two_dimensions_too(tmp_path: Path) -> None:
    path = written(tmp_path / "c.h5", split_of("train", TRAIN[:1]))
    with h5py.File(path) as file:
        dimensions = {name: data.ndim for name, data in file["train"].items()}
    assert set(dimensions.values()) == {2}
    assert texts_in(path, "train/image_filenames") == ["/data/train/n01/n01_1.JPEG"]


def test_the_superblock_is_one_that_hdf5_1_8_reads(
    tmp_path: Path, both: tuple[Split, Split]
) -> None:
    content = written(tmp_path / "c.h5", *both).read_bytes()
    assert content[:9] == b"\x89HDF\r\n\x1a\n\x02"


def test_provenance_stands_in_attributes_of_the_root_alone(
    tmp_path: Path, both: tuple[Split, Split]
) -> None:
    path = written(tmp_path / "c.h5", *both, task=RAW256, program="shardmill", catalog="ab12")
    attributes: dict[str, dict[str, str]] = {}
    with h5py.File(path) as file:
        assert dict(file.attrs) == {
            "catalog": "ab12",
            "conventions": "usable",
            "data_dir": "/data",
            "program": "shardmill",
            "task": "raw256",
            "version": "1",
        }
        file.visititems(lambda name, member: attributes.update({name: dict(member.attrs)}))
    assert len(attributes) == 16
    assert not any(attributes.values())


def test_the_same_images_give_the_same_bytes(tmp_path: Path, both: tuple[Split, Split]) -> None:
    again = (split_of("train", TRAIN[::-1]), split_of("val", VALIDATION[::-1]))
    one = written(tmp_path / "1.h5", *both, a="1", b="2").read_bytes()
    assert written(tmp_path / "2.h5", *again, b="2", a="1").read_bytes() == one
    assert written(tmp_path / "3.h5", *both, a="1", b="3").read_bytes() != one


@pytest.mark.parametrize(
    ("task", "flat", "expected"),
    [
        (CLASSIFICATION, False, "/data/images/n01/v_2.JPEG"),
        (CLASSIFICATION, True, "/data/images/v_2.JPEG"),
        (RAW256, False, "/data/val256/n01/v_2.JPEG"),
        (RAW256, True, "/data/val256/n01/v_2.JPEG"),
    ],
)
def test_usable_paths_lead_to_where_images_are(
    tmp_path: Path, task: str, flat: bool, expected: str
) -> None:
    split = split_of("val", VALIDATION, "images", flat=flat)
    path = written(tmp_path / "c.h5", split, task=task, data_dir="/data/")
    assert texts_in(path, "val/image_filenames")[0] == expected


@pytest.mark.parametrize("task", [CLASSIFICATION, RAW256])
@pytest.mark.parametrize(
    ("data_dir", "flat", "expected"),
    [
        ("/data", False, "/data/ilsvrc2012/val/n01/v_2.JPEG"),
        ("/data", True, "/data/ilsvrc2012/v_2.JPEG"),
        ("/data//", True, "/data//ilsvrc2012/v_2.JPEG"),
        ("/x/../ilsvrc2012", False, "/x/../ilsvrc2012/val/n01/v_2.JPEG"),
        ("/ilsvrc2012/", False, "/ilsvrc2012/ilsvrc2012/val/n01/v_2.JPEG"),
    ],
)
def test_strict_paths_are_those_of_dbcollection(
    tmp_path: Path, task: str, data_dir: str, flat: bool, expected: str
) -> None:
    split = split_of("val", VALIDATION, "ILSVRC2012_img_val", flat=flat)
    path = written(tmp_path / "c.h5", split, task=task, data_dir=data_dir, conventions=STRICT)
    assert texts_in(path, "val/image_filenames")[0] == expected


def test_a_lone_text_has_one_dimension_in_a_strict_file(tmp_path: Path) -> None:
    path = written(tmp_path / "c.h5", split_of("train", TRAIN[3:]), conventions=STRICT)
    with h5py.File(path) as file:
        flat = sorted(name for name, data in file["train"].items() if data.ndim == 1)
        assert file["train/classes"].shape == (4,)
    assert flat == ["classes", "descriptions", "labels"]
    path = written(path, split_of("train", TRAIN[2:3]), conventions=STRICT)
    with h5py.File(path) as file:
        flat = sorted(name for name, data in file["train"].items() if data.ndim == 1)
    assert flat == ["classes", "descriptions", "image_filenames", "labels"]


@pytest.mark.parametrize("data_dir", ["data", "", "/Daten/Größe", "/a\0b"])
def test_a_data_folder_that_cannot_be_written_down_is_refused(
    tmp_path: Path, both: tuple[Split, Split], data_dir: str
) -> None:
    with pytest.raises(UsageError, match="where the images are"):
        written(tmp_path / "c.h5", *both, data_dir=data_dir)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (ClassText("Größe", "size"), "words"),
        (ClassText("size", "Größe"), "gloss"),
        (ClassText("si\0ze", "size"), "words"),
    ],
)
def test_what_a_class_means_is_ascii(
    tmp_path: Path, both: tuple[Split, Split], text: ClassText, what: str
) -> None:
    with pytest.raises(InputRefused, match=f"the {what} of a class cannot stand") as caught:
        written(tmp_path / "c.h5", *both, texts={**TEXTS, "n02": text})
    assert caught.value.place == "class n02"


def test_a_wnid_is_ascii(tmp_path: Path) -> None:
    split = replace(split_of("train", TRAIN[:2]), classes=("犬",))
    with pytest.raises(InputRefused, match="the name of a class cannot stand"):
        written(tmp_path / "c.h5", split, texts={"犬": ClassText("dog", "")})


def test_a_class_that_nobody_explains_is_refused(tmp_path: Path, both: tuple[Split, Split]) -> None:
    with pytest.raises(ConfigError, match="nothing says what class n03 means"):
        written(tmp_path / "c.h5", *both, texts={wnid: TEXTS[wnid] for wnid in ("n01", "n02")})


def test_a_full_size_file_has_the_published_shapes_and_is_made_in_little_memory(
    tmp_path: Path,
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, FULL_SIZE, tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    memory = json.loads(run.stdout)
    assert 0 < memory["before"] < memory["after"] < MOST
    with h5py.File(tmp_path / "full.h5") as file:
        found = {
            f"{split} {name}": (data.shape, data.chunks)
            for split, group in file.items()
            for name, data in group.items()
        }
        lists = "list_image_filenames_per_class"
        for group in file.values():
            ids, rows = group["object_ids"][()], group[lists][()]
            count = len(group["image_filenames"])
            assert np.array_equal(ids[:, 0], np.arange(count))
            assert np.array_equal(rows[rows >= 0], np.arange(count))
            assert np.array_equal(ids[:, 1], np.nonzero(rows >= 0)[0])
    # The published ones; of training images they counted one less.
    assert found == {
        "train image_filenames": ((1_281_167, 76), (20019, 3)),
        "train classes": ((1000, 10), (1000, 10)),
        "train labels": ((1000, 122), (250, 31)),
        "train descriptions": ((1000, 256), (250, 64)),
        "train object_fields": ((2, 16), (2, 16)),
        "train object_ids": ((1_281_167, 2), (10010, 1)),
        f"train {lists}": ((1000, 1300), (63, 82)),
        "val image_filenames": ((50_000, 67), (3125, 9)),
        "val classes": ((1000, 10), (1000, 10)),
        "val labels": ((1000, 122), (250, 31)),
        "val descriptions": ((1000, 256), (250, 64)),
        "val object_fields": ((2, 16), (2, 16)),
        "val object_ids": ((50_000, 2), (3125, 1)),
        f"val {lists}": ((1000, 50), (250, 13)),
    }
