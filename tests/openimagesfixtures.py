"""``shardmill openimages`` whose images come from a server, for tests that name this a plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import inprocess
import pytest
from openimagesbucket import Bucket
from openimagesruns import Run

from pipeline import storage


@pytest.fixture
def bucket(openimages: Path) -> Iterator[Bucket]:
    with Bucket(openimages / "bucket", openimages / "raw") as bucket:
        yield bucket


@pytest.fixture
def run(bucket: Bucket, openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command, whose metadata is in a folder and whose images come from the server."""
    config = bucket.configure(openimages, tmp_path / "config")

    def command(*words: object, out: Path = tmp_path / "out") -> inprocess.Ran:
        storage.renew()
        given = ("--config", config, "--raw", openimages / "raw", "--out", out)
        return inprocess.shardmill(monkeypatch, "openimages", *given, *words)

    return command
