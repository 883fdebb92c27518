"""Fixtures, a plugin of the modules beside it: an output folder in a bucket of each server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faultproxy import FaultProxy
from outputbucket import Output
from s3bucket import Bucket
from s3servers import S3Server

from pipeline import storage
from pipeline.storage.s3 import retries

pytest_plugins = ["s3stores"]


@pytest.fixture(scope="session")
def s3_proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    """One proxy before each server."""
    with FaultProxy(s3_server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def output(
    bucket: Bucket, s3_proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Output]:
    """An empty output folder that is watched; waits between tries are short."""
    monkeypatch.setattr(retries, "_FIRST_WAIT_S", 0.01)
    s3_proxy.follow()
    here = Output(bucket, s3_proxy, tmp_path / "scratch")
    storage.use(here.options)
    storage.watch(here.place)
    yield here
    s3_proxy.follow()
    storage.use(storage.RemoteOptions())
