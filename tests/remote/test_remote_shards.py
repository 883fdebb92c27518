"""Shards and archives of images in a store give the bytes of local ones."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from drawnlists import encoded
from drawnshards import mds, parquet, tar, tfrecords, zipped
from s3bucket import Bucket
from support import products, shardmill

pytest_plugins = ("s3stores",)

IMAGES = [(f"ant/{number}.jpg", encoded(number)) for number in range(8)]
IMAGES += [(f"bee/{number}.jpg", encoded(number)) for number in range(8, 16)]


def tar_of(folder: Path) -> None:
    tar(folder / "pets.tar", IMAGES)


def zip_of(folder: Path) -> None:
    zipped(folder / "pets.zip", IMAGES, zipfile.ZIP_DEFLATED)


def parquet_of(folder: Path) -> None:
    rows = [{"image": {"bytes": image, "path": name}, "label": 1} for name, image in IMAGES]
    parquet(folder / "pets.parquet", rows)


def mds_of(folder: Path) -> None:
    rows = [{"image": image, "label": struct.pack("<q", 1)} for _, image in IMAGES]
    mds(folder / "pets.mds", {"image": "jpeg", "label": "int"}, rows)


def tfrecords_of(folder: Path) -> None:
    tfrecords(
        folder / "pets.tfrecord",
        ({"image/encoded": image, "image/class/label": [1]} for _, image in IMAGES),
    )


@pytest.mark.parametrize("write", [tar_of, zip_of, parquet_of, mds_of, tfrecords_of])
def test_shards_in_a_store_give_the_bytes_of_local_ones(
    bucket: Bucket, tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path / "in")
    (path,) = (tmp_path / "in").iterdir()
    bucket.put(f"in/{path.name}", content=path.read_bytes())
    more = ("--format", "tfrecord,webdataset", "--shards", 2, "--name", "pets")
    local = shardmill("reshard", tmp_path / "in", "--out", tmp_path / "local", *more)
    assert local.returncode == 0, local.stderr
    store = ("--s3-endpoint", bucket.settings.endpoint)
    place, out = f"{bucket.folder}/in", tmp_path / "out"
    run = shardmill("reshard", place, "--out", out, *more, *store)
    assert run.returncode == 0, run.stderr
    assert products(out) == products(tmp_path / "local")
    again = shardmill("reshard", place, "--out", out, *more, *store)
    assert "already complete" in again.stdout
    against = shardmill("verify", out, "--against", place)
    assert against.returncode == 0, against.stdout + against.stderr
    assert "compared with their sources" in against.stdout
