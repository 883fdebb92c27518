"""How a store is reached, as a user says it: what is refused, and what is never shown."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.storage.s3.settings import Settings


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:9000", "https://s3.example.org", "http://[::1]:80", "https://h/p"],
)
def test_an_endpoint_is_an_address_of_a_host(endpoint: str) -> None:
    assert Settings(endpoint=endpoint).endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        *("", "host:9000", "s3://bucket", "ftp://host", "http://", "http://host:port"),
        *("http://user:secret@host", "http://secret@host", "http://host?secret", "http://h#secret"),
    ],
)
def test_what_is_no_endpoint_or_holds_a_secret_is_refused_unseen(endpoint: str) -> None:
    with pytest.raises(UsageError, match="--s3-endpoint") as caught:
        Settings(endpoint=endpoint)
    assert "secret" not in str(caught.value)


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(UsageError, match="path, virtual, auto"):
        Settings(addressing="host")
    with pytest.raises(UsageError, match="when_required, when_supported"):
        Settings(checksums="never")
