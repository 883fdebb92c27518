"""``status``, ``verify``, ``clean`` and ``where`` of an output in a store."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import documentation
import pytest
from faultproxy import FaultProxy, rule
from outputs3 import Host
from s3bucket import Bucket, use_keys
from s3servers import STRANGER, Keys
from support import RawSet

from pipeline.storage.s3 import client

pytest_plugins = ["s3stores"]

MOST_REQUESTS = 40
SHARD = r"GET .*/train-00001-of-00004\?.* bytes="
DENIED = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"


@pytest.fixture
def host(bucket: Bucket, tmp_path: Path) -> Host:
    """A host that reaches the store."""
    return Host(tmp_path / "host", ("--s3-endpoint", bucket.settings.endpoint))


@pytest.fixture
def another(bucket: Bucket, tmp_path: Path) -> Host:
    """Another host, which knows of the output what lies in the store."""
    return Host(tmp_path / "another", ("--s3-endpoint", bucket.settings.endpoint))


def prepared(host: Host, raw: RawSet, bucket: Bucket, *words: object) -> None:
    """Prepare a set into a bucket."""
    place = ("--raw", raw.raw, "--config", raw.config, "--out", bucket.folder, "--no-boxes")
    run = host.run("imagenet", *place, "--workers", 1, *words)
    assert run.returncode == 0, run.stderr


def stored(bucket: Bucket, raw: RawSet) -> str:
    """Put the archives of a set beside the output; return their address."""
    place = bucket.folder.parent / "raw"
    for path in raw.raw.glob("*.tar*"):
        key = (place / path.name).key
        bucket.plain.put_object(Bucket=place.host, Key=key, Body=path.read_bytes())
    return str(place)


def shard(bucket: Bucket, number: int = 1) -> str:
    """Return the name of a shard of the current output for training."""
    digest = bucket.content("tfrecord/train/current").decode().strip()
    return f"tfrecord/train/{digest}/train-{number:05d}-of-00004"


def test_another_host_says_how_far_it_is_by_what_is_published(
    bucket: Bucket, small: RawSet, host: Host, another: Host
) -> None:
    prepared(host, small, bucket)
    told = host.run("status", bucket.folder)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "last end on this host" in told.stdout
    told = another.run("status", bucket.folder)
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count("complete, ") == 2
    assert "no command is at work on this host" in told.stdout
    assert "last end" not in told.stdout
    name = shard(bucket)
    digest = name.split("/")[2]
    bucket.remove(name, f".shardmill/shards/{digest}/00001.json")
    told = another.run("status", bucket.folder)
    assert told.returncode == 1
    assert "3 of 4 shards" in told.stdout
    assert "would run: write 1 shard, write the manifest" in told.stdout
    where = another.run("where", bucket.folder, "train")
    assert (where.returncode, where.stdout) == (1, "")
    prepared(another, small, bucket)
    assert another.run("status", bucket.folder).returncode == 0
    where = host.run("where", bucket.folder, "train")
    assert where.stdout == f"{bucket.folder}/tfrecord/train/{digest}\n"


def test_looking_asks_for_no_object_but_what_is_read(
    bucket: Bucket, small: RawSet, host: Host, tmp_path: Path
) -> None:
    prepared(host, small, bucket)
    with FaultProxy(bucket.server.endpoint) as proxy:
        behind = Host(tmp_path / "behind", ("--s3-endpoint", proxy.url))
        for words in ("status {}", "where {} train", "clean {}"):
            proxy.follow()
            assert behind.run(*words.format(bucket.folder).split()).returncode == 0
            asked = [each.request for each in proxy.passed()]
            assert not [request for request in asked if request.startswith("HEAD")], asked
            assert len(asked) <= MOST_REQUESTS, asked


def test_verify_reads_everything_and_removes_what_is_damaged(
    bucket: Bucket, small: RawSet, host: Host, another: Host
) -> None:
    prepared(host, small, bucket)
    words = ("verify", bucket.folder, "--workers", 1)
    for raw in (small.raw, stored(bucket, small)):
        read = another.run(*words, "--against", raw)
        assert read.returncode == 0, read.stdout + read.stderr
        assert "12 compared with their sources" in read.stdout
    assert "everything is as it was written" in read.stdout
    name = shard(bucket)
    content = bucket.content(name)
    bucket.put(name, content=content[:500] + bytes([content[500] ^ 1]) + content[501:])
    read = another.run(*words)
    assert read.returncode == 1
    assert f"{bucket.folder}/{name}" in read.stderr
    assert bucket.names()
    read = another.run(*words, "--remove-damaged")
    assert read.returncode == 1
    assert f"removed: {bucket.folder}/{name}" in read.stdout
    assert name not in bucket.names()
    prepared(host, small, bucket)
    assert bucket.content(name) == content
    assert another.run(*words).returncode == 0


def test_what_cannot_be_read_is_neither_whole_nor_damaged(
    bucket: Bucket, small: RawSet, host: Host, tmp_path: Path
) -> None:
    prepared(host, small, bucket)
    before = bucket.names()
    words = ("verify", bucket.folder, "--workers", 1, "--remove-damaged")
    with FaultProxy(bucket.server.endpoint) as proxy:
        behind = Host(tmp_path / "behind", ("--s3-endpoint", proxy.url))
        proxy.follow(rule("flip", SHARD, after=500, times=1))
        read = behind.run(*words)
        assert [each for each in proxy.passed() if each.fault]
        assert read.returncode == 0, read.stderr
        proxy.follow(rule("answer", SHARD, status=403, body=DENIED))
        read = behind.run(*words)
    assert read.returncode not in {0, 4}
    assert "everything is" not in read.stdout
    assert "removed" not in read.stdout
    assert bucket.names() == before


def test_clean_removes_superseded_outputs_after_asking_and_nothing_else(
    bucket: Bucket, small: RawSet, host: Host, another: Host
) -> None:
    prepared(host, small, bucket, "--split", "train")
    old = shard(bucket).rpartition("/")[0]
    prepared(host, small, bucket, "--split", "train", "--label-offset", 0)
    bucket.put(f"{old}/notes.txt")
    before = bucket.names()
    told = another.run("clean", bucket.folder, "--dry-run")
    assert told.returncode == 0
    assert f"superseded output: {bucket.folder}/{old}, " in told.stdout
    assert bucket.names() == before
    done = another.run("clean", bucket.folder, "--yes")
    assert done.returncode == 0, done.stderr
    gone = set(before) - set(bucket.names())
    digest = old.rpartition("/")[2]
    assert {name for name in gone if digest not in name} == set()
    assert f"{old}/manifest.json" in gone
    assert f"{old}/notes.txt" not in gone
    assert [name for name in bucket.names() if digest in name] == [f"{old}/notes.txt"]
    assert "nothing to remove" in another.run("clean", bucket.folder).stdout
    assert another.run("verify", bucket.folder, "--workers", 1).returncode == 0
    assert host.run("status", bucket.folder).returncode == 0


def test_clean_gives_up_old_uploads_of_its_own_files(
    bucket: Bucket, small: RawSet, host: Host
) -> None:
    prepared(host, small, bucket, "--split", "train")
    own, foreign = shard(bucket), "tfrecord/train/somebody's.tar"
    for name in (own, foreign):
        key = (bucket.folder / name).key
        bucket.plain.create_multipart_upload(Bucket=bucket.folder.host, Key=key)
    if not bucket.unfinished():
        pytest.skip("the store does not list unfinished uploads")
    told = host.run("clean", bucket.folder, "--yes")
    assert told.returncode == 0, told.stderr
    assert f"kept: unfinished upload: {bucket.folder}/{own}" in told.stdout
    assert "somebody" not in told.stdout
    assert len(bucket.unfinished()) == 2
    told = host.run("clean", bucket.folder, "--yes", "--uploads-after", 0)
    assert told.returncode == 0, told.stderr
    assert "given up: 1 unfinished upload" in told.stdout
    assert bucket.unfinished() == [(bucket.folder / foreign).key]


def test_without_rights_clean_says_so_and_removes_nothing(
    bucket: Bucket, small: RawSet, host: Host, another: Host, aws: pytest.MonkeyPatch
) -> None:
    if bucket.server.name == "rclone":
        pytest.skip("rclone has no rights")
    prepared(host, small, bucket, "--split", "train")
    prepared(host, small, bucket, "--split", "train", "--label-offset", 0)
    bucket.allow_all_but_removal()
    use_keys(aws, STRANGER)
    client.forget()
    before = bucket.names()
    done = another.run("clean", bucket.folder, "--yes")
    assert done.returncode == 1
    assert "s3:DeleteObject" in done.stderr
    assert "removed:" not in done.stdout
    assert bucket.names() == before


def test_where_uploads_may_not_be_listed_nothing_is_called_clean(
    bucket: Bucket, small: RawSet, host: Host, tmp_path: Path
) -> None:
    prepared(host, small, bucket, "--split", "train")
    with FaultProxy(bucket.server.endpoint) as proxy:
        proxy.follow(rule("answer", "[?&]uploads", status=403, body=DENIED))
        behind = Host(tmp_path / "behind", ("--s3-endpoint", proxy.url))
        told = behind.run("clean", bucket.folder)
    assert told.returncode == 1
    assert "unfinished uploads are not known" in told.stderr
    assert "s3:ListBucketMultipartUploads" in told.stderr


@pytest.mark.parametrize("words", ["status {}", "verify {}", "clean {} --yes", "where {} train"])
def test_a_store_that_cannot_be_read_is_never_complete_nor_clean(
    bucket: Bucket, host: Host, aws: pytest.MonkeyPatch, words: str
) -> None:
    bucket.put("tfrecord/train/current", content=b"0123456789ab\n")
    nowhere = bucket.folder.parent / "none"
    run = host.run(*words.format(nowhere).split())
    assert run.returncode in {1, 2}
    missing = str(bucket.folder).replace(bucket.folder.host, "no-such-bucket-here")
    run = host.run(*words.format(missing).split())
    assert (run.returncode, run.stdout) == (2, "")
    assert "no-such-bucket-here" in run.stderr
    use_keys(aws, Keys("admin-key", "another-secret-0123456789"))
    client.forget()
    run = host.run(*words.format(bucket.folder).split())
    assert (run.returncode, run.stdout) == (2, "")
    assert "another-secret" not in run.stderr


@pytest.mark.parametrize("line", documentation.of_stores())
def test_every_documented_command_of_an_output_in_a_store_does_what_it_says(
    line: str, bucket: Bucket, small: RawSet, host: Host
) -> None:
    prepared(host, small, bucket)
    line = re.sub(r"s3://[A-Z/]+", str(bucket.folder), line).replace("RAW", str(small.raw))
    program, *words = shlex.split(line)
    assert program == "shardmill"
    run = host.run(*words)
    assert run.returncode == 0, run.stdout + run.stderr
