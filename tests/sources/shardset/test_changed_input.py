"""Shards and archives that were changed and kept size and time are refused once, then read anew."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import shardmill
from drawnlists import encoded, stored
from drawnshards import tar

from pipeline.job.resolve import resolve

LONG_AGO_NS = 1_700_000_000 * 10**9  # a time that is settled, as `storage.settled` has it


def tar_of(path: Path, images: list[bytes]) -> None:
    tar(path, [(f"{number}.jpg", image) for number, image in enumerate(images)])


def parquet_of(path: Path, images: list[bytes]) -> None:
    pq.write_table(pa.table({"jpg": images}), path, row_group_size=2, compression="none")


def other_of_same_length(image: bytes) -> bytes:
    """Return the image with a comment in its last bytes, behind the end of the JPEG."""
    return image[:-1] + bytes([image[-1] ^ 1])


@pytest.mark.parametrize(("name", "write"), [("a.tar", tar_of), ("a.parquet", parquet_of)])
def test_what_kept_size_and_time_is_refused_once_and_then_read_anew(
    tmp_path: Path, out: Path, name: str, write: Callable[[Path, list[bytes]], None]
) -> None:
    path = tmp_path / name
    images = [encoded(number) + b"\0\0" for number in range(4)]
    write(path, images)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    size = path.stat().st_size
    words = ("imagelist", path, "--out", out, "--shards", 2)
    assert shardmill(*words, "--format", "tfrecord").returncode == 0
    images[2] = other_of_same_length(images[2])
    write(path, images)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    assert path.stat().st_size == size
    resolve.cache_clear()
    refused = shardmill(*words, "--format", "recordio")
    assert refused.returncode == 1
    assert "is not what it was when the file that holds it was read" in refused.stderr
    assert "run the same command again, which reads all of it anew" in refused.stderr
    resolve.cache_clear()
    ended = shardmill(*words, "--format", "recordio")
    assert ended.returncode == 0, ended.stderr
    there = {hashlib.sha256(image).digest() for _, image in stored(out, "recordio", "a")}
    assert there == {hashlib.sha256(image).digest() for image in images}
