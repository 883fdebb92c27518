"""Verify compares images that were collected with what a folder, web server or store has now."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import inprocess
import pytest
from finishedoutputs import of_openimages
from imagegroups import fill, hurried, ids, jpeg
from openimagesbucket import NAME, Bucket, answer, tagged

from pipeline import storage
from pipeline.errors import UsageError
from pipeline.sources.kept_files import KeptFile, Original, Originals
from pipeline.storage import Location, RemoteOptions
from pipeline.verification.bucketcheck import BucketCheck, check_bucket
from pipeline.verification.findings import Layer

IDS = ids(6)
OUT = Path("/out/images/train")


def kept(image_ids: list[str]) -> Iterator[Original]:
    for image_id in image_ids:
        content = jpeg(int(image_id, 16))
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        file = KeptFile(OUT / f"{image_id}.jpg", len(content), md5)
        yield Original(file, f"train/{image_id}.jpg")


def compare(bucket: Location, image_ids: list[str] | None = None) -> BucketCheck:
    read = partial(kept, IDS if image_ids is None else image_ids)
    return check_bucket(Originals("images/train", read), bucket)


@pytest.fixture(params=["folder", "http", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Location]]:
    """The folder of a bucket, and where that is reached."""
    folder = tmp_path / "bucket"
    fill(folder, IDS)
    if request.param == "folder":
        yield folder, folder
        return
    with hurried(), Bucket(folder) as bucket:
        if request.param == "http":
            yield folder, storage.parse(bucket.images, whole_bucket=True)
            return
        storage.use(RemoteOptions(s3_endpoint=bucket.url, s3_unsigned=True))
        yield folder, storage.parse(f"s3://{NAME}", whole_bucket=True)
        storage.use(RemoteOptions())


def test_a_bucket_that_has_the_same_images_has_nothing_to_say(
    place: tuple[Path, Location],
) -> None:
    check = compare(place[1])
    assert (check.compared, check.bytes, check.findings) == (6, 0, ())


def test_what_the_bucket_has_otherwise_or_not_any_more_is_named(
    place: tuple[Path, Location],
) -> None:
    folder, bucket = place
    other = jpeg(77)
    (folder / "train" / f"{IDS[1]}.jpg").write_bytes(other)
    (folder / "train" / f"{IDS[4]}.jpg").unlink()
    check = compare(bucket)
    assert (check.compared, check.bytes) == (5, len(other))
    named = {finding.path: finding for finding in check.findings}
    assert named.keys() == {OUT / f"{IDS[1]}.jpg", OUT / f"{IDS[4]}.jpg"}
    changed, gone = (named[OUT / f"{IDS[number]}.jpg"] for number in (1, 4))
    assert "another image" in changed.error.what
    md5 = hashlib.md5(other, usedforsecurity=False).hexdigest()
    assert md5 in str(changed.error.found)
    assert "not have the image any more" in gone.error.what
    # What is here is as it was collected, and may be the only one.
    assert {(each.layer, each.removable) for each in named.values()} == {(Layer.SOURCE, False)}


def test_where_a_server_tells_no_md5_the_images_are_read(tmp_path: Path) -> None:
    fill(tmp_path, IDS)
    with hurried(), Bucket(tmp_path) as bucket:
        bucket.rule("", tagged("0123-2"))  # as of what was put in parts
        check = compare(storage.parse(bucket.images, whole_bucket=True))
    assert (check.compared, check.findings) == (6, ())
    assert check.bytes == sum(len(jpeg(int(each, 16))) for each in IDS)


def test_what_could_not_be_compared_is_named(tmp_path: Path) -> None:
    fill(tmp_path, IDS)
    with hurried(), Bucket(tmp_path) as bucket:
        bucket.rule(IDS[0], answer(403))
        bucket.rule(IDS[2], answer(503))
        check = compare(storage.parse(bucket.images, whole_bucket=True))
    assert check.compared == 4
    assert {finding.path.stem for finding in check.findings} == {IDS[0], IDS[2]}
    assert all("could not be compared" in each.error.what for each in check.findings)


def test_another_bucket_is_refused_and_not_said_of_each_image(tmp_path: Path) -> None:
    many = ids(40)
    with pytest.raises(UsageError, match="none of the first 20 images"):
        compare(tmp_path, many)
    fill(tmp_path, many[:1])
    assert len(compare(tmp_path, many).findings) == 39


@pytest.fixture
def out(openimages: Path, tmp_path: Path) -> Path:
    made = tmp_path / "out"
    shutil.copytree(of_openimages(openimages), made, symlinks=True)
    return made


def test_the_command_compares_each_image_once_and_says_what_it_does_not_compare(
    out: Path, openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = tmp_path / "bucket"
    shutil.copytree(openimages / "bucket", bucket)
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml", "--out", out)
    words = ("--class", "Bear", "--until", "images")  # a second selection, of some of the images
    ran = inprocess.shardmill(monkeypatch, "openimages", *where, *words)
    assert ran.status in {0, 4}, ran.said
    images = sorted((out / "images" / "train").iterdir())
    ran = inprocess.verify(monkeypatch, out, "--against", bucket)
    assert f"images/train: {len(images)} images compared by MD5 with {bucket}" in ran.said
    said = next(line for line in ran.said.splitlines() if line.startswith("not compared with"))
    assert all(each in said for each in ("masks/train", "metadata", "images that were not there"))
    (bucket / "train" / images[0].name).unlink()
    ran = inprocess.verify(monkeypatch, out, "--against", bucket, "--remove-damaged")
    assert (ran.status, images[0].exists()) == (1, True)
    assert "does not have the image any more" in ran.said
    assert f"images/train: {len(images) - 1} images compared" in ran.said
