"""``shardmill fetch`` from a mirror in a bucket of a real store."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from s3bucket import Bucket, use_keys
from s3servers import Keys

from pipeline.errors import ObjectMissing, ObjectRefused
from pipeline.sources.inputs import Archive
from pipeline.state import fetching
from pipeline.state.fetch_plan import FetchPlan
from pipeline.storage.http.fetch.means import Means
from pipeline.storage.http.fetch.parts import PART
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.s3 import client

pytest_plugins = ["s3stores"]

NAME = "archive.tar.gz"
CONTENT = b"\x1f\x8b" + random.Random(8).randbytes(PART + 3_000_000)
SECRETS = ("X-Amz-Signature", "X-Amz-Credential", "admin-key", "admin-secret")


@pytest.fixture
def plan(bucket: Bucket, aws: pytest.MonkeyPatch, tmp_path: Path) -> FetchPlan:
    """A plan to fetch an archive from a bucket."""
    aws.setenv("AWS_ENDPOINT_URL", bucket.server.endpoint)
    archive = Archive("boxes", NAME, "-", hashlib.md5(CONTENT).hexdigest(), None)
    return FetchPlan(tmp_path / "raw", (archive,), mirrors=(str(bucket.folder),))


def fetch(plan: FetchPlan, said: list[str]) -> bool:
    with Transfer(4) as transfer:
        return fetching.fetch(plan, plan.archives[0], Means(transfer, say=said.append))


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


def test_a_missing_object_and_wrong_keys_are_said_in_a_line(
    bucket: Bucket, plan: FetchPlan, aws: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ObjectMissing, match=NAME):
        fetch(plan, [])
    bucket.put(NAME, content=CONTENT)
    use_keys(aws, Keys("admin-key", "another-secret-0123456789"))
    client.forget()
    with pytest.raises(ObjectRefused) as caught:
        fetch(plan, [])
    assert caught.value.exit_status == 3
    assert not any(secret in str(caught.value) for secret in SECRETS)
