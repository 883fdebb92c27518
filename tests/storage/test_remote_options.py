"""The options by which remote places are reached."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.storage import RemoteOptions


def test_settings_are_made_once() -> None:
    """They are asked for with each object, and an address is checked when they are made."""
    options = RemoteOptions(s3_endpoint="http://127.0.0.1:9000")
    assert options.s3 is options.s3
    assert options == RemoteOptions(s3_endpoint="http://127.0.0.1:9000")


def test_an_endpoint_that_is_none_is_refused_each_time() -> None:
    """A refusal is not kept instead of settings."""
    options = RemoteOptions(s3_endpoint="nonsense")
    for _ in range(2):
        with pytest.raises(UsageError):
            _ = options.s3
