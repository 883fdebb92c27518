"""Fixtures, a plugin of the modules beside it: both servers, and a bucket for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from s3bucket import Bucket, fresh_bucket, use_keys
from s3servers import ADMIN, REGION, SERVERS, S3Server, running

from pipeline.storage.s3 import client


@pytest.fixture(scope="session", params=sorted(SERVERS))
def s3_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Server]:
    """Each of the servers, running; it is not killed by those who share it."""
    with running(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which AWS's variables are those of the test alone."""
    use_keys(monkeypatch, ADMIN)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.fixture
def bucket(s3_server: S3Server, aws: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A fresh bucket, and keys with all rights in the environment."""
    yield fresh_bucket(s3_server)
    client.forget()
