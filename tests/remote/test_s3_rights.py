"""The rights that docs/remote.md lists are enough, and each one that is missing is said."""

from __future__ import annotations

import json
import re
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from s3bucket import STRANGERS_NAME, Bucket, use_keys
from s3servers import STRANGER
from support import ROOT

from pipeline import storage
from pipeline.errors import EnvironmentRefused, NoPermission, ObjectRefused
from pipeline.storage import RemoteOptions, StagedFile
from pipeline.storage.location import Remote
from pipeline.storage.s3 import client, listing, multipart, removal, upload

pytest_plugins = ["s3stores"]


@pytest.fixture
def limited(bucket: Bucket, aws: pytest.MonkeyPatch) -> Bucket:
    """A bucket whose rights are those of docs/remote.md, and the keys that have no others."""
    if bucket.server.name == "rclone":
        pytest.skip("rclone has no rights")
    for key in ("raw/archive.tar", "other/object", "shards/old"):
        bucket.plain.put_object(Bucket=bucket.folder.host, Key=key, Body=b"x")
    text = (ROOT / "docs" / "remote.md").read_text()
    block = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert block
    policy = json.loads(re.sub("INPUT|OUTPUT", bucket.folder.host, block[1]))
    for statement in policy["Statement"]:
        statement["Principal"] = {"AWS": STRANGERS_NAME}
    bucket.plain.put_bucket_policy(Bucket=bucket.folder.host, Policy=json.dumps(policy))
    use_keys(aws, STRANGER)
    client.forget()
    return bucket


def test_the_documented_rights_are_enough(
    limited: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, shards = (Remote("s3", limited.folder.host, each) for each in ("raw", "shards"))
    of = limited.client
    assert [name for name, _ in listing.walk(of, raw)] == ["archive.tar"]
    assert listing.stat(of, raw / "archive.tar") is not None
    assert listing.stat(of, raw / "none.tar") is None
    assert list(listing.read_folder(of, shards).objects) == ["old"]
    assert listing.read_folder(of, shards / "none") == listing.Listing()
    upload.put_bytes(of, shards / "mark.json", b"{}")
    upload.put_bytes(of, shards / "mark.json", b"{}")
    monkeypatch.setattr(upload, "ONE_PUT", 10)
    (tmp_path / "long").write_bytes(b"x" * 100)
    upload.put_file(of, shards / "long", tmp_path / "long")
    piece = upload.put_bytes(of, shards / "piece", b"x" * multipart.SMALLEST_PART)
    assert multipart.join(of, shards / "joined", [(shards / "piece", piece)] * 2) is not None


def test_the_documented_rights_are_enough_for_an_output(limited: Bucket, tmp_path: Path) -> None:
    """Nothing is deleted, also where a mark is taken back or replaced."""
    out = Remote("s3", limited.folder.host, "shards")
    options = RemoteOptions(s3_endpoint=limited.settings.endpoint or "", scratch=str(tmp_path))
    storage.use(options)
    storage.watch(out)
    for superseding in (False, True):
        with StagedFile(out / "a.tar") as file, StagedFile(out / "marks/a.json") as mark:
            file.write(b"content")
            mark.write(b"{}")
            storage.publish(file, mark, superseding=superseding)
    storage.point(out / "current", "digest")
    storage.renew()
    assert storage.read_bytes(out / "marks/a.json") == b"{}"
    assert storage.local_copy(out / "a.tar").read_bytes() == b"content"
    storage.remove(out, out / "marks/a.json")
    storage.remove(out, out / "current")
    storage.renew()
    assert storage.documents(out / "marks") == []
    assert storage.pointed(out / "current") is None
    with pytest.raises(NoPermission, match="s3:DeleteObject"):
        storage.carry_out(storage.plan_files(out, [out / "a.tar"]))
    assert storage.stat(out / "a.tar") is not None
    storage.use(RemoteOptions())


def test_every_right_that_is_missing_is_said(limited: Bucket, tmp_path: Path) -> None:
    bucket, of = limited.folder.host, limited.client
    raw, other = Remote("s3", bucket, "raw"), Remote("s3", bucket, "other")
    with pytest.raises(ObjectRefused, match=r"(?s)s3://.*/other: .*s3:ListBucket") as caught:
        listing.read_folder(of, other)
    assert caught.value.exit_status == 3
    with pytest.raises(ObjectRefused, match=r"/other/object: "):
        listing.stat(of, other / "object")
    with pytest.raises(NoPermission, match=r"(?s)/raw/new: .*s3:PutObject") as denied:
        upload.put_bytes(of, raw / "new", b"x")
    assert denied.value.exit_status == 1
    with pytest.raises(ObjectRefused, match="s3:ListBucketMultipartUploads"):
        removal.unfinished(of, Remote("s3", bucket, "shards"))
    old = Remote("s3", bucket, "shards/old")
    assert isinstance(removal.remove(of, [old])[old], NoPermission)
    assert listing.stat(of, old) is not None


def test_a_public_bucket_is_read_without_keys(bucket: Bucket, aws: pytest.MonkeyPatch) -> None:
    if bucket.server.name == "rclone":
        pytest.skip("rclone has no anonymous readers")
    bucket.put("object", content=b"content")
    allowed = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{bucket.folder.host}{end}" for end in ("", "/*")],
    }
    public = client.connect(replace(bucket.settings, unsigned=True))
    with pytest.raises(ObjectRefused):
        listing.read_folder(public, bucket.folder)
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    bucket.plain.put_bucket_policy(Bucket=bucket.folder.host, Policy=json.dumps(policy))
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    client.forget()
    public = client.connect(replace(bucket.settings, unsigned=True))
    assert list(listing.read_folder(public, bucket.folder).objects) == ["object"]
    url = public.sign(bucket.folder / "object").url
    assert "X-Amz" not in url
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310
        assert answer.read() == b"content"
    with pytest.raises(NoPermission):
        upload.put_bytes(public, bucket.folder / "another", b"x")


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_wrong_clock_is_said(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    skewed = datetime.now(UTC) + timedelta(hours=hours)
    naive = skewed.replace(tzinfo=None)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: naive)
    monkeypatch.setattr("time.time", skewed.timestamp)
    for ask in (listing.stat, listing.read_folder):
        with pytest.raises(EnvironmentRefused, match=r"(?s)clock of this.*set the clock"):
            ask(bucket.client, bucket.folder / "object")
