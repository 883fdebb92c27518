"""Where something lies is read in one function: a path, or the address of an object."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.storage.location import Remote, is_address, is_key, parse

OUT = Remote("s3", "bucket", "a/shards")


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("s3://bucket/a/shards", OUT),
        ("s3://bucket/a/shards/", OUT),
        ("S3://bucket/a b?c#d", Remote("s3", "bucket", "a b?c#d")),
        ("https://host:8080/a%20b/c", Remote("https", "host:8080", "a b/c")),
        ("http://[::1]:80/x", Remote("http", "[::1]:80", "x")),
        ("https://host", Remote("https", "host", "")),
        ("file:///a%20b", Path("/a b")),
        ("file://localhost/a", Path("/a")),
        ("a/b", Path("a/b")),
        ("~/x", Path.home() / "x"),
    ],
)
def test_a_text_says_where_something_lies(text: str, location: Path | Remote) -> None:
    assert parse(text) == location
    assert isinstance(parse(text), type(location))


@pytest.mark.parametrize(
    "location",
    [OUT, Remote("s3", "bucket", "100% ä?#"), Remote("https", "host", "100% ä?#/+&"), parse("/a")],
)
def test_a_location_is_read_back_from_its_text(location: Path | Remote) -> None:
    assert parse(str(location)) == location


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gs://bucket/key", "unknown scheme"),
        ("hdfs://host/key", "unknown scheme"),
        ("s3://", "without a bucket"),
        ("s3:///key", "without a bucket"),
        ("s3://bucket", "nothing in it"),
        ("s3://bucket/", "nothing in it"),
        ("s3://bucket//key", "empty name"),
        ("s3://bucket/a//b", "empty name"),
        ("s3://bucket/a/../b", "empty name"),
        ("s3://bucket/./b", "empty name"),
        ("s3://bucket/\udcff", "not UTF-8"),
        ("s3://bucket/" + "x" * 1025, "too long"),
        ("https://", "without a host"),
        ("https://host:99999/x", "without a host"),
        ("http://host:0/x", "without a host"),
        ("s3:/bucket/x", "one slash"),
        ("file:/x", "one slash"),
        ("https://host/%2e%2e/b", "empty name"),
        ("https://host/%ff", "not UTF-8"),
        ("s3://bucket/a\n", "control character"),
        ("s3://bucket/a/\x1b[31mb", "control character"),
        ("s3://bucket/\x00", "control character"),
        ("https://host/a\tb", "control character"),
        ("https://host/a%0Ab", "control character"),
        ("\ns3://bucket/a", "control character"),
        ("file://other/a", "another machine"),
        ("file:", None),
        ("", "empty or not UTF-8"),
    ],
)
def test_an_address_that_cannot_be_is_refused(text: str, why: str | None) -> None:
    if why is None:
        assert parse(text) == Path(text)
        return
    with pytest.raises(UsageError, match=why):
        parse(text, "--raw")


@pytest.mark.parametrize(
    "text",
    [
        "https://user:secret@host/key",
        "https://host/key?X-Amz-Signature=secret",
        "https://host/key#secret",
        "gs://user:secret@bucket/key?secret",
        "s3://bucket/key?X-Amz-Signature=secret",
        "s3://bucket/key?versionId=secret&x-amz-signature=secret",
        "s3://bucket/key?AWSAccessKeyId=secret&Signature=secret",
    ],
)
def test_no_secret_of_an_address_is_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "--raw")
    assert "secret" not in str(caught.value)
    assert "--raw" in str(caught.value)


@pytest.mark.parametrize("key", ["really?", "a?b=1&c#2", "X-Amz-Date", "a#b/c"])
def test_a_key_may_hold_what_begins_a_query(key: str) -> None:
    assert parse(f"s3://bucket/{key}") == Remote("s3", "bucket", key)


def test_names_are_added_and_taken_off_as_of_a_path() -> None:
    shard = OUT / "tfrecord" / "train-0.tar.gz"
    assert str(shard) == "s3://bucket/a/shards/tfrecord/train-0.tar.gz"
    assert (shard.name, shard.stem, shard.suffix) == ("train-0.tar.gz", "train-0.tar", ".gz")
    assert shard.parent == OUT / "tfrecord"
    assert shard.with_name("x") == OUT / "tfrecord/x"
    assert shard.with_suffix(".idx").name == "train-0.tar.idx"
    assert shard.relative_to(OUT) == "tfrecord/train-0.tar.gz"
    assert sorted([shard, OUT]) == [OUT, shard]
    assert Remote("https", "host", "") / "a" == Remote("https", "host", "a")


@pytest.mark.parametrize("name", ["", "..", "a//b", "/a", "a/./b", "a/"])
def test_no_name_leads_out_of_an_address(name: str) -> None:
    with pytest.raises(UsageError, match="empty name"):
        OUT / name


@pytest.mark.parametrize("other", ["s3://other/a/shards", "s3://bucket/a/shard", "s3://bucket/a"])
def test_what_is_not_below_an_address_has_no_name_there(other: str) -> None:
    with pytest.raises(ValueError, match="not below"):
        parse(other).relative_to(OUT)  # type: ignore[arg-type]


def test_a_remote_is_no_path() -> None:
    with pytest.raises(TypeError):
        open(OUT)  # type: ignore[call-overload]  # noqa: SIM115
    assert is_address("gs://x")
    assert not is_address("/x")


@pytest.mark.parametrize("key", ["a", "a/b", "..a/.b", "a b/%/ä"])
def test_what_an_address_can_end_in(key: str) -> None:
    assert is_key(key)
    assert str(Remote("s3", "bucket", "out") / key) == f"s3://bucket/out/{key}"


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", ".", "a/../b", "a\0b"])
def test_what_no_address_ends_in(key: str) -> None:
    assert not is_key(key)
    with pytest.raises(UsageError):
        _ = Remote("s3", "bucket", "out") / key


@pytest.mark.parametrize("text", ["s3://bucket", "s3://bucket/", "https://host", "http://h:9/"])
def test_a_whole_bucket_is_an_address_where_one_may_stand(text: str) -> None:
    place = parse(text, "--bucket", whole_bucket=True)
    assert isinstance(place, Remote)
    assert place.key == ""
    assert str(place / "train/a.jpg") == f"{text.rstrip('/')}/train/a.jpg"
    assert parse(str(place), "--bucket", whole_bucket=True) == place
