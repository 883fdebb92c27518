"""Large files of an output in a real store: sent in parts, or joined by the store itself."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from faultproxy import SLOW_DOWN, rule
from outputbucket import Output

from pipeline import manifest, storage
from pipeline.errors import ObjectChanged, RemoteUnavailable
from pipeline.storage import StagedFile, staged_file
from pipeline.storage.s3 import multipart, upload

pytest_plugins = ["outputstores"]
MIB = 1 << 20
PART = multipart.SMALLEST_PART


def drawn(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files of more than a MiB sent in parts of 5 MiB."""
    monkeypatch.setattr(upload, "ONE_PUT", MIB)
    monkeypatch.setattr(staged_file, "ONE_PUT", MIB)
    monkeypatch.setattr(multipart, "_USUAL_PART", PART)


def put(output: Output, name: str, content: bytes) -> None:
    with StagedFile(output.place / name) as staged:
        staged.write(content)
        storage.publish(staged)


def join(output: Output, *names: str, more: bytes = b"") -> StagedFile:
    """Write one file of several, and some bytes behind them."""
    with StagedFile(output.place / "joined.rec") as staged:
        for name in names:
            with (
                staged.copying(output.place / name),
                storage.open_ranges(output.place / name) as reader,
            ):
                offset = 0
                while view := reader.read(offset, MIB):
                    offset += staged.write(view)
        if more:
            staged.write(more)
        staged.content_hash  # noqa: B018
        storage.publish(staged)
    return staged


def test_a_long_file_is_sent_in_parts(output: Output) -> None:
    content = drawn(11 * MIB + 3)
    put(output, "a.tar", content)
    assert output.bucket.content("a.tar") == content
    assert output.bucket.unfinished() == []
    assert output.requests().count("PUT") == 3
    info = storage.stat(output.place / "a.tar")
    assert info is not None
    assert info.size == len(content)
    storage.renew()
    assert storage.stat(output.place / "a.tar") == info


def test_of_a_long_file_that_is_refused_nothing_is_there(output: Output) -> None:
    output.proxy.follow(rule("answer", "PUT .*partNumber=2", status=503, body=SLOW_DOWN))
    with pytest.raises(RemoteUnavailable, match=r"a\.tar"):
        put(output, "a.tar", drawn(11 * MIB))
    assert output.bucket.names() == []
    assert output.bucket.unfinished() == []
    assert storage.unfinished_uploads(output.place) == []


def test_unfinished_uploads_are_listed_and_given_up(output: Output) -> None:
    assert storage.unfinished_uploads(output.place) == []
    place = output.place / "set/a.tar"
    output.bucket.plain.create_multipart_upload(Bucket=place.host, Key=place.key)
    uploads = storage.unfinished_uploads(output.place)
    assert [(each.place, each.age_s < 600) for each in uploads] == [(place, True)]
    storage.give_up(uploads[0])
    assert storage.unfinished_uploads(output.place) == []


def test_a_store_joins_its_own_objects(output: Output) -> None:
    parts = [drawn(PART + number, number) for number in range(3)]
    for number, part in enumerate(parts):
        put(output, f"{number}.rec", part)
    output.proxy.follow()
    staged = join(output, "0.rec", "1.rec", "2.rec")
    assert output.bucket.content("joined.rec") == b"".join(parts)
    assert (staged.size, staged.content_hash) == (
        len(b"".join(parts)),
        manifest.hash_bytes(b"".join(parts)),
    )
    if output.bucket.server.name == "seaweedfs":
        sent = [each for each in output.proxy.passed("PUT") if each.request]
        assert len(sent) == 3  # copies of parts, without a byte of them
    assert output.temporary_files() == []
    assert output.bucket.unfinished() == []


@pytest.mark.parametrize(("size", "more"), [(1000, b""), (PART, b"tail"), (PART, drawn(2 * MIB))])
def test_what_a_store_cannot_join_is_sent(output: Output, size: int, more: bytes) -> None:
    parts = [drawn(size, number) for number in range(2)]
    for number, part in enumerate(parts):
        put(output, f"{number}.rec", part)
    staged = join(output, "0.rec", "1.rec", more=more)
    content = b"".join(parts) + more
    assert output.bucket.content("joined.rec") == content
    assert (staged.size, staged.content_hash) == (len(content), manifest.hash_bytes(content))


def test_a_local_file_is_copied_as_always(output: Output, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    for target in (tmp_path / "b", output.place / "b"):
        with StagedFile(target) as staged:
            with staged.copying(tmp_path / "a"):
                staged.write(b"content")
            storage.publish(staged)
    assert (tmp_path / "b").read_bytes() == output.bucket.content("b") == b"content"


def test_an_object_that_is_replaced_while_it_is_joined_is_noticed(output: Output) -> None:
    put(output, "0.rec", drawn(PART))
    with StagedFile(output.place / "joined.rec") as staged:
        with staged.copying(output.place / "0.rec"):
            staged.write(drawn(PART))
        output.bucket.put("0.rec", content=drawn(PART, 7))
        with pytest.raises(ObjectChanged):
            storage.publish(staged)
    assert "joined.rec" not in output.bucket.names()
    with (
        StagedFile(output.place / "joined.rec") as staged,
        pytest.raises(ObjectChanged),
        staged.copying(output.place / "0.rec"),
    ):
        staged.write(b"less than it has")
