"""Downloads that several servers and stores may have: who is asked, and what is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fetching_here import NAME, PART, THREE_PARTS, Here, a_tar, archive_at
from loopback import Handler, Loopback, answer, serve

from pipeline.errors import (
    CredentialsRefused,
    NoSuchBucket,
    RemoteUnavailable,
    ShardmillError,
)
from pipeline.storage import RemoteOptions
from pipeline.storage.http.objects import RemoteObject
from pipeline.storage.location import Remote


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback(THREE_PARTS) as server:
        yield server


@pytest.fixture
def mirror() -> Iterator[Loopback]:
    with Loopback(THREE_PARTS) as mirror:
        yield mirror


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.storage.http.fetch.parts.PART", PART)


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path / "raw")


def test_a_mirror_that_has_another_file_is_named_and_the_next_one_is_tried(
    server: Loopback, mirror: Loopback, here: Here
) -> None:
    mirror.content = a_tar(2 * PART + 10_000, seed=5)
    assert here.fetch(archive_at(server), mirrors=(mirror.url,))
    assert here.file.read_bytes() == THREE_PARTS
    assert f"{mirror.url}/{NAME}: the server has another file" in here.text


def test_parts_of_a_mirror_that_went_away_are_of_use(
    server: Loopback, mirror: Loopback, here: Here
) -> None:
    here.connections = 1
    here.watch = lambda done: mirror.script.extend([answer(503)] * 20) if done >= PART else None
    assert here.fetch(archive_at(server), mirrors=(mirror.url,))
    assert here.file.read_bytes() == THREE_PARTS
    assert f"bytes=0-{PART - 1}" not in [seen.range for seen in server.seen]
    assert f"some of them from {mirror.url}" in here.text


def test_parts_of_a_mirror_with_another_file_are_fetched_again(
    server: Loopback, mirror: Loopback, here: Here
) -> None:
    mirror.content = a_tar(2 * PART + 10_000, seed=5)
    here.connections = 1
    here.watch = lambda done: mirror.script.extend([answer(503)] * 20) if done >= PART else None
    assert here.fetch(archive_at(server), mirrors=(mirror.url,))
    assert here.file.read_bytes() == THREE_PARTS
    assert "the whole has another MD5" in here.text


def test_no_mirror_is_left(server: Loopback, mirror: Loopback, here: Here) -> None:
    server.script.extend([answer(404)] * 9)
    mirror.script.extend([answer(503)] * 99)
    with pytest.raises(RemoteUnavailable) as caught:  # which is worth another try
        here.fetch(archive_at(server), mirrors=(mirror.url,))
    assert mirror.url in str(caught.value)
    assert server.url in str(caught.value)
    assert here.hidden() == []


@dataclass
class Stored:
    """A folder of a store whose objects are those of a server, signed anew each time.

    Attributes:
        refused: what the store says of each object; None: it signs an address.
        signed: the objects that were signed.
    """

    root: Remote
    server: Loopback
    refused: ShardmillError | None = None
    signed: list[str] = field(default_factory=list)

    def location(self, source: str) -> Remote:
        return self.root / source

    def find(self, source: str, *, again: bool = False) -> RemoteObject | None:
        assert again
        if self.refused is not None:
            raise self.refused
        self.signed.append(str(self.location(source)))
        url = f"{self.server.url}?signature=s1gned{len(self.signed)}"
        return RemoteObject(self.signed[-1], url, len(self.server.content), self.server.etag)

    def renew(self, source: str, stale: RemoteObject, /) -> RemoteObject:
        assert str(self.location(source)) == stale.name
        self.signed.append(stale.name)
        return replace(stale, url=f"{self.server.url}?signature=s1gned{len(self.signed)}")


def test_an_object_of_s3_is_read_by_what_was_signed(server: Loopback, here: Here) -> None:
    stores = list[Stored]()

    def objects(folder: Remote, _options: RemoteOptions) -> Stored:
        stores.append(Stored(folder, server))
        return stores[-1]

    def expired(handler: Handler) -> None:
        code = b"<Error><Code>ExpiredToken</Code></Error>"
        old = handler.path.endswith("s1gned1")
        handler.send(403, {}, code) if old else serve(handler)

    server.script.extend([serve, *[expired] * 9])
    archive = replace(archive_at(server), url="-")
    assert here.fetch(archive, mirrors=("s3://bucket/folder",), objects=objects)
    assert here.file.read_bytes() == THREE_PARTS
    assert stores[-1].signed == [f"s3://bucket/folder/{NAME}"] * 2  # all parts share the new one
    record = (here.raw / f".{NAME}.fetched").read_text()
    assert "s1gned" not in record + here.text
    assert stores[-1].signed[0] in record


NO_BUCKET = NoSuchBucket("there is no such bucket", file="s3://bucket", found="NoSuchBucket")
NO_KEYS = CredentialsRefused("the store does not know the access key", remedy="check the keys")


def test_a_store_that_refuses_is_passed_over(server: Loopback, here: Here) -> None:
    stores = ("s3://bucket/folder", "s3://other/folder")
    assert here.fetch(
        archive_at(server),
        mirrors=stores,
        objects=lambda folder, _: Stored(folder, server, NO_BUCKET),
    )
    assert here.file.read_bytes() == THREE_PARTS
    passed = [line for line in here.said if "the next mirror is tried" in line]
    assert [line.split(": ")[0] for line in passed] == [f"{each}/{NAME}" for each in stores]


def test_where_no_mirror_has_it_each_is_named_with_its_reason(server: Loopback, here: Here) -> None:
    refusals = {"bucket": NO_BUCKET, "other": NO_KEYS}
    server.script.extend([answer(404)] * 9)
    with pytest.raises(ShardmillError) as caught:
        here.fetch(
            archive_at(server),
            mirrors=("s3://bucket/folder", "s3://other/folder"),
            objects=lambda folder, _: Stored(folder, server, refusals[folder.host]),
        )
    lines = str(caught.value).splitlines()
    assert str(here.file) in lines[0]
    assert "there is no such bucket" in lines[1]
    assert "does not know the access key" in lines[2]
    assert "no such file" in lines[3]
    assert caught.value.remedy == "check the keys"
    assert caught.value.exit_status == 3


def test_the_only_store_is_refused_in_its_own_words(server: Loopback, here: Here) -> None:
    archive = replace(archive_at(server), url="-")
    with pytest.raises(NoSuchBucket) as caught:
        here.fetch(
            archive,
            mirrors=("s3://bucket/folder",),
            objects=lambda folder, _: Stored(folder, server, NO_BUCKET),
        )
    assert (caught.value.exit_status, caught.value.file) == (2, "s3://bucket")
