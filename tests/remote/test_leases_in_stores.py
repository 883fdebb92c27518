"""Leases in a store: one of two gets it, whether the store heeds conditions or not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drawnlists import draw_list
from faultproxy import FaultProxy
from outputs3 import Host
from s3bucket import Bucket

from pipeline import paths, storage
from pipeline.state import at_work, lease
from pipeline.storage import Exchanged, RemoteOptions

pytest_plugins = ("s3stores",)


def reached(bucket: Bucket, scratch: Path) -> RemoteOptions:
    return RemoteOptions(s3_endpoint=bucket.server.endpoint, scratch=str(scratch))


@pytest.fixture
def used(bucket: Bucket, tmp_path: Path) -> Iterator[Bucket]:
    """A bucket that this process uses as an output."""
    with storage.using(reached(bucket, tmp_path)):
        storage.watch(bucket.folder)
        yield bucket


def test_of_two_who_want_to_be_alone_one_is(used: Bucket) -> None:
    with lease.alone(used.folder) as first, lease.alone(used.folder) as second:
        assert first is None
        assert second is not None
    assert at_work.at_work(used.folder) == []
    with lease.alone(used.folder) as again:  # an object without a byte is there by now
        assert again is None


def test_of_many_who_put_one_at_once_at_most_one_believes_it(used: Bucket) -> None:
    place = paths.lease(used.folder, "race")
    done = dict[int, Exchanged]()

    def put(number: int) -> None:
        done[number] = storage.exchange(place, b"", str(number).encode())

    threads = [threading.Thread(target=put, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    there = storage.small_documents(place.parent)[place.name]
    believed = [
        number
        for number, what in done.items()
        if what is Exchanged.DONE or (what is Exchanged.PERHAPS and there == str(number).encode())
    ]
    assert [str(number).encode() for number in believed] == [there]
    if used.server.name == "seaweedfs":
        assert list(done.values()).count(Exchanged.REFUSED) == 5


def test_what_has_changed_since_it_was_seen_stays(used: Bucket) -> None:
    place = paths.lease(used.folder, "other")
    storage.publish_bytes(place, b"one")
    assert storage.exchange(place, b"", b"two") is Exchanged.REFUSED
    assert storage.exchange(place, b"another", b"two") is Exchanged.REFUSED
    assert storage.exchange(place, b"one", b"two") is Exchanged.PERHAPS
    assert storage.small_documents(place.parent) == {place.name: b"two"}


def test_status_and_clean_on_another_host_see_who_is_at_work(
    bucket: Bucket, tmp_path: Path
) -> None:
    listed = draw_list(tmp_path / "drawn", images=4)
    endpoint = ("--s3-endpoint", bucket.settings.endpoint)
    words = ("imagelist", listed.path, "--root", listed.root, "--workers", 1)
    here = Host(tmp_path / "here", endpoint)
    run = here.run(*words, "--out", bucket.folder)
    assert run.returncode == 0, run.stderr
    with pytest.MonkeyPatch.context() as patch, storage.using(reached(bucket, tmp_path)):
        storage.watch(bucket.folder)
        patch.setenv(storage.HOST_VARIABLE, "elsewhere")
        with lease.stated(bucket.folder):
            patch.delenv(storage.HOST_VARIABLE)
            status = here.run("status", bucket.folder)
            assert "on elsewhere, since" in status.stdout
            kept = here.run("clean", bucket.folder, "--yes")
            assert "--other-hosts" in kept.stdout
            assert len(at_work.at_work(bucket.folder)) == 1
            gone = here.run("clean", bucket.folder, "--yes", "--other-hosts")
            assert gone.returncode == 0, gone.stderr
            assert at_work.at_work(bucket.folder) == []
    assert leases(bucket) == []


def test_a_command_that_has_nothing_to_do_writes_no_lease(bucket: Bucket, tmp_path: Path) -> None:
    listed = draw_list(tmp_path / "drawn", images=4)
    words = ("imagelist", listed.path, "--root", listed.root, "--no-overlap", "--workers", 1)
    with FaultProxy(bucket.server.endpoint) as proxy:
        here = Host(tmp_path / "here", ("--s3-endpoint", proxy.url))
        assert here.run(*words, "--out", bucket.folder).returncode == 0
        assert leases(bucket) == []
        proxy.follow()
        again = here.run(*words, "--out", bucket.folder)
        assert again.returncode == 0, again.stderr
        asked = [each.request for each in proxy.passed()]
        assert asked
        assert not [each for each in asked if "/leases/" in each], asked


def leases(bucket: Bucket) -> list[Any]:
    """Return the objects of leases, those without a byte, too, by boto3 alone."""
    objects = bucket.plain.list_objects_v2(Bucket=bucket.folder.host)["Contents"]
    return [each for each in objects if "/leases/" in each["Key"]]
