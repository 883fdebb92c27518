"""``shardmill fetch`` from a mirror in a bucket of a real store."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import pytest
from outputs3 import Host, names
from s3bucket import Bucket, use_keys
from s3servers import Keys
from support import RawSet

from pipeline.errors import CredentialsRefused, NoSuchBucket, ObjectMissing
from pipeline.sources.inputs import Archive
from pipeline.state import fetching
from pipeline.state.fetch_plan import FetchPlan
from pipeline.storage import RemoteOptions
from pipeline.storage.http.fetch.parts import PART
from pipeline.storage.http.fetch.session import Session
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.s3 import client

pytest_plugins = ["s3stores"]

NAME = "archive.tar.gz"
CONTENT = b"\x1f\x8b" + random.Random(8).randbytes(PART + 3_000_000)
SECRETS = ("X-Amz-Signature", "X-Amz-Credential", "admin-key", "admin-secret")


@pytest.fixture
def plan(bucket: Bucket, aws: pytest.MonkeyPatch, tmp_path: Path) -> FetchPlan:
    """A plan to fetch an archive from a bucket; no variable of AWS says where the store is."""
    aws.delenv("AWS_ENDPOINT_URL", raising=False)
    archive = Archive("boxes", NAME, "-", hashlib.md5(CONTENT).hexdigest(), None)
    remote = RemoteOptions(s3_endpoint=bucket.server.endpoint)
    return FetchPlan(tmp_path / "raw", (archive,), mirrors=(str(bucket.folder),), remote=remote)


def fetch(plan: FetchPlan, said: list[str]) -> bool:
    with Transfer(4) as transfer:
        return fetching.fetch(plan, plan.archives[0], Session(transfer, say=said.append))


def test_an_object_is_fetched_in_parts_and_no_signature_is_kept(
    bucket: Bucket, plan: FetchPlan
) -> None:
    bucket.put(NAME, content=CONTENT)
    said = list[str]()
    assert fetch(plan, said)
    assert (plan.raw / NAME).read_bytes() == CONTENT
    record = (plan.raw / f".{NAME}.fetched").read_text()
    assert f"{bucket.folder}/{NAME}" in record
    assert not any(secret in record + "".join(said) for secret in SECRETS)


def test_what_a_store_refuses_is_said_in_its_own_words(
    bucket: Bucket, plan: FetchPlan, aws: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ObjectMissing, match=NAME):
        fetch(plan, [])
    bucket.put(NAME, content=CONTENT)
    with pytest.raises(NoSuchBucket) as caught:
        fetch(replace(plan, mirrors=("s3://not-there/folder",)), [])
    assert (caught.value.exit_status, caught.value.file) == (2, "s3://not-there")
    use_keys(aws, Keys("admin-key", "another-secret-0123456789"))
    client.forget()
    with pytest.raises(CredentialsRefused, match="the secret key is not that") as refused:
        fetch(plan, [])
    assert refused.value.exit_status == 2
    assert not any(secret in str(refused.value) for secret in SECRETS[:2])


def test_a_store_that_refuses_is_passed_over(bucket: Bucket, plan: FetchPlan) -> None:
    bucket.put(NAME, content=CONTENT)
    said = list[str]()
    assert fetch(replace(plan, mirrors=("s3://not-there/folder", *plan.mirrors)), said)
    assert (plan.raw / NAME).read_bytes() == CONTENT
    assert "there is no such bucket" in said[0]
    assert "the next mirror is tried" in said[0]


def test_archives_are_verified_for_an_output_in_the_store(
    bucket: Bucket, sample: RawSet, tmp_path: Path
) -> None:
    """The command that prepares them reads them no more than it would for a local output."""
    mirror = bucket.folder.with_name("raw")
    for path in sample.raw.iterdir():
        key = (mirror / path.name).key
        bucket.plain.put_object(Bucket=mirror.host, Key=key, Body=path.read_bytes())
    host = Host(tmp_path / "host", ("--s3-endpoint", bucket.settings.endpoint))
    where = ("--raw", tmp_path / "raw", "--config", sample.config, "--out", bucket.folder)
    run = host.run("fetch", *where, "--mirror", mirror)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count(f"verified for {bucket.folder}") == 3
    marks = [name for name in names(bucket) if name.startswith(".shardmill/archives/")]
    assert len(marks) >= 3
    run = host.run("imagenet", *where)
    assert run.returncode == 0, run.stderr
    assert "verify" not in run.stdout
    assert marks == [name for name in names(bucket) if name.startswith(".shardmill/archives/")]
