"""Listings of real stores: sizes, documents, folders and single objects."""

from __future__ import annotations

import hashlib

import pytest
from s3bucket import Bucket, counted, use_keys
from s3servers import Keys

from pipeline.errors import CredentialsRefused, NoSuchBucket, UsageError
from pipeline.storage.location import Remote
from pipeline.storage.s3 import client, listing, upload
from pipeline.storage.s3.kept import Listings
from pipeline.storage.s3.listing import ObjectInfo
from pipeline.storage.s3.settings import Settings

pytest_plugins = ["s3stores"]
X = ObjectInfo(1, hashlib.md5(b"x").hexdigest())
ODD = ("a b+c", "ä€", "100%25", "#?&", "<x>&amp;", '"q"', "'", "~*()", "trailing ", "line\nbreak")


def test_a_folder_is_listed_once_for_all_questions(bucket: Bucket) -> None:
    bucket.put("a.json", "b.json", ".hidden.json", "c.bin", "deep/d.json", "deep/er/e")
    asked = Listings(bucket.settings)
    with counted(bucket.client) as sent:
        names = ("a.json", "b.json", ".hidden.json", "c.bin")
        assert asked.of(bucket.folder) == listing.Listing(dict.fromkeys(names, X), {"deep"})
        assert asked.stat(bucket.folder / "c.bin") == X
        assert asked.stat(bucket.folder / "none") is None
    assert sent == ["ListObjectsV2"]


def test_a_folder_that_nobody_made_holds_nothing(bucket: Bucket) -> None:
    asked = Listings(bucket.settings)
    assert asked.of(bucket.folder / "none") == listing.Listing()


def test_a_watched_folder_answers_for_objects_below_it_from_listings(bucket: Bucket) -> None:
    bucket.put("marks/a.json")
    asked = Listings(bucket.settings)
    asked.watch(bucket.folder)
    with counted(bucket.client) as sent:
        marks = bucket.folder / "marks"
        assert [asked.stat(marks / f"{each}.json") for each in "abc"] == [X, None, None]
    assert sent == ["ListObjectsV2"]


def test_own_writes_show_at_once_and_those_of_others_when_renewed(bucket: Bucket) -> None:
    asked = Listings(bucket.settings)
    assert asked.of(bucket.folder) == listing.Listing()
    mark = bucket.folder / "new/mark.json"
    asked.wrote(mark, upload.put_bytes(bucket.client, mark, b"{}"))
    asked.wrote(bucket.folder / "a", upload.put_bytes(bucket.client, bucket.folder / "a", b"x"))
    bucket.put("b")
    assert asked.of(bucket.folder) == listing.Listing({"a": X}, {"new"})
    asked.renew()
    assert asked.of(bucket.folder) == listing.Listing({"a": X, "b": X}, {"new"})
    asked.removed(bucket.folder / "a")
    assert asked.of(bucket.folder).objects == {"b": X}


def test_more_than_a_page_of_odd_names_is_listed_in_order(bucket: Bucket) -> None:
    names = [f"train-{number:05d}" for number in range(1005)]
    bucket.put(*names, *ODD)
    bucket.put("deep/last")
    everything = dict(listing.walk(bucket.client, bucket.folder))
    assert everything == dict.fromkeys([*names, *ODD, "deep/last"], X)
    assert [each for each in everything if each in names] == names
    assert listing.read_folder(bucket.client, bucket.folder) == listing.Listing(
        dict.fromkeys([*names, *ODD], X), {"deep"}
    )


def test_what_another_key_only_begins_with_is_not_in_the_folder(bucket: Bucket) -> None:
    bucket.put("a/1", "ab/2", "a.json")
    assert listing.read_folder(bucket.client, bucket.folder / "a") == listing.Listing({"1": X})
    assert [name for name, _ in listing.walk(bucket.client, bucket.folder / "a")] == ["1"]


def test_one_object_takes_one_request(bucket: Bucket) -> None:
    bucket.put("archive.tar", content=b"tar")
    place = bucket.folder / "archive.tar"
    with counted(bucket.client) as sent:
        info = Listings(bucket.settings).stat(place)
    assert info == ObjectInfo(3, hashlib.md5(b"tar").hexdigest())
    assert sent == ["HeadObject"]


def test_a_folder_is_no_object(bucket: Bucket) -> None:
    bucket.put("raw/archive.tar")
    assert listing.stat(bucket.client, bucket.folder / "raw") is None
    assert listing.stat(bucket.client, bucket.folder / "raw/none.tar") is None


@pytest.mark.parametrize("operation", [listing.stat, listing.read_folder])
def test_a_missing_bucket_is_told_from_a_missing_object(bucket: Bucket, operation: object) -> None:
    assert callable(operation)
    with pytest.raises(NoSuchBucket, match="s3://test-none: there is no such bucket"):
        operation(bucket.client, Remote("s3", "test-none", "raw/archive.tar"))


@pytest.mark.parametrize("operation", [listing.stat, listing.read_folder])
@pytest.mark.parametrize(
    ("keys", "why"),
    [
        (Keys("admin-key", "another-secret"), "the secret key is not that of the access key"),
        (Keys("unknown-key", "another-secret"), "the store does not know the access key"),
    ],
)
def test_refused_keys_are_told_from_missing_rights(
    bucket: Bucket, aws: pytest.MonkeyPatch, operation: object, keys: Keys, why: str
) -> None:
    use_keys(aws, keys)
    client.forget()
    assert callable(operation)
    with pytest.raises(CredentialsRefused, match=why) as caught:
        operation(bucket.client, bucket.folder / "archive.tar")
    assert caught.value.exit_status == 2
    assert keys.secret not in repr(caught.value)
    assert caught.value.__context__ is None


def test_no_keys_at_all_are_said(bucket: Bucket, aws: pytest.MonkeyPatch) -> None:
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    client.forget()
    with pytest.raises(CredentialsRefused, match="--s3-unsigned"):
        listing.read_folder(bucket.client, bucket.folder)


def test_a_profile_that_is_not_there_is_said(bucket: Bucket) -> None:
    of = client.connect(Settings(endpoint=bucket.server.endpoint, profile="none"))
    with pytest.raises(UsageError, match="none"):
        listing.read_folder(of, bucket.folder)
