"""Uploads to real stores: what is confirmed, what is refused, what is left behind."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from s3bucket import Bucket, counted

from pipeline.errors import ObjectChanged, TransientError
from pipeline.storage.location import Remote
from pipeline.storage.s3 import listing, multipart, removal, upload
from pipeline.storage.s3.body import OpenedFile
from pipeline.storage.s3.client import connect
from pipeline.storage.s3.listing import ObjectInfo
from pipeline.storage.s3.settings import Settings

pytest_plugins = ["s3stores"]
MIB = 1 << 20


def drawn(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files of more than a MiB sent in parts of 5 MiB."""
    monkeypatch.setattr(upload, "ONE_PUT", MIB)
    monkeypatch.setattr(multipart, "_USUAL_PART", multipart.SMALLEST_PART)


@pytest.mark.parametrize("size", [0, 1, MIB // 2 + 7, 3 * MIB + 7])
def test_a_file_is_one_request_and_comes_back(bucket: Bucket, tmp_path: Path, size: int) -> None:
    content = drawn(size)
    (tmp_path / "shard").write_bytes(content)
    place = bucket.folder / "shard"
    with counted(bucket.client) as sent:
        info = upload.put_file(bucket.client, place, tmp_path / "shard")
    assert sent == ["PutObject"]
    assert info == ObjectInfo(size, hashlib.md5(content).hexdigest())
    assert bucket.content("shard") == content
    assert info == listing.stat(bucket.client, place)
    assert info == listing.read_folder(bucket.client, bucket.folder).objects["shard"]


def test_an_object_is_replaced_as_a_whole(bucket: Bucket) -> None:
    place = bucket.folder / "mark.json"
    upload.put_bytes(bucket.client, place, b"{}" * 1000)
    assert upload.put_bytes(bucket.client, place, b"{}").size == 2
    assert bucket.content("mark.json") == b"{}"


@pytest.mark.parametrize("checksums", ["when_required", "when_supported"])
def test_more_checksums_can_be_asked_for(bucket: Bucket, checksums: str) -> None:
    settings = Settings(endpoint=bucket.server.endpoint, checksums=checksums)
    place = bucket.folder / "object"
    upload.put_bytes(connect(settings), place, b"content")
    assert bucket.content("object") == b"content"


def test_another_md5_than_that_of_the_file_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    """As of a file that changed after it was hashed, or of bytes that changed on their way."""
    (tmp_path / "shard").write_bytes(b"content")
    with pytest.raises(TransientError, match="BadDigest"):
        upload.put_file(bucket.client, bucket.folder / "shard", tmp_path / "shard", b"\0" * 16)
    assert bucket.names() == []


def test_a_long_file_is_sent_in_parts(bucket: Bucket, tmp_path: Path, small_parts: None) -> None:
    content = drawn(11 * MIB + 3)
    (tmp_path / "shard").write_bytes(content)
    place = bucket.folder / "shard"
    with counted(bucket.client) as sent:
        info = upload.put_file(bucket.client, place, tmp_path / "shard")
    assert sent.count("UploadPart") == 3
    assert bucket.content("shard") == content
    assert info == listing.stat(bucket.client, place)
    assert info.size == len(content)
    assert bucket.unfinished() == []


def test_a_file_that_becomes_shorter_while_it_is_sent_leaves_nothing(
    bucket: Bucket, tmp_path: Path, small_parts: None
) -> None:
    path = tmp_path / "shard"
    path.write_bytes(drawn(11 * MIB))
    with OpenedFile(path) as file:
        path.write_bytes(drawn(6 * MIB))
        with pytest.raises(TransientError, match="became shorter"):
            multipart.put(bucket.client, bucket.folder / "shard", file)
    assert bucket.names() == []
    assert bucket.unfinished() == []


def test_an_interrupted_upload_leaves_nothing(
    bucket: Bucket, tmp_path: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shard").write_bytes(drawn(6 * MIB))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(multipart._Upload, "complete", interrupted)
    with pytest.raises(KeyboardInterrupt):
        upload.put_file(bucket.client, bucket.folder / "shard", tmp_path / "shard")
    assert bucket.names() == []
    assert bucket.unfinished() == []


def test_an_upload_that_the_store_has_given_up_is_an_error(
    bucket: Bucket, tmp_path: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shard").write_bytes(drawn(6 * MIB))
    send = multipart._Upload.send

    def send_and_lose(self: multipart._Upload, *args: object) -> None:
        send(self, *args)  # type: ignore[arg-type]
        multipart.abort(bucket.client, self._place, self._id)

    monkeypatch.setattr(multipart._Upload, "send", send_and_lose)
    with pytest.raises(TransientError):
        upload.put_file(bucket.client, bucket.folder / "shard", tmp_path / "shard")
    assert bucket.names() == []


def test_the_answer_to_the_last_request_is_lost(
    bucket: Bucket, tmp_path: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent again, and the store, which has made the object, may know of no upload."""
    content = drawn(6 * MIB)
    (tmp_path / "shard").write_bytes(content)
    complete = multipart._Upload.complete

    def complete_twice(self: multipart._Upload, *args: object) -> object:
        complete(self, *args)  # type: ignore[arg-type]
        return complete(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(multipart._Upload, "complete", complete_twice)
    info = upload.put_file(bucket.client, bucket.folder / "shard", tmp_path / "shard")
    assert info.size == len(content)
    assert bucket.content("shard") == content


def pieces_of(bucket: Bucket, *contents: bytes) -> list[tuple[Remote, ObjectInfo]]:
    places = [bucket.folder / f"piece-{number}" for number in range(len(contents))]
    return [
        (place, upload.put_bytes(bucket.client, place, content))
        for place, content in zip(places, contents, strict=True)
    ]


def test_the_store_joins_objects_if_it_can(bucket: Bucket) -> None:
    contents = [drawn(5 * MIB, 1), drawn(6 * MIB, 2), drawn(1000, 3)]
    pieces = pieces_of(bucket, *contents)
    with counted(bucket.client) as sent:
        info = multipart.join(bucket.client, bucket.folder / "joined", pieces)
    assert "PutObject" not in sent
    assert "UploadPart" not in sent
    if bucket.server.name == "rclone":  # it says nothing of the parts that it copies
        assert info is None
        assert "joined" not in bucket.names()
    else:
        assert info == listing.stat(bucket.client, bucket.folder / "joined")
        assert bucket.content("joined") == b"".join(contents)
    assert bucket.unfinished() == []


def test_pieces_too_small_to_be_parts_are_not_joined(bucket: Bucket) -> None:
    pieces = pieces_of(bucket, b"a", b"b")
    with counted(bucket.client) as sent:
        assert multipart.join(bucket.client, bucket.folder / "joined", pieces) is None
    assert sent == []


def test_a_piece_that_was_replaced_is_noticed(bucket: Bucket) -> None:
    if bucket.server.name == "rclone":
        pytest.skip("rclone heeds no condition, and joins nothing")
    pieces = pieces_of(bucket, drawn(5 * MIB), b"end")
    bucket.put("piece-1", content=b"END")
    with pytest.raises(ObjectChanged, match="piece-1"):
        multipart.join(bucket.client, bucket.folder / "joined", pieces)
    assert "joined" not in bucket.names()
    assert bucket.unfinished() == []


def test_unfinished_uploads_are_found_by_their_age_and_given_up(bucket: Bucket) -> None:
    here, elsewhere = bucket.folder / "shard", bucket.folder.parent / "other"
    assert removal.unfinished(bucket.client, bucket.folder) == []
    for place in (here, elsewhere):
        bucket.plain.create_multipart_upload(Bucket=place.host, Key=place.key)
    found = removal.unfinished(bucket.client, bucket.folder)
    assert found is not None
    assert [each.place for each in found] == [here]
    assert -5 < found[0].age_s < 60
    removal.give_up(bucket.client, found[0])
    removal.give_up(bucket.client, found[0])
    assert bucket.unfinished() == [elsewhere.key]


def test_objects_are_removed_and_those_that_are_not_there_count_as_removed(bucket: Bucket) -> None:
    names = [f"shard-{number}" for number in range(1002)]
    bucket.put(*names[::100], "kept")
    removed = removal.remove(bucket.client, [bucket.folder / name for name in names])
    assert removed == {}
    assert bucket.names() == ["kept"]
