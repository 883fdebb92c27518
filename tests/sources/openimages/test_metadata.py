"""Metadata files of Open Images: had once, verified, and known afterwards."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import openimagesbucket as server
import pytest
from openimagesbucket import Bucket

from pipeline.errors import InputRefused
from pipeline.sources.openimages import config, metadata
from pipeline.sources.openimages.file_table import PublishedFile


@pytest.fixture
def bucket(openimages: Path) -> Iterator[Bucket]:
    with Bucket(openimages / "bucket", openimages / "raw") as serving:
        yield serving


@pytest.fixture
def found(bucket: Bucket, openimages: Path, tmp_path: Path) -> config.OpenImagesConfig:
    return config.load(bucket.configure(openimages, tmp_path / "configured"))


@pytest.fixture
def boxes(found: config.OpenImagesConfig) -> PublishedFile:
    file = found.split("train").boxes
    assert file is not None
    return file


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def test_a_file_is_fetched_and_verified_once(
    bucket: Bucket, boxes: PublishedFile, out: Path, raw: Path
) -> None:
    assert metadata.known(boxes, out, raw) is None
    there = metadata.ensure(boxes, out, raw)
    assert (there.path, there.md5) == (raw / boxes.name, boxes.md5)
    bucket.forget()
    assert metadata.known(boxes, out, raw) == replace(there, url="")
    metadata.ensure(boxes, out, raw)
    assert bucket.requests() == []


def test_a_file_is_known_where_a_link_leads_to_the_folder_that_it_was_fetched_into(
    boxes: PublishedFile, out: Path, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    there = metadata.ensure(boxes, out, tmp_path / "link" / "raw")
    assert metadata.known(boxes, out, tmp_path / "link" / "raw") == replace(there, url="")


def test_what_is_in_raw_is_verified_and_not_fetched(
    bucket: Bucket, boxes: PublishedFile, out: Path, openimages: Path
) -> None:
    there = metadata.ensure(boxes, out, openimages / "raw", offline=True)
    assert there.path == openimages / "raw" / boxes.name
    assert metadata.known(boxes, out, openimages / "raw") is not None
    assert bucket.requests() == []


def test_a_file_that_looks_otherwise_is_read_again(
    boxes: PublishedFile, out: Path, raw: Path
) -> None:
    path = metadata.ensure(boxes, out, raw).path
    content = path.read_bytes()
    os.utime(path, (1, 1))
    assert metadata.known(boxes, out, raw) is None
    metadata.ensure(boxes, out, raw)
    path.write_bytes(content[:-1])
    with pytest.raises(InputRefused, match="broke off"):
        metadata.ensure(boxes, out, raw)
    path.unlink()
    assert metadata.ensure(boxes, out, raw).path.read_bytes() == content


def test_a_file_of_another_pin_is_not_known(boxes: PublishedFile, out: Path, raw: Path) -> None:
    metadata.ensure(boxes, out, raw)
    other = replace(boxes, md5="0" * 32)
    assert metadata.known(other, out, raw) is None
    with pytest.raises(InputRefused, match=f"MD5 {boxes.md5}"):
        metadata.ensure(other, out, raw)


def test_the_md5_of_a_file_that_was_removed_is_known(
    found: config.OpenImagesConfig, boxes: PublishedFile, out: Path, raw: Path
) -> None:
    tree = found.version().hierarchy
    assert metadata.md5(boxes, out) == boxes.md5
    assert metadata.md5(tree, out) is None
    recorded = metadata.ensure(tree, out, raw).md5
    (raw / tree.name).unlink()
    assert metadata.md5(tree, out) == recorded


def test_what_nobody_has_pinned_is_said_and_so_is_that_it_changed(
    bucket: Bucket, found: config.OpenImagesConfig, out: Path, raw: Path
) -> None:
    tree, said = found.version().hierarchy, list[str]()
    first = metadata.ensure(tree, out, raw, say=said.append)
    assert f"its MD5 is {first.md5}" in said[-1]
    (raw / tree.name).unlink()
    bucket.objects[f"files/{tree.name}"] = b'{"LabelName": "/m/0bl9f", "Subcategory": []}'
    second = metadata.ensure(tree, out, raw, say=said.append)
    assert second.md5 != first.md5
    assert f"and was {first.md5}" in said[-1]


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (server.page, "web page"),
        (server.answer(200, {}, b"ImageID\n"), "another size"),
        (server.denied, "AccessDenied"),
    ],
)
def test_what_is_no_such_file_is_refused_and_nothing_is_recorded(
    bucket: Bucket, boxes: PublishedFile, out: Path, raw: Path, act: server.Act, said: str
) -> None:
    bucket.rule(boxes.name, act)
    with pytest.raises(InputRefused, match=said):
        metadata.ensure(boxes, out, raw)
    assert metadata.known(boxes, out, raw) is None
    assert not (raw / boxes.name).exists()
