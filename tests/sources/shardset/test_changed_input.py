"""Shards and archives that were changed and kept size and time are refused once, then read anew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import shardmill
from drawnlists import encoded, stored
from drawnshards import tar
from filetimes import settle

from pipeline import storage
from pipeline.errors import ObjectMissing, ShardmillError, Vanished
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.job.split import SplitJob
from pipeline.sources.glance import Glance
from pipeline.sources.shardset import collecting
from pipeline.state import raw_archives


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
    settle(path)
    size = path.stat().st_size
    words = ("imagelist", path, "--out", out, "--shards", 2)
    assert shardmill(*words, "--format", "tfrecord").returncode == 0
    images[2] = other_of_same_length(images[2])
    write(path, images)
    settle(path)
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


def of_paths(folder: Path) -> Path:
    """A Parquet file of the paths of three images, none of which was changed a moment ago."""
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(encoded(number) + b"\0\0")
    path = folder / "a.parquet"
    pq.write_table(pa.table({"path": [f"{number}.jpg" for number in range(3)]}), path)
    for each in folder.iterdir():
        settle(each)
    return path


def test_images_that_rows_have_the_paths_of_are_looked_at_again(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    path = of_paths(folder)
    words = ("imagelist", path, "--out", out, "--shards", 2, "--format", "tfrecord")
    assert "complete" in shardmill(*words).stdout
    resolve.cache_clear()
    assert "already complete" in shardmill(*words).stdout
    changed = folder / "1.jpg"
    changed.write_bytes(other_of_same_length(changed.read_bytes()))
    resolve.cache_clear()
    ended = shardmill(*words)
    assert "already complete" not in ended.stdout + ended.stderr
    changed.unlink()
    resolve.cache_clear()
    ended = shardmill(*words)
    assert ended.returncode == 3
    assert "an image that a row has the path of is not there" in ended.stderr
    assert f"{path}, row 2" in " ".join(ended.stderr.split())


def test_of_very_many_images_beside_the_shards_no_looks_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "MOST_STAMPS", 2)
    path = of_paths(tmp_path)
    tally = collecting.Tally()
    collecting.collect(tmp_path, path.name, tally)
    assert len(tally.stamps) == 3
    look = Glance({str(path): storage.settled(path)})
    assert look.holds()
    assert not tally.added_to(look).holds()
    tally.stamps.popitem()
    assert tally.added_to(look).holds()


@pytest.mark.parametrize("error", [Vanished("gone"), ObjectMissing("gone")])
def test_what_is_gone_while_shards_are_made_is_read_anew_by_the_next_command(
    error: ShardmillError,
) -> None:
    forgotten = list[bool]()
    source = SimpleNamespace(inputs=(), forget=lambda: forgotten.append(True))
    split = cast("SplitJob", SimpleNamespace(source=source))
    with (
        pytest.raises(type(error)),
        raw_archives.verifying_again(cast("ResolvedJob", None), split),
    ):
        raise error
    assert forgotten == [True]
