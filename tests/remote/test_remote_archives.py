"""Archives in a store or on a web server are read by ranges, and give the bytes of local ones."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import documentation
import pytest
from faultproxy import FaultProxy, rule
from nginx import Nginx
from s3bucket import Bucket
from support import RawSet, command, products, shardmill

pytest_plugins = ("webservers", "s3stores")

FORMATS = ("--format", "tfrecord,recordio,webdataset")
ALL = (*FORMATS, "--export", "parquet", "--with", "validation-boxes")
RANGES = ("--stage", "none")


def prepared(raw: object, config: Path, out: Path, *words: object) -> dict[str, str]:
    """Prepare a set in all formats; return the bytes of what is made."""
    run = shardmill("imagenet", "--raw", raw, "--config", config, "--out", out, *ALL, *words)
    assert run.returncode == 0, run.stderr
    return products(out)


@pytest.fixture(scope="session")
def of_local(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is made of archives on a disk."""
    return prepared(sample.raw, sample.config, tmp_path_factory.mktemp("local") / "out")


def uploaded(bucket: Bucket, raw: RawSet) -> str:
    """Put the archives of a set into a bucket; return their address."""
    for path in sorted(raw.raw.iterdir()):
        if path.is_file():
            bucket.put(path.name, content=path.read_bytes())
    return str(bucket.folder)


@pytest.mark.parametrize("workers", [1, 4])
def test_archives_in_s3_give_the_bytes_of_local_ones(
    bucket: Bucket, sample: RawSet, of_local: dict[str, str], out: Path, workers: int
) -> None:
    raw = uploaded(bucket, sample)
    words = ("--s3-endpoint", bucket.settings.endpoint, "--workers", workers, *RANGES)
    assert prepared(raw, sample.config, out, *words) == of_local


@pytest.mark.parametrize("workers", [1, 4])
def test_archives_on_a_web_server_give_the_bytes_of_local_ones(
    nginx: Nginx,
    served: Path,
    sample: RawSet,
    of_local: dict[str, str],
    out: Path,
    workers: int,
) -> None:
    folder = served / "set"
    if not folder.exists():
        folder.symlink_to(sample.raw)
    raw = f"{nginx.url}/set"
    assert prepared(raw, sample.config, out, "--workers", workers, *RANGES) == of_local


@pytest.fixture
def raw_behind(web_proxy: FaultProxy, served: Path, sample: RawSet) -> str:
    """The address of the sample, by the proxy; nothing is spoiled yet."""
    if not (served / "set").exists():
        (served / "set").symlink_to(sample.raw)
    web_proxy.follow()
    return f"{web_proxy.url}/set"


IMAGES = r"img_(train|val)\.tar.* bytes=[1-9]"
"""Ranges that do not begin an archive: images, and not the pass that verifies it."""


def test_what_a_server_does_wrong_for_a_while_changes_no_byte(
    raw_behind: str, web_proxy: FaultProxy, sample: RawSet, of_local: dict[str, str], out: Path
) -> None:
    faults = [
        rule("cut", after=300, every=5),
        rule("answer", status=503, every=7),
        rule("answer", status=429, headers={"Retry-After": "0"}, every=11),
        rule("length", "bytes=", by=10, every=13),
        rule("flip", IMAGES, after=200, skip=3, times=1),
    ]
    web_proxy.follow(*faults)
    assert prepared(raw_behind, sample.config, out, *RANGES) == of_local
    done = {fault for each in web_proxy.passed() for fault in each.fault}
    assert done == {"cut", "answer", "length", "flip"}


def test_an_image_that_always_comes_damaged_reaches_no_shard(
    raw_behind: str, web_proxy: FaultProxy, sample: RawSet, out: Path
) -> None:
    web_proxy.follow(rule("flip", IMAGES, after=200))
    words = ("--raw", raw_behind, "--config", sample.config, "--out", out, "--no-boxes")
    run = shardmill("imagenet", *words, *RANGES)
    assert run.returncode != 0
    assert "is not what it was when its archive was verified" in run.stderr
    assert not list(out.glob("tfrecord/*/*/*-of-*"))


def test_a_finished_output_asks_the_server_nothing_and_can_be_compared_with_it(
    raw_behind: str, web_proxy: FaultProxy, sample: RawSet, of_local: dict[str, str], out: Path
) -> None:
    assert prepared(raw_behind, sample.config, out, *RANGES) == of_local
    web_proxy.follow()
    assert prepared(raw_behind, sample.config, out, *RANGES) == of_local
    assert not web_proxy.passed()
    read = shardmill("verify", out, "--against", raw_behind)
    assert read.returncode == 0, read.stdout + read.stderr
    assert web_proxy.passed("bytes=")


def test_a_web_server_that_tells_no_versions_apart_is_enough(
    raw_behind: str, web_proxy: FaultProxy, sample: RawSet, of_local: dict[str, str], out: Path
) -> None:
    nothing = rule("headers", headers={"ETag": None, "Last-Modified": None})
    web_proxy.follow(nothing)
    assert prepared(raw_behind, sample.config, out, "--workers", 2, *RANGES) == of_local
    assert len(web_proxy.passed("img_train.tar bytes=0-")) == 1  # verified once
    assert prepared(raw_behind, sample.config, out, *RANGES) == of_local


def test_the_status_of_an_output_whose_archives_cannot_be_seen_is_told_without_them(
    raw_behind: str, web_proxy: FaultProxy, sample: RawSet, out: Path
) -> None:
    words = ("--raw", raw_behind, "--config", sample.config, "--out", out, "--no-boxes")
    assert shardmill("imagenet", *words, *RANGES).returncode == 0
    for status in (403, 501):
        web_proxy.follow(rule("answer", status=status))
        told = shardmill("status", out)
        assert told.returncode == 0, told.stdout + told.stderr
        assert "what is there is told without it" in told.stdout
        assert f"{raw_behind}/ILSVRC2012_img_train.tar" in told.stdout
        assert "complete" in told.stdout
    web_proxy.follow()
    assert "without it" not in shardmill("status", out).stdout


def test_an_archive_that_is_replaced_after_it_was_verified_reaches_no_shard(
    bucket: Bucket, sample: RawSet, out: Path
) -> None:
    raw = uploaded(bucket, sample)
    words = ("--raw", raw, "--config", sample.config, "--out", out, "--no-boxes")
    store = ("--s3-endpoint", bucket.settings.endpoint, *RANGES)
    assert shardmill("imagenet", *words, *store, "--until", "verify").returncode == 0
    name = "ILSVRC2012_img_train.tar"
    content = bytearray((sample.raw / name).read_bytes())
    content[-2000] ^= 1
    bucket.put(name, content=bytes(content))
    run = shardmill("imagenet", *words, *store)
    assert run.returncode == 3, run.stderr
    assert f"{raw}/{name}" in run.stderr
    assert not list(out.glob("tfrecord/train/*/*-of-*"))
    bucket.put(name, content=(sample.raw / name).read_bytes())
    assert shardmill("imagenet", *words, *store).returncode == 0


def test_a_killed_command_goes_on(
    raw_behind: str, web_proxy: FaultProxy, sample: RawSet, of_local: dict[str, str], out: Path
) -> None:
    web_proxy.follow(rule("delay", IMAGES, seconds=0.2))
    words = ("imagenet", "--raw", raw_behind, "--config", sample.config, "--out", out, *ALL)
    with subprocess.Popen(command(*words, *RANGES), start_new_session=True) as run:
        while not list(out.glob("*/*/*/*-of-*")):
            assert run.poll() is None
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGKILL)
    web_proxy.follow()
    assert prepared(raw_behind, sample.config, out, *RANGES) == of_local


@pytest.mark.parametrize(
    "line",  # the bucket of Open Images is real: `test_bucketcheck.py` has one of its own
    [line for line in documentation.with_addresses() if "open-images" not in line],
)
def test_every_documented_command_with_an_address_does_what_it_says(
    line: str, raw_behind: str, bucket: Bucket, sample: RawSet, out: Path
) -> None:
    address = uploaded(bucket, sample) if "s3://" in line else raw_behind
    program, *words = re.sub(r"(s3|https)://[A-Z/]+", address, line).split()
    assert program == "shardmill"
    places = {"OUT": str(out), "STAGE": str(out.with_name("stage"))}
    given = [places.get(word, word) for word in words]
    store = ("--s3-endpoint", bucket.settings.endpoint, "--config", sample.config)
    run = shardmill(*given, *store)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("stage", ["none", "copied"])
def test_what_a_configuration_leaves_out_is_recorded_of_archives_on_a_web_server(
    nginx: Nginx, served: Path, small: RawSet, tmp_path: Path, stage: str
) -> None:
    own = small.copy(tmp_path / "own")
    left_out = re.sub("(?m)^(?:md5|counts|images|bytes) = .*\n", "", own.config.read_text())
    own.config.write_text(left_out)
    if not (served / "small").exists():
        (served / "small").symlink_to(small.raw)
    url = f"{nginx.url}/small"
    words = ("--stage", stage if stage == "none" else tmp_path / stage, "--split", "train")
    made = []
    for name, raw, config in (("own", url, own.config), ("local", small.raw, small.config)):
        where = ("--raw", raw, "--config", config, "--out", tmp_path / f"{name}-out")
        run = shardmill("imagenet", *where, *(words if name == "own" else words[2:]))
        assert run.returncode == 0, run.stderr
        made.append(products(tmp_path / f"{name}-out"))
    assert made[0] == made[1]
