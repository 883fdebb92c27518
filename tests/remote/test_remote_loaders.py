"""Shards in a store, read for training: where they are, and what is fetched of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import documentation
import pyarrow.parquet as pq
import pytest
from commands import shardmill
from faultproxy import SLOW_DOWN, FaultProxy, rule
from finishedoutputs import kept
from s3bucket import Bucket, use_keys
from s3servers import Keys
from storedoutputs import upload
from support import RawSet

from pipeline.errors import CredentialsRefused, ObjectMissing, OutputDamaged, TransientError
from pipeline.loaders.shards import Shards, open_shards
from pipeline.storage import RemoteOptions
from pipeline.storage.s3 import client

pytest_plugins = ["s3stores"]

NAMES = [f"train-{index:05d}-of-00004" for index in range(4)]
BODY = r"GET .*/train-0000\d-of-00004\?.*bytes="


@pytest.fixture
def output(small: RawSet) -> Path:
    """A finished output of this machine, which no test changes."""
    return kept(small).out


@pytest.fixture
def address(bucket: Bucket, output: Path) -> str:
    """The address of a copy of it in a store."""
    return upload(bucket, output)


@pytest.fixture
def proxy(bucket: Bucket) -> Iterator[FaultProxy]:
    """A proxy before the store; nothing is spoiled yet."""
    with FaultProxy(bucket.server.endpoint) as started:
        started.follow()
        yield started


def opened(address: str, cache: Path, endpoint: str, part: tuple[int, int] = (0, 1)) -> Shards:
    options = RemoteOptions(s3_endpoint=endpoint)
    return open_shards(address, "train", "tfrecord", cache=cache, part=part, options=options)


def contents(shards: Shards) -> list[bytes]:
    return [shards.path(name).read_bytes() for name in shards.names]


def fetched(proxy: FaultProxy) -> list[str]:
    """Return the shards that were asked for, by name, sorted."""
    matches = (
        re.search(r"GET .*/(train-0000\d-of-00004)\?.* bytes=0-", each.request)
        for each in proxy.passed()
    )
    return sorted(match[1] for match in matches if match)


def originals(output: Path) -> list[bytes]:
    return [(output / "tfrecord/train/current" / name).read_bytes() for name in NAMES]


def test_the_address_of_the_finished_output_is_printed(
    bucket: Bucket, address: str, output: Path
) -> None:
    words = ("--s3-endpoint", bucket.settings.endpoint)
    digest = os.readlink(output / "tfrecord/train/current")
    run = shardmill("where", address, "train", *words)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == f"{address}/tfrecord/train/{digest}\n"
    for wrong in (("val",), ("train", "--format", "recordio")):
        run = shardmill("where", address, *wrong, *words)
        assert (run.returncode, run.stdout) == (2, "")
        assert "say " in run.stderr
    bucket.remove(f"tfrecord/train/{digest}/idx/{NAMES[1]}")
    run = shardmill("where", address, "train", *words)
    assert (run.returncode, run.stdout) == (1, "")
    assert f"idx/{NAMES[1]}" in run.stderr
    bucket.remove(f"tfrecord/train/{digest}/manifest.json")
    run = shardmill("where", address, "train", *words)
    assert (run.returncode, run.stdout) == (1, "")
    assert "not finished" in run.stderr
    assert shardmill("where", f"{address}/none", "train", *words).returncode == 1


def test_an_image_of_a_store_is_shown(
    bucket: Bucket, address: str, output: Path, tmp_path: Path
) -> None:
    words, saved = ("--s3-endpoint", bucket.settings.endpoint), tmp_path / "saved.jpg"
    facts = pq.read_table(output / "tfrecord/train/current/facts.parquet", columns=["key"])
    run = shardmill("show", address, facts["key"][0].as_py(), "--save", saved, *words)
    assert (run.returncode, run.stderr) == (0, "")
    assert f"{address}/tfrecord/train/" in run.stdout
    assert any(saved.read_bytes() in shard for shard in originals(output))


def test_shards_are_fetched_once_each_and_by_whoever_reads_them(
    address: str, output: Path, proxy: FaultProxy, tmp_path: Path
) -> None:
    shards = opened(address, tmp_path / "cache", proxy.url)
    assert not (tmp_path / "cache").exists()
    assert not fetched(proxy)
    assert contents(shards) == originals(output)
    assert contents(shards) == originals(output)
    assert fetched(proxy) == NAMES
    assert contents(opened(address, tmp_path / "cache", proxy.url)) == originals(output)
    assert fetched(proxy) == NAMES
    proxy.follow()
    half = opened(address, tmp_path / "another", proxy.url, (1, 2))
    assert contents(half) == originals(output)[1::2]
    assert fetched(proxy) == NAMES[1::2]


def test_cut_bodies_and_refusals_for_a_while_change_no_byte(
    address: str, output: Path, proxy: FaultProxy, tmp_path: Path
) -> None:
    faults = [
        rule("cut", BODY, after=5000, every=2),
        rule("answer", BODY, status=503, body=SLOW_DOWN, every=3),
        rule("length", BODY, by=10, every=5),
        rule("flip", BODY, after=900, times=1),
    ]
    shards = opened(address, tmp_path / "cache", proxy.url)
    proxy.follow(*faults)
    assert contents(shards) == originals(output)
    assert {fault for each in proxy.passed() for fault in each.fault} >= {"cut", "answer", "flip"}


def test_a_shard_that_always_arrives_damaged_is_never_read(
    address: str, proxy: FaultProxy, tmp_path: Path
) -> None:
    shards = opened(address, tmp_path / "cache", proxy.url)
    proxy.follow(rule("flip", BODY, after=900))
    with pytest.raises(OutputDamaged) as caught:
        shards.path(NAMES[0])
    assert NAMES[0] in str(caught.value.file)
    assert not list(tmp_path.glob("cache/*"))


def test_a_shard_that_is_replaced_or_gone_is_never_read(
    address: str, bucket: Bucket, output: Path, tmp_path: Path
) -> None:
    shards = opened(address, tmp_path / "cache", bucket.server.endpoint)
    folder = shards.folder.relative_to(bucket.folder)  # type: ignore[arg-type]
    content = originals(output)[0]
    bucket.put(f"{folder}/{NAMES[0]}", content=content[:-1] + b"x")
    bucket.remove(f"{folder}/{NAMES[1]}")
    with pytest.raises((OutputDamaged, TransientError)):
        shards.path(NAMES[0])
    with pytest.raises(ObjectMissing):
        shards.path(NAMES[1])
    with pytest.raises(OutputDamaged, match="not as the manifest says"):
        opened(address, tmp_path / "cache", bucket.server.endpoint)
    assert not list(tmp_path.glob("cache/*"))


def test_processes_that_read_one_shard_at_once_fetch_it_once(
    address: str, output: Path, proxy: FaultProxy, tmp_path: Path
) -> None:
    shards = opened(address, tmp_path / "cache", proxy.url)
    proxy.follow(rule("delay", BODY, seconds=0.5))
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(contents(shards) != originals(output))
            finally:
                os._exit(2)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    assert fetched(proxy) == NAMES
    assert sorted(path.name[0] for path in (tmp_path / "cache").iterdir()).count(".") == 0


def test_wrong_keys_are_said_when_the_dataset_is_opened(
    address: str, bucket: Bucket, aws: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_keys(aws, Keys("admin-key", "another-secret-0123456789"))
    client.forget()
    with pytest.raises(CredentialsRefused):
        opened(address, tmp_path / "cache", bucket.server.endpoint)


def test_tensorflow_reads_a_store_as_documented(
    address: str, bucket: Bucket, aws: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow")
    aws.setenv("AWS_ENDPOINT_URL", bucket.server.endpoint)
    code = documentation.snippet("from pipeline.loaders import tfdata")
    for given, meant in (("s3://BUCKET/PREFIX", address), ("/scratch", str(tmp_path))):
        assert given in code
        code = code.replace(given, meant)
    read: list[int] = []
    exec(f"{code.rstrip()}\n    read.append(int(example['label']))\n", {"read": read})  # noqa: S102
    assert len(read) == 12
